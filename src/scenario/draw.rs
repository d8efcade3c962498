//! What is drawn once a run in place of the value of a key: `{ choose = [a, b] }`, and ranges `"a..b"` of numbers,
//! durations, probabilities and the like.
//!
//! Such a form is found and decided where the value of a key is read, so that whoever asks for the value is given one,
//! as if the file said it. A file is therefore read once for each run (see [`combination`](super::combination)). The
//! options of a system and the chances of `[network]` are read with what they are drawn from, and decided by
//! [`resolve`](super::resolve).

use serde_json::{Value as Json, json};
use splitbrain_kernel::rng::{Seed, fnv1a};
use toml::de::DeValue;

use super::description::SystemDescription;
use super::key::{Shape, Table};
use super::reader::{At, Problem, Reader, quoted};
use super::shape::quantity::upside_down;
use super::shape::scale::Scale;

/// The tables whose keys can be drawn, beside that of the system's options.
const TABLES: [&str; 6] = ["cluster", "network", "clocks", "disk", "workload", "nemesis"];
/// The key of a choice.
pub(super) const CHOOSE: &str = "choose";
/// The label of the streams of what is drawn once a run.
pub(super) const STREAM: &str = "option";

/// How the values of a form are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawing {
    /// As those of any key: where the key is read.
    AsAny,
    /// The form itself says what it is drawn from.
    ByItself,
    /// Never, for this reason.
    Never(&'static str),
}

/// What decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decider {
    /// The digits of a number: one for each key, from that of the first key on. Of a range both ends are tried.
    Number(u64),
    /// The seed of a run, by a stream of each key.
    Seed(Seed),
}

/// What a key is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One of these.
    Choose(Vec<Choice>),
    /// A number of a scale, both ends included.
    Range {
        /// What it counts.
        scale: Scale,
        /// The least.
        low: u64,
        /// The most.
        high: u64,
    },
}

/// One value of a choice, without quotes around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// As it is shown: a list or a table as the file writes it, without what it leaves out.
    shown: String,
    /// As the file writes it: `1000ms`, where `1s` is shown.
    written: String,
}

/// A key that is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// Its path, which keys the draw: `network.latency`, `nemesis.weather.every`.
    pub(super) key: String,
    pub(super) form: Form,
    /// What it was decided to be: an index, or a number of the scale. `None` if `resolve` decides.
    decided: Option<u64>,
}

/// The keys that a reader has found to be drawn, and what decides them.
#[derive(Clone, Debug)]
pub(super) struct Draws {
    decider: Decider,
    /// The id of each nemesis: its place in the file keys no draw.
    pub(super) nemeses: Vec<String>,
    pub(super) sites: Vec<Site>,
    place: Place,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    WithinChoice,
}

impl Form {
    /// A range with these ends; `None` if they are no numbers of the scale, or upside down.
    pub(super) fn range(scale: Scale, low: &str, high: &str) -> Option<Self> {
        let (low, high) = (scale.read(low)?, scale.read(high)?);
        (low <= high).then_some(Self::Range { scale, low, high })
    }

    /// How many values are worth trying.
    pub(super) fn alternatives(&self) -> u64 {
        match self {
            Self::Choose(values) => values.len() as u64,
            Self::Range { low, high, .. } => {
                if low < high {
                    2
                } else {
                    1
                }
            }
        }
    }

    fn nth(&self, digit: u64) -> u64 {
        match self {
            Self::Choose(_) => digit,
            Self::Range { low, high, .. } => {
                if digit == 0 {
                    *low
                } else {
                    *high
                }
            }
        }
    }

    /// Which index of a choice, or which number of a range, is drawn for this seed.
    fn drawn(&self, seed: Seed, key: &str) -> u64 {
        let mut rng = seed.stream(STREAM, fnv1a(key));
        match self {
            Self::Choose(values) => rng.below(values.len() as u64),
            Self::Range { low, high, .. } => rng.between(*low, *high),
        }
    }

    fn show(&self, decided: u64) -> String {
        match self {
            Self::Choose(values) => values[usize::try_from(decided).expect("an index of this list")].shown.clone(),
            Self::Range { scale, .. } => bare(&scale.show(decided)),
        }
    }

    /// The value as runs print it, of one that was written by a person: what `where` compares.
    pub(super) fn canonical(&self, key: &str, text: &str) -> Result<String, Problem> {
        match self {
            Self::Choose(values) => {
                let found = values.iter().find(|value| value.shown == text || value.written == text);
                found.map(|value| value.shown.clone()).ok_or_else(|| {
                    let known = values.iter().map(|value| value.shown.as_str());
                    Problem::unknown(&format!("value of {key}"), text, known)
                })
            }
            Self::Range { scale, low, high } => {
                let number = scale.read(text).filter(|number| (low..=high).contains(&number));
                number.map(|number| bare(&scale.show(number))).ok_or_else(|| {
                    let (low, high) = (bare(&scale.show(*low)), bare(&scale.show(*high)));
                    Problem::new(format!("{key} is drawn from {low}..{high}: it is never {}", quoted(text)))
                })
            }
        }
    }

    /// Whether a key by itself is a condition: one that is true or false.
    pub(super) fn is_truth(&self) -> bool {
        matches!(self, Self::Choose(values) if values.iter().all(|value| matches!(&*value.shown, "true" | "false")))
    }
}

impl Site {
    /// What it was decided to be, as text; `None` if `resolve` decides.
    pub(super) fn value(&self) -> Option<String> {
        self.decided.map(|decided| self.form.show(decided))
    }

    /// How many values are worth trying; 1 if `resolve` decides.
    pub(super) fn alternatives(&self) -> u64 {
        self.decided.map_or(1, |_| self.form.alternatives())
    }
}

impl Draws {
    /// None found yet.
    pub(super) const fn new(decider: Decider) -> Self {
        Self { decider, nemeses: Vec::new(), sites: Vec::new(), place: Place::Outside }
    }

    /// The path that keys the draw of what stands at this path.
    fn key(&self, path: &str) -> String {
        let nemesis = path.strip_prefix("nemesis[").and_then(|rest| rest.split_once(']'));
        let id = nemesis.and_then(|(index, rest)| Some((self.nemeses.get(index.parse::<usize>().ok()?)?, rest)));
        id.map_or_else(|| path.to_owned(), |(id, rest)| format!("nemesis.{id}{rest}"))
    }

    /// A key of which `resolve` decides.
    pub(super) fn later(&mut self, path: &str, form: Form) {
        // A twin is a scenario of its own: what it says is not drawn in these runs.
        if !path.starts_with("expect.") {
            self.sites.push(Site { key: path.to_owned(), form, decided: None });
        }
    }

    fn decide(&mut self, path: &str, form: Form) -> u64 {
        let key = self.key(path);
        let decided = match &mut self.decider {
            Decider::Number(rest) => {
                let digit = *rest % form.alternatives();
                *rest /= form.alternatives();
                form.nth(digit)
            }
            Decider::Seed(seed) => form.drawn(*seed, &key),
        };
        self.sites.push(Site { key, form, decided: Some(decided) });
        decided
    }
}

/// Reads the value of a key that may be drawn.
pub(super) fn read<S: Shape>(reader: &mut Reader<'_>, shape: &S, at: &At<'_>) -> Option<S::Value> {
    if shape.drawing() == Drawing::ByItself {
        return shape.decode(reader, at);
    }
    // A table of the file, such as [network], is no key of one: there `choose` is an unknown key.
    if is_choice(at.value) && at.path.contains('.') {
        let may = may_choose(reader, shape, at);
        reader.check(at, may)?;
        return choice(reader, shape, at);
    }
    match (shape.scale(), at.value.as_str().and_then(|text| text.split_once(".."))) {
        (Some(scale), Some(ends)) if in_tables(&at.path) && shape.drawing() == Drawing::AsAny => {
            range(reader, shape, at, (scale, ends))
        }
        _ => shape.decode(reader, at),
    }
}

/// Whether this is a choice, or was meant to be one.
fn is_choice(value: &DeValue<'_>) -> bool {
    value.as_table().is_some_and(|table| table.contains_key(CHOOSE))
}

/// Whether the key at this path belongs to one of the tables whose keys can be drawn.
fn in_tables(path: &str) -> bool {
    let table = path.split(['.', '[']).next().unwrap_or_default();
    path.contains('.') && is_drawn_table(table)
}

/// Whether the keys of the table with this header can be drawn.
pub(super) fn is_drawn_table(header: &str) -> bool {
    TABLES.contains(&header.split(['.', '[']).next().unwrap_or_default())
}

fn may_choose<S: Shape>(reader: &Reader<'_>, shape: &S, at: &At<'_>) -> Result<(), Problem> {
    if reader.draws.place == Place::WithinChoice {
        return Err(Problem::new("a choice within a choice: put all its values into one list"));
    }
    if let Drawing::Never(why) = shape.drawing() {
        return Err(Problem::new(format!("cannot be chosen: {why}")));
    }
    if !in_tables(&at.path) {
        let tables =
            TABLES.map(|table| if table == "nemesis" { "[[nemesis]]".to_owned() } else { format!("[{table}]") });
        let message = format!(
            "cannot be chosen: choices stand in [{}], {}; of anything else make a [[variant]] of each value",
            reader.system.name,
            tables.join(", "),
        );
        return Err(Problem::new(message));
    }
    Ok(())
}

/// One value of a list.
fn choice<S: Shape>(reader: &mut Reader<'_>, shape: &S, at: &At<'_>) -> Option<S::Value> {
    let (mut values, form) = choice_values(reader, shape, at)?;
    let index = reader.draws.decide(&at.path, form);
    Some(values.swap_remove(usize::try_from(index).expect("an index of this list")))
}

/// A value of a choice as it is shown, and as the file writes it.
fn described<S: Shape>(reader: &Reader<'_>, shape: &S, at: &At<'_>, value: &S::Value) -> Choice {
    let shown = bare(&shape.encode(value));
    let of_file = reader.source.text.get(at.span.clone()).filter(|text| !text.contains('\n'));
    let written = of_file.map_or_else(|| shown.clone(), bare);
    match at.value.is_table() || at.value.is_array() {
        true => Choice { shown: written.clone(), written },
        false => Choice { shown, written },
    }
}

/// The values of a choice, and what it is drawn from. Each is read, so that one which is wrong is an error whatever is
/// drawn.
pub(super) fn choice_values<S: Shape>(
    reader: &mut Reader<'_>,
    shape: &S,
    at: &At<'_>,
) -> Option<(Vec<S::Value>, Form)> {
    let table = Table::any(reader, at, "a table")?;
    table.refuse_unknown(reader, &[CHOOSE]);
    let Some(list) = table.at(CHOOSE) else {
        // Another key that stands there is reported already.
        if table.entries().is_empty() {
            reader.refuse(at, Problem::new(format!("expected {}", noun(shape))));
        }
        return None;
    };
    let items = list
        .items()
        .ok_or_else(|| Problem::expected(&format!("a list in which each item is {}", shape.noun()), list.value));
    let items = reader.check(&list, items)?;
    if items.is_empty() {
        reader.refuse(&list, Problem::new("the list is empty: it needs at least one item"));
        return None;
    }
    let place = std::mem::replace(&mut reader.draws.place, Place::WithinChoice);
    let values: Vec<Option<S::Value>> = items.iter().map(|item| alternative(reader, shape, item)).collect();
    reader.draws.place = place;
    let values: Option<Vec<S::Value>> = values.into_iter().collect();
    let values = values?;
    let texts: Vec<String> = values.iter().map(|value| shape.encode(value)).collect();
    let double = texts.iter().enumerate().find(|(index, text)| texts[..*index].contains(text));
    if let Some((_, text)) = double {
        reader.refuse(&list, Problem::new(format!("{text} stands here twice")));
        return None;
    }
    let choices = items.iter().zip(&values).map(|(item, value)| described(reader, shape, item, value));
    let form = Form::Choose(choices.collect());
    Some((values, form))
}

/// One value of a choice, which is constant.
fn alternative<S: Shape>(reader: &mut Reader<'_>, shape: &S, at: &At<'_>) -> Option<S::Value> {
    let is_range = shape.scale().is_some() && at.value.as_str().is_some_and(|text| text.contains(".."));
    if is_choice(at.value) || is_range {
        let what = if is_range { "range" } else { "choice" };
        let message = format!("a {what} within a choice: here stands {}", shape.noun());
        reader.refuse(at, Problem::new(message));
        return None;
    }
    shape.decode(reader, at)
}

/// A number of a range. Both ends are read, so that what the key does not take is an error whatever is drawn.
fn range<S: Shape>(
    reader: &mut Reader<'_>,
    shape: &S,
    at: &At<'_>,
    (scale, (low, high)): (Scale, (&str, &str)),
) -> Option<S::Value> {
    if reader.draws.place == Place::WithinChoice {
        reader.refuse(at, Problem::new(format!("a range within a choice: here stands {}", shape.noun())));
        return None;
    }
    reader.text(at, "")?;
    let scale = scale.between(low, high);
    let end = |text: &str| {
        let number = scale.read(text);
        number.ok_or_else(|| {
            Problem::new(format!("expected {} at each end of the range, got {}", shape.noun(), quoted(text)))
        })
    };
    let ends = end(low).and_then(|low| Ok((low, end(high)?)));
    let (first, last) = reader.check(at, ends)?;
    if first > last {
        reader.refuse(at, upside_down(low, high));
        return None;
    }
    let ends = [first, last].map(|number| constant(reader, shape, at, &scale.show(number)));
    ends.into_iter().collect::<Option<Vec<S::Value>>>()?;
    let number = reader.draws.decide(&at.path, Form::Range { scale, low: first, high: last });
    constant(reader, shape, at, &scale.show(number))
}

/// What this text, a value of TOML, is as the value of the key.
fn constant<S: Shape>(reader: &mut Reader<'_>, shape: &S, at: &At<'_>, text: &str) -> Option<S::Value> {
    let value = DeValue::parse(text).expect("a scale shows TOML");
    shape.decode(reader, &At { value: value.get_ref(), span: at.span.clone(), path: at.path.clone() })
}

/// The text of a value of TOML, without quotes around it.
fn bare(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inside) if !inside.contains(['"', '\\']) => inside.to_owned(),
        _ => text.to_owned(),
    }
}

/// What errors and the reference call a key whose values of this form are drawn.
pub(super) fn noun<S: Shape>(shape: &S) -> String {
    if shape.drawing() != Drawing::AsAny {
        return shape.noun();
    }
    let range = if shape.scale().is_some() { ", a range \"a..b\" of such" } else { "" };
    format!("{}{range}, or {{ choose = [a, b] }}", shape.noun())
}

/// The schema of a key whose values of this form are drawn.
pub(super) fn schema<S: Shape>(shape: &S, system: &SystemDescription) -> Json {
    let one = shape.schema(system);
    if shape.drawing() != Drawing::AsAny {
        return one;
    }
    forms_schema(one, shape.scale().map(Scale::pattern))
}

/// The schema of one value, a choice among such, or a range whose ends have this pattern.
pub(super) fn forms_schema(one: Json, end: Option<&str>) -> Json {
    let choice = json!({
        "type": "object",
        "description": "One of these, chosen once a run.",
        "properties": { CHOOSE: { "type": "array", "minItems": 1, "uniqueItems": true, "items": one } },
        "required": [CHOOSE],
        "additionalProperties": false,
    });
    let mut forms = vec![one, choice];
    if let Some(end) = end {
        forms.push(json!({ "type": "string", "pattern": format!(r"^({end})\.\.({end})$") }));
    }
    json!({ "anyOf": forms })
}
