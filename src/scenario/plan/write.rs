//! Plans to text: entry by entry, since the writer of a whole document takes time quadratic in its tables.

use serde::Serialize;
use splitbrain_kernel::plan::{Asking, FORMAT, Override, Plan, PlannedFault, PlannedOperation, PlannedOrder, Timing};

/// The plan as TOML, in the form that [`read_plan`](super::read_plan) reads.
///
/// # Errors
/// An operation or order that TOML cannot hold: `null`, or a map whose keys are not text.
pub fn write_plan<O: Serialize, Q: Serialize>(plan: &Plan<O, Q>) -> Result<String, toml::ser::Error> {
    let mut text = toml::to_string(&Head { format: FORMAT, timing: plan.timing, workload: plan.workload })?;
    for fault in &plan.faults {
        add(&mut text, &OneFault { entry: [fault] })?;
    }
    for operation in &plan.operations {
        add(&mut text, &OneOperation { entry: [operation] })?;
    }
    for order in &plan.orders {
        add(&mut text, &OneOrder { entry: [order] })?;
    }
    for decision in &plan.overrides {
        add(&mut text, &OneOverride { entry: [decision] })?;
    }
    Ok(text)
}

fn add<T: Serialize>(text: &mut String, entry: &T) -> Result<(), toml::ser::Error> {
    text.push('\n');
    text.push_str(&toml::to_string(entry)?);
    Ok(())
}

/// What stands before the entries.
#[derive(Serialize)]
struct Head {
    format: u32,
    timing: Timing,
    #[serde(skip_serializing_if = "Asking::is_plan")]
    workload: Asking,
}

/// A document with one entry: `[[fault]]` and what is below it.
#[derive(Serialize)]
struct OneFault<'a> {
    #[serde(rename = "fault")]
    entry: [&'a PlannedFault; 1],
}

#[derive(Serialize)]
struct OneOperation<'a, O> {
    #[serde(rename = "operation")]
    entry: [&'a PlannedOperation<O>; 1],
}

#[derive(Serialize)]
struct OneOrder<'a, Q> {
    #[serde(rename = "order")]
    entry: [&'a PlannedOrder<Q>; 1],
}

#[derive(Serialize)]
struct OneOverride<'a> {
    #[serde(rename = "override")]
    entry: [&'a Override; 1],
}
