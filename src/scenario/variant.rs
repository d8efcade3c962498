//! Variants of a scenario, and what a command line picks of a file.
//!
//! Both are tables that are laid over the tree of the file before it is decoded, so that whatever stands in a file can
//! be another in a variant, and is read with the same errors at the place where it is written. What a command line
//! picks is written at the end of the text: the text alone says which scenario it is.
//!
//! ```text
//!   [[variant]]  name, goal, without, sections ─┐
//!   [[picked]]   variant, set ──────────────────┤
//!                                               ▼
//!   tree of the file ──── without ──── laid over ────▶ tree of one scenario ──section/*──▶ Scenario
//! ```

mod overlay;
mod picks;

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::Shape as _;
use super::reader::{At, Problem, Reader};
use super::section::variant::{PICKED, VARIANT, Variant, is_own_key};

pub(super) use overlay::spanned_texts;
pub use picks::{Assignment, Picks};

/// A file states no more variants: each is read on its own.
const VARIANTS_MAX: usize = 64;

/// The keys that say what a file is: no variant states them, and none of them can be set.
const FIXED: [&str; 4] = ["format", "system", VARIANT.name, PICKED.name];

/// Whether this key says what the file is.
pub(super) fn is_fixed(key: &str) -> bool {
    FIXED.contains(&key)
}

/// The tree of one scenario.
pub(super) struct Laid<'t> {
    pub(super) tree: DeTable<'t>,
    /// What its variant says that it shows.
    pub(super) goal: Option<String>,
}

/// The names of the variants among which a text leaves the choice, in its order. None where there is none to make.
pub(super) fn names(tree: &DeTable<'_>) -> Vec<String> {
    if picked(tree).is_some() {
        return Vec::new();
    }
    let variants = tree.get(VARIANT.name).and_then(|list| list.get_ref().as_array());
    let name = |one: &Spanned<DeValue<'_>>| Some(one.get_ref().as_table()?.get("name")?.get_ref().as_str()?.to_owned());
    let names: Option<Vec<String>> = variants.into_iter().flatten().map(name).collect();
    names.filter(|names| names.len() <= VARIANTS_MAX).unwrap_or_default()
}

/// The variant that a text picks.
pub(super) fn picked(tree: &DeTable<'_>) -> Option<String> {
    let picks = tree.get(PICKED.name).and_then(|list| list.get_ref().as_array());
    let variant =
        |one: &Spanned<DeValue<'_>>| Some(one.get_ref().as_table()?.get("variant")?.get_ref().as_str()?.to_owned());
    picks.into_iter().flatten().find_map(variant)
}

/// The tree of the scenario that a text comes to: that of the variant that it picks, with the keys that it sets.
/// `None` if it is unclear which that is; then the reader knows why.
pub(super) fn lay<'t>(reader: &mut Reader<'_>, mut tree: DeTable<'t>) -> Option<Laid<'t>> {
    let variants = tree.remove_entry(VARIANT.name);
    let picks = tree.remove_entry(PICKED.name);
    let described = match &variants {
        None => Vec::new(),
        Some((_, value)) => VARIANT.shape.decode(reader, &At::new(value, VARIANT.name.to_owned()))?,
    };
    let picked = match &picks {
        None => Vec::new(),
        Some((_, value)) => PICKED.shape.decode(reader, &At::new(value, PICKED.name.to_owned()))?,
    };
    check_names(reader, &described)?;
    let name = picked.iter().find_map(|one| one.variant.as_deref());
    let chosen = match (variants, name) {
        (None, None) => None,
        (None, Some(name)) => {
            let message = format!("there is no variant \"{name}\": the file states none");
            reader.report(&(0..0), "", Problem::new(message));
            return None;
        }
        (Some((key, _)), None) => {
            let names: Vec<&str> = described.iter().map(|one| one.name.as_str()).collect();
            let (path, first) = (&reader.source.path, names.first().copied().unwrap_or_default());
            let message = format!(
                "the file states variants: name one of them, as in {path}#{first} (they are {})",
                names.join(", ")
            );
            reader.report(&key.span(), VARIANT.name, Problem::new(message));
            return None;
        }
        (Some((_, value)), Some(name)) => {
            let Some(index) = described.iter().position(|one| one.name == name) else {
                let names = described.iter().map(|one| one.name.as_str());
                reader.report(&(0..0), "", Problem::unknown("variant", name, names));
                return None;
            };
            Some((described[index].clone(), nth_table(value, index)?))
        }
    };
    let mut goal = None;
    if let Some((variant, table)) = chosen {
        for path in &variant.without {
            overlay::remove(reader, &mut tree, path);
        }
        overlay::lay_over(reader, &mut tree, own_sections(table), "");
        goal = variant.goal;
    }
    for set in picks.into_iter().flat_map(|(_, value)| sets(value)) {
        let set = without_fixed(reader, set);
        overlay::lay_over(reader, &mut tree, set, "");
    }
    Some(Laid { tree, goal })
}

/// What is set, without what says what the file is: that was read before.
fn without_fixed<'t>(reader: &mut Reader<'_>, set: DeTable<'t>) -> DeTable<'t> {
    for key in set.keys().filter(|key| is_fixed(key.get_ref())) {
        let name: &str = key.get_ref();
        let message = match name {
            "variant" => "cannot be set: name the variant behind the file, as in overlap.toml#quick".to_owned(),
            _ => "cannot be set: it says what the file is".to_owned(),
        };
        reader.report(&key.span(), name, Problem::new(message));
    }
    set.into_iter().filter(|(key, _)| !is_fixed(key.get_ref())).collect()
}

/// There are not too many, and no two of one name: they could not be told apart.
fn check_names(reader: &mut Reader<'_>, variants: &[Variant]) -> Option<()> {
    if let Some(more) = variants.get(VARIANTS_MAX) {
        let message = format!("a file states at most {VARIANTS_MAX} variants");
        reader.report(&more.span, &format!("{}[{VARIANTS_MAX}]", VARIANT.name), Problem::new(message));
        return None;
    }
    let mut seen = BTreeMap::new();
    for (index, variant) in variants.iter().enumerate() {
        if let Some(line) = seen.insert(&variant.name, reader.line(&variant.span)) {
            let message = format!("the name \"{}\" is taken by the variant on line {line}", variant.name);
            reader.report(&variant.span, &format!("{}[{index}].name", VARIANT.name), Problem::new(message));
            return None;
        }
    }
    Some(())
}

fn nth_table(list: Spanned<DeValue<'_>>, index: usize) -> Option<DeTable<'_>> {
    let DeValue::Array(items) = list.into_inner() else { return None };
    table_of(items.into_iter().nth(index)?)
}

fn table_of(value: Spanned<DeValue<'_>>) -> Option<DeTable<'_>> {
    match value.into_inner() {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// What a variant says beside its name: the sections that differ.
fn own_sections(table: DeTable<'_>) -> DeTable<'_> {
    table.into_iter().filter(|(key, _)| !is_own_key(key.get_ref())).collect()
}

/// The tables of keys that are set, in order.
fn sets(picks: Spanned<DeValue<'_>>) -> Vec<DeTable<'_>> {
    let DeValue::Array(items) = picks.into_inner() else { return Vec::new() };
    items.into_iter().filter_map(|pick| table_of(table_of(pick)?.remove("set")?)).collect()
}
