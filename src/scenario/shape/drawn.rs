//! Values that are constant or drawn once a run, and the options of a system.

use serde_json::Value as Json;
use splitbrain_kernel::options::{Value, ValueKind};
use splitbrain_kernel::rng::Ppm;
use splitbrain_kernel::time::Duration;

use crate::scenario::Drawn;
use crate::scenario::description::{OptionKind, SystemDescription};
use crate::scenario::draw::{Drawing, Form, choice_values, forms_schema};
use crate::scenario::key::Shape;
use crate::scenario::reader::{At, Problem, Reader};

use super::quantity::{Chance, Quantity as _, Scalar, Time, upside_down};
use super::scale::Scale;
use super::{Flag, Integer, names_schema, quote};

/// A form of which a range `"a..b"` can be drawn.
pub(crate) trait Ranged: Shape {
    /// One end of a range; `None` if values of this form have no order.
    fn end(&self, text: &str) -> Option<Result<Self::Value, Problem>>;
    /// Whether the first is not above the second.
    fn in_order(&self, low: &Self::Value, high: &Self::Value) -> bool;
    /// A regular expression of one end, without anchors; `None` if values have no order.
    fn end_pattern(&self) -> Option<&'static str>;
}

/// A constant, a range `"a..b"`, or `{ choose = [a, b] }`; the latter two drawn once a run.
#[derive(Debug)]
pub(crate) struct DrawnShape<S>(pub(crate) S);

impl<S: Ranged> Shape for DrawnShape<S>
where
    S::Value: PartialEq,
{
    type Value = Drawn<S::Value>;

    fn noun(&self) -> String {
        let range = if self.0.end_pattern().is_some() { ", a range \"a..b\" of such" } else { "" };
        format!("{}{range}, or {{ choose = [a, b] }}", self.0.noun())
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Drawn<S::Value>> {
        if at.value.is_table() {
            let (values, form) = choice_values(reader, &self.0, at)?;
            reader.draws.later(&at.path, form);
            return Some(Drawn::Choose(values));
        }
        let range = at.value.as_str().and_then(|text| text.split_once(".."));
        match range {
            Some((low, high)) if self.0.end_pattern().is_some() => {
                reader.text(at, "")?;
                let range = self.range(low, high);
                let range = reader.check(at, range)?;
                if let Some(form) = self.0.scale().and_then(|scale| Form::range(scale, low, high)) {
                    reader.draws.later(&at.path, form);
                }
                Some(range)
            }
            _ => self.0.decode(reader, at).map(Drawn::Constant),
        }
    }

    fn encode(&self, value: &Drawn<S::Value>) -> String {
        match value {
            Drawn::Constant(value) => self.0.encode(value),
            Drawn::Range { low, high } => {
                let (low, high) = (self.0.encode(low), self.0.encode(high));
                quote(&format!("{}..{}", low.trim_matches('"'), high.trim_matches('"')))
            }
            Drawn::Choose(values) => {
                let values: Vec<String> = values.iter().map(|value| self.0.encode(value)).collect();
                format!("{{ choose = [{}] }}", values.join(", "))
            }
        }
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        forms_schema(self.0.schema(system), self.0.end_pattern())
    }

    fn drawing(&self) -> Drawing {
        Drawing::ByItself
    }
}

impl<S: Ranged> DrawnShape<S>
where
    S::Value: PartialEq,
{
    fn range(&self, low: &str, high: &str) -> Result<Drawn<S::Value>, Problem> {
        let end = |text: &str| self.0.end(text).expect("only what has an order has a range");
        let (first, last) = (end(low)?, end(high)?);
        if self.0.in_order(&first, &last) {
            return Ok(Drawn::Range { low: first, high: last });
        }
        Err(upside_down(low, high))
    }
}

impl Ranged for Scalar<Chance> {
    fn end(&self, text: &str) -> Option<Result<Ppm, Problem>> {
        Some(self.0.parse(text))
    }

    fn in_order(&self, low: &Ppm, high: &Ppm) -> bool {
        low <= high
    }

    fn end_pattern(&self) -> Option<&'static str> {
        Some(self.0.pattern())
    }
}

/// The value of an option of the system.
#[derive(Debug)]
pub(crate) struct OptionValue(pub(crate) OptionKind);

impl OptionValue {
    fn time(min: Duration, max: Duration) -> Scalar<Time> {
        Scalar(Time { min, max })
    }
}

impl Shape for OptionValue {
    type Value = Value;

    fn noun(&self) -> String {
        match &self.0 {
            OptionKind::Value(ValueKind::Bool) => Flag.noun(),
            OptionKind::Value(ValueKind::Integer { min, max }) => Integer { min: *min, max: *max }.noun(),
            OptionKind::Value(ValueKind::Duration { min, max }) => {
                format!("{} from {min} to {max}", Self::time(*min, *max).noun())
            }
            OptionKind::Value(ValueKind::Probability) => Scalar(Chance).noun(),
            OptionKind::Value(ValueKind::Name(names)) => one_of(names),
            OptionKind::Preset(names) => one_of(names),
        }
    }

    fn decode(&self, reader: &mut Reader<'_>, at: &At<'_>) -> Option<Value> {
        match &self.0 {
            OptionKind::Value(ValueKind::Bool) => Flag.decode(reader, at).map(Value::Bool),
            OptionKind::Value(ValueKind::Integer { min, max }) => {
                Integer { min: *min, max: *max }.decode(reader, at).map(Value::Integer)
            }
            OptionKind::Value(ValueKind::Duration { min, max }) => {
                Self::time(*min, *max).decode(reader, at).map(Value::Duration)
            }
            OptionKind::Value(ValueKind::Probability) => Scalar(Chance).decode(reader, at).map(Value::Probability),
            OptionKind::Value(ValueKind::Name(names)) => self.name(reader, at, "", names),
            OptionKind::Preset(names) => self.name(reader, at, "preset", names),
        }
    }

    fn encode(&self, value: &Value) -> String {
        encode_value(value)
    }

    fn scale(&self) -> Option<Scale> {
        match self.0 {
            OptionKind::Value(ValueKind::Integer { .. }) => Some(Scale::Integer),
            OptionKind::Value(ValueKind::Duration { .. }) => Some(Scale::Time),
            OptionKind::Value(ValueKind::Probability) => Some(Scale::Chance),
            OptionKind::Value(ValueKind::Bool | ValueKind::Name(_)) | OptionKind::Preset(_) => None,
        }
    }

    fn schema(&self, system: &SystemDescription) -> Json {
        match &self.0 {
            OptionKind::Value(ValueKind::Bool) => Flag.schema(system),
            OptionKind::Value(ValueKind::Integer { min, max }) => Integer { min: *min, max: *max }.schema(system),
            OptionKind::Value(ValueKind::Duration { min, max }) => Self::time(*min, *max).schema(system),
            OptionKind::Value(ValueKind::Probability) => Scalar(Chance).schema(system),
            OptionKind::Value(ValueKind::Name(names)) => names_schema(names),
            OptionKind::Preset(names) => names_schema(names),
        }
    }
}

fn one_of(names: &[(&str, &str)]) -> String {
    let names: Vec<String> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    format!("one of {}", names.join(", "))
}

impl OptionValue {
    fn name(&self, reader: &mut Reader<'_>, at: &At<'_>, what: &str, names: &[(&str, &str)]) -> Option<Value> {
        let text = reader.text(at, &self.noun())?;
        let known = names.iter().any(|(name, _)| *name == text);
        let value = known.then(|| Value::Name(text.to_owned()));
        let names = names.iter().map(|(name, _)| *name);
        reader.check(at, value.ok_or_else(|| Problem::unknown(what, text, names)))
    }
}

/// The value of an option as TOML says it.
pub(crate) fn encode_value(value: &Value) -> String {
    match value {
        Value::Bool(_) | Value::Integer(_) => value.to_string(),
        Value::Duration(_) | Value::Probability(_) | Value::Name(_) => quote(&value.to_string()),
    }
}

impl Ranged for OptionValue {
    fn end(&self, text: &str) -> Option<Result<Value, Problem>> {
        match self.0 {
            OptionKind::Value(ValueKind::Integer { min, max }) => Some(whole_end(text, min, max)),
            OptionKind::Value(ValueKind::Duration { min, max }) => {
                Some(Time { min, max }.parse(text).map(Value::Duration))
            }
            OptionKind::Value(ValueKind::Probability) => Some(Chance.parse(text).map(Value::Probability)),
            OptionKind::Value(ValueKind::Bool | ValueKind::Name(_)) | OptionKind::Preset(_) => None,
        }
    }

    fn in_order(&self, low: &Value, high: &Value) -> bool {
        match (low, high) {
            (Value::Integer(low), Value::Integer(high)) => low <= high,
            (Value::Duration(low), Value::Duration(high)) => low <= high,
            (Value::Probability(low), Value::Probability(high)) => low <= high,
            _ => false,
        }
    }

    fn end_pattern(&self) -> Option<&'static str> {
        match self.0 {
            OptionKind::Value(ValueKind::Integer { .. }) => Some("[0-9]+"),
            OptionKind::Value(ValueKind::Duration { .. }) => Some(super::quantity::ANY_TIME.pattern()),
            OptionKind::Value(ValueKind::Probability) => Some(Chance.pattern()),
            OptionKind::Value(ValueKind::Bool | ValueKind::Name(_)) | OptionKind::Preset(_) => None,
        }
    }
}

fn whole_end(text: &str, min: u64, max: u64) -> Result<Value, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (min..=max).contains(number));
    number.map(Value::Integer).ok_or_else(|| {
        let noun = Integer { min, max }.noun();
        Problem::new(format!("expected {noun} at each end of the range, got {text:?}"))
    })
}
