//! Goal: the model of Linux behind the reactor does what Linux does. [`compare`] says how.
//!
//! The comparison has no harness around it: it needs the first thread of the process, as that is the one that takes a
//! signal to the process.

#[cfg(target_os = "linux")]
mod compare;

/// The name under which it is asked for, as a test has one.
const NAME: &str = "model_and_kernel_agree_call_by_call_and_a_model_with_a_mistake_does_not";

/// Compares, unless other tests alone are asked for, or only their names.
#[expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "it stands in for the harness of a test")]
fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_asked_for = names.is_empty() || names.iter().any(|name| NAME.contains(name.as_str()));
    if std::env::args().any(|argument| argument == "--list") {
        println!("{NAME}: test");
    } else if is_asked_for {
        #[cfg(target_os = "linux")]
        compare::all();
    }
}
