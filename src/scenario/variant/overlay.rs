//! One tree laid over another.
//!
//! - A section of the file, such as `[raft]`, changes key by key, and so does a table that is stated by dotted keys or
//!   by a header.
//! - A table in braces below that is a value: it takes the place of the old one.
//! - In `fault`, `nemesis` and `network.link` a list adds to the list, and a table changes the one whose `id` is the
//!   key.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::scenario::reader::{At, Problem, Reader};

/// Where lists of tables add to one another.
const LISTS: [&str; 3] = ["fault", "nemesis", "network.link"];

/// Changes `base` as `over` says; `path` is that of both.
pub(super) fn lay_over<'t>(reader: &mut Reader<'_>, base: &mut DeTable<'t>, over: DeTable<'t>, path: &str) {
    for (key, value) in over {
        let name = key.get_ref().to_string();
        let path = joined(path, &name);
        let is_value = path.contains('.') && is_inline(reader, &value);
        match (base.get_mut(name.as_str()).map(Spanned::get_mut), value.get_ref()) {
            (Some(DeValue::Table(old)), DeValue::Table(_)) if !is_value => {
                if let DeValue::Table(new) = value.into_inner() {
                    lay_over(reader, old, new, &path);
                }
            }
            (None, DeValue::Table(_)) if LISTS.contains(&&*path) => {
                if let DeValue::Table(new) = value.into_inner() {
                    change_items(reader, &mut DeArray::new(), new, &path);
                }
            }
            (Some(DeValue::Array(old)), DeValue::Array(_)) if LISTS.contains(&&*path) => {
                if let DeValue::Array(new) = value.into_inner() {
                    new.into_iter().for_each(|item| old.push(item));
                }
            }
            (Some(DeValue::Array(old)), DeValue::Table(_)) if LISTS.contains(&&*path) => {
                if let DeValue::Table(new) = value.into_inner() {
                    change_items(reader, old, new, &path);
                }
            }
            _ => {
                // With its key: an error about it is at the place that says it.
                base.remove(name.as_str());
                base.insert(key, value);
            }
        }
    }
}

/// Changes those items of a list whose ids are the keys.
fn change_items<'t>(reader: &mut Reader<'_>, list: &mut DeArray<'t>, changes: DeTable<'t>, path: &str) {
    for (id, change) in changes {
        let ids: Vec<String> = list.iter().enumerate().map(|(index, item)| id_of(item, path, index)).collect();
        let Some(index) = ids.iter().position(|known| known == id.get_ref()) else {
            let known = ids.iter().filter(|id| !id.is_empty()).map(String::as_str);
            let problem = Problem::unknown("id", id.get_ref(), known);
            reader.report(&id.span(), &joined(path, id.get_ref()), problem);
            continue;
        };
        let path = format!("{path}[{index}]");
        if !change.get_ref().is_table() {
            let problem = Problem::expected("a table with what is different", change.get_ref());
            reader.report(&change.span(), &path, problem);
            continue;
        }
        let item = list.get_mut(index).map(Spanned::get_mut);
        if let (Some(DeValue::Table(item)), DeValue::Table(change)) = (item, change.into_inner()) {
            lay_over(reader, item, change, &path);
        }
    }
}

/// The id of an item of a list; that of a nemesis without one is its ordinal.
fn id_of(item: &Spanned<DeValue<'_>>, path: &str, index: usize) -> String {
    let id = item.get_ref().as_table().and_then(|table| table.get("id")?.get_ref().as_str());
    match id {
        Some(id) => id.to_owned(),
        None if path == "nemesis" => format!("nemesis-{}", index + 1),
        None => String::new(),
    }
}

/// Takes away what stands at the path that is stated at `at`.
pub(super) fn remove(reader: &mut Reader<'_>, tree: &mut DeTable<'_>, (path, at): &(String, std::ops::Range<usize>)) {
    let Some(keys) = keys_of(path) else {
        reader.report(at, "variant.without", Problem::new(format!("{path:?} is no path of a key")));
        return;
    };
    if !remove_below(tree, &keys, "") {
        let message = format!("nothing stands at \"{path}\": there is nothing to leave out");
        reader.report(at, "variant.without", Problem::new(message));
    }
}

fn remove_below(table: &mut DeTable<'_>, keys: &[String], path: &str) -> bool {
    let [key, rest @ ..] = keys else { return false };
    if rest.is_empty() {
        return table.remove(key.as_str()).is_some();
    }
    let path = joined(path, key);
    match table.get_mut(key.as_str()).map(Spanned::get_mut) {
        Some(DeValue::Table(inner)) => remove_below(inner, rest, &path),
        Some(DeValue::Array(list)) if LISTS.contains(&&*path) => {
            let index = list.iter().enumerate().position(|(index, item)| id_of(item, &path, index) == rest[0]);
            match (index, &rest[1..]) {
                (None, _) => false,
                (Some(index), []) => {
                    let left =
                        std::mem::replace(list, DeArray::new()).into_iter().enumerate().filter(|(at, _)| *at != index);
                    *list = left.map(|(_, item)| item).collect();
                    true
                }
                (Some(index), rest) => match list.get_mut(index).map(Spanned::get_mut) {
                    Some(DeValue::Table(item)) => remove_below(item, rest, &format!("{path}[{index}]")),
                    _ => false,
                },
            }
        }
        _ => false,
    }
}

/// The keys of a path, one within the other: `expect.reach`, `disk.nodes.s1`.
pub(super) fn keys_of(path: &str) -> Option<Vec<String>> {
    // Nothing that would end the key, but in quotes.
    let bare: String = path.split('"').step_by(2).collect();
    if path.contains(['\n', '\r']) || bare.contains(['=', '#']) {
        return None;
    }
    let text = format!("{path} = 0");
    let tree = DeTable::parse(&text).ok()?;
    let mut keys = Vec::new();
    let mut table = tree.get_ref();
    loop {
        let (key, value) = table.iter().next()?;
        keys.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(keys),
        }
    }
}

/// Whether a table stands in braces.
fn is_inline(reader: &Reader<'_>, value: &Spanned<DeValue<'_>>) -> bool {
    reader.source.text.get(value.span()).is_some_and(|text| text.starts_with('{'))
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A list of texts, each with its place.
pub(crate) fn spanned_texts(reader: &mut Reader<'_>, at: &At<'_>) -> Option<Vec<(String, std::ops::Range<usize>)>> {
    let Some(items) = at.items() else {
        reader.refuse(at, Problem::expected("a list of paths of keys", at.value));
        return None;
    };
    let text = |item: &At<'_>| {
        Some((reader.text(item, "the path of a key such as \"expect.reach\"")?.to_owned(), item.span.clone()))
    };
    let texts: Vec<_> = items.iter().map(text).collect();
    texts.into_iter().collect()
}
