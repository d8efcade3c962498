//! Plans to text: entry by entry, since the writer of a whole document takes time quadratic in its tables.

use std::collections::BTreeMap;

use serde::Serialize;
use splitbrain_kernel::plan::{Asking, FORMAT, Plan, Timing};

use crate::scenario::names::Names;

/// The plan as TOML, in the form that [`read_plan`](super::read_plan) reads, with these names of nodes.
///
/// # Errors
/// An operation or order that TOML cannot hold: `null`, or a map whose keys are not text.
pub fn write_plan<O: Serialize, Q: Serialize>(plan: &Plan<O, Q>, names: &Names) -> Result<String, toml::ser::Error> {
    let text = toml::to_string(&Head { format: FORMAT, timing: plan.timing, workload: plan.workload })?;
    let mut writer = Writer { text, names };
    plan.faults.iter().try_for_each(|fault| writer.add("fault", fault))?;
    plan.operations.iter().try_for_each(|operation| writer.add("operation", operation))?;
    plan.orders.iter().try_for_each(|order| writer.add("order", order))?;
    plan.names.iter().try_for_each(|name| writer.add("name", name))?;
    plan.overrides.iter().try_for_each(|decision| writer.add("override", decision))?;
    Ok(writer.text)
}

/// What stands before the entries.
#[derive(Serialize)]
struct Head {
    format: u32,
    timing: Timing,
    #[serde(skip_serializing_if = "Asking::is_plan")]
    workload: Asking,
}

struct Writer<'a> {
    text: String,
    names: &'a Names,
}

impl Writer<'_> {
    /// `[[fault]]` and what is below it.
    fn add<T: Serialize>(&mut self, kind: &str, entry: &T) -> Result<(), toml::ser::Error> {
        let text = if self.names.is_plain() {
            toml::to_string(&BTreeMap::from([(kind, [entry])]))?
        } else {
            let mut entry = toml::Value::try_from(entry)?;
            super::names::spell(&mut entry, kind, self.names);
            toml::to_string(&BTreeMap::from([(kind, [entry])]))?
        };
        self.text.push('\n');
        self.text.push_str(&text);
        Ok(())
    }
}
