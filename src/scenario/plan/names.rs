//! Nodes in plans: people read and write `redis2`, a plan as a value has `r2`. Only what a plan itself says of nodes is
//! read and written so; what clients are asked for is the system's, and stays as it is.

use toml::Value;
use toml::de::DeValue;

use crate::scenario::names::Names;

/// Where the nodes and links of an entry stand, by the word for the kind of entry. `*` is any key.
fn places(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "fault" => &[&["fault", "*", "nodes"], &["fault", "*", "links"]],
        "operation" | "order" | "name" => &[&["node"]],
        "override" => &[&["site", "*"]],
        _ => &[],
    }
}

/// An entry that was read, with letters in place of names.
pub(super) fn letters(entry: &mut DeValue<'_>, kind: &str, names: &Names) {
    if !names.is_plain() {
        places(kind).iter().for_each(|place| letters_at(entry, place, names));
    }
}

fn letters_at(value: &mut DeValue<'_>, place: &[&str], names: &Names) {
    match (value, place) {
        (DeValue::String(text), []) => {
            if let Some(letters) = names.letters(text) {
                *text = letters.into();
            }
        }
        (DeValue::Array(items), []) => items.iter_mut().for_each(|item| letters_at(item.get_mut(), &[], names)),
        (DeValue::Table(table), [key, rest @ ..]) => {
            let values = table.iter_mut().filter(|(name, _)| *key == "*" || name.get_ref() == key);
            values.for_each(|(_, value)| letters_at(value.get_mut(), rest, names));
        }
        _ => {}
    }
}

/// An entry that is about to be written, with names in place of letters.
pub(super) fn spell(entry: &mut Value, kind: &str, names: &Names) {
    places(kind).iter().for_each(|place| spell_at(entry, place, names));
}

fn spell_at(value: &mut Value, place: &[&str], names: &Names) {
    match (value, place) {
        (Value::String(text), []) => *text = names.spell(text).into_owned(),
        (Value::Array(items), []) => items.iter_mut().for_each(|item| spell_at(item, &[], names)),
        (Value::Table(table), [key, rest @ ..]) => {
            let values = table.iter_mut().filter(|(name, _)| *key == "*" || name == key);
            values.for_each(|(_, value)| spell_at(value, rest, names));
        }
        _ => {}
    }
}
