//! Damage to texts: by bytes, by tokens, and of scenarios by keys. A pure function of the numbers that are drawn.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Numbers of a fixed sequence: SplitMix64.
#[derive(Debug)]
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it is below a usize")
    }

    /// One of these.
    pub(crate) fn of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.below(values.len())]
    }
}

/// What stands where something else was: values at the edges of what is legal, and beyond.
const LITERALS: [&str; 36] = [
    "0",
    "1",
    "-1",
    "2",
    "7",
    "64",
    "65",
    "1000001",
    "99999999999999999999999999",
    "0x10",
    "1e999",
    "0.5",
    "-0.0",
    "nan",
    "inf",
    "true",
    "false",
    "\"\"",
    "\"s1\"",
    "\"s99\"",
    "\"leader\"",
    "\"not not leader\"",
    "\"1ns\"",
    "\"0s\"",
    "\"1000h\"",
    "\"1ms..5ms\"",
    "\"5ms..1ms\"",
    "\"100%\"",
    "\"0%\"",
    "\"é\u{202e}\u{9b}\"",
    "[]",
    "[[]]",
    "{}",
    "{ choose = [1, 2] }",
    "\"all\"",
    "1979-05-27T07:32:00Z",
];

/// Bytes that parsers take for more than they are.
const BYTES: &[u8] = b"\0\n\r\t\"'[]{}=.,#-_09azAZ\x1b\x7f\x80\xc2\xe2\xff";

/// A text with one to four bytes or stretches of bytes changed.
pub(crate) fn damage_bytes(text: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = text.to_vec();
    for _ in 0..=numbers.below(4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = numbers.below(bytes.len());
        let end = (at + 1 + numbers.below(40)).min(bytes.len());
        match numbers.below(6) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 => bytes[at] = *numbers.of(BYTES),
            2 => bytes.insert(at, *numbers.of(BYTES)),
            3 => _ = bytes.drain(at..end),
            4 => {
                let stretch = bytes[at..end].to_vec();
                let place = numbers.below(bytes.len());
                _ = bytes.splice(place..place, stretch);
            }
            _ => bytes.truncate(end),
        }
    }
    bytes
}

/// A text cut into words, texts between quotes, blanks and single signs.
fn tokens(text: &str) -> Vec<&str> {
    let is_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '%');
    let mut rest = text;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find(['"', '\n']).map_or(rest.len(), |end| end + 2),
            _ if is_of_word(first) => rest.find(|c| !is_of_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length.min(rest.len()));
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// A text with one to three tokens exchanged, left out, said twice, or replaced.
pub(crate) fn damage_tokens(text: &str, other: &str, numbers: &mut Numbers) -> String {
    let (mut all, others) = (tokens(text), tokens(other));
    for _ in 0..=numbers.below(3) {
        let is_worth = |at: &usize| !all[*at].trim().is_empty();
        let places: Vec<usize> = (0..all.len()).filter(is_worth).collect();
        if places.is_empty() {
            break;
        }
        let (at, to) = (*numbers.of(&places), *numbers.of(&places));
        match numbers.below(6) {
            0 => all.swap(at, to),
            1 => _ = all.remove(at),
            2 => all.insert(to, all[at]),
            3 => all[at] = *numbers.of::<&str>(&LITERALS),
            4 if !others.is_empty() => all[at] = *numbers.of::<&str>(&others),
            _ => all[at] = all[to],
        }
    }
    all.concat()
}

/// The keys of many scenarios, with the values that they have there.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    values: BTreeMap<String, Vec<Value>>,
}

impl Pool {
    /// With what a scenario says.
    pub(crate) fn add(&mut self, table: &Table) {
        for (key, value) in table {
            self.values.entry(key.clone()).or_default().push(value.clone());
            self.add_value(value);
        }
    }

    fn add_value(&mut self, value: &Value) {
        match value {
            Value::Table(table) => self.add(table),
            Value::Array(items) => items.iter().for_each(|item| self.add_value(item)),
            _ => {}
        }
    }

    fn key(&self, numbers: &mut Numbers) -> &str {
        let keys: Vec<&String> = self.values.keys().collect();
        numbers.of::<&String>(&keys).as_str()
    }

    /// A value that the key has somewhere; of another key now and then, or one that no key has.
    fn value(&self, key: &str, numbers: &mut Numbers) -> Value {
        let key = if numbers.below(4) == 0 { self.key(numbers) } else { key };
        match self.values.get(key) {
            Some(values) if numbers.below(4) > 0 => numbers.of(values).clone(),
            _ => literal(numbers),
        }
    }
}

fn literal(numbers: &mut Numbers) -> Value {
    let text = format!("v = {}", numbers.of(&LITERALS));
    let table: Option<Table> = text.parse().ok();
    table.and_then(|mut table| table.remove("v")).unwrap_or(Value::String(text))
}

/// A scenario with one to three keys set, renamed, left out, moved in, or said twice where they stand in a list.
pub(crate) fn damage_keys(table: &Table, pool: &Pool, numbers: &mut Numbers) -> String {
    let mut table = table.clone();
    for _ in 0..=numbers.below(3) {
        damage_table(&mut table, pool, numbers);
    }
    toml::to_string(&table).expect("a tree is TOML")
}

fn damage_table(table: &mut Table, pool: &Pool, numbers: &mut Numbers) {
    let keys: Vec<String> = table.keys().cloned().collect();
    if keys.is_empty() {
        return;
    }
    let key = numbers.of(&keys).clone();
    // Most of what is worth changing lies below the top.
    if numbers.below(8) > 0 {
        match table.get_mut(&key) {
            Some(Value::Table(inner)) => return damage_table(inner, pool, numbers),
            Some(Value::Array(items)) if !items.is_empty() => return damage_list(&key, items, pool, numbers),
            _ => {}
        }
    }
    let value = pool.value(&key, numbers);
    match numbers.below(5) {
        0 => _ = table.remove(&key),
        1 => {
            let value = table.remove(&key).expect("it is one of the keys");
            table.insert(pool.key(numbers).to_owned(), value);
        }
        2 => {
            let other = pool.key(numbers).to_owned();
            let value = pool.value(&other, numbers);
            table.insert(other, value);
        }
        _ => _ = table.insert(key, value),
    }
}

fn damage_list(key: &str, items: &mut Vec<Value>, pool: &Pool, numbers: &mut Numbers) {
    let at = numbers.below(items.len());
    match (numbers.below(6), &mut items[at]) {
        (0, _) => _ = items.remove(at),
        (1, item) => {
            let twice = item.clone();
            items.push(twice);
        }
        (2, item) => *item = pool.value(key, numbers),
        (_, Value::Table(inner)) => damage_table(inner, pool, numbers),
        (_, item) => *item = literal(numbers),
    }
}
