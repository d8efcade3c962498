//! Goal: no scenario and no artifact, however damaged, makes splitbrain panic, hang, or end with a code that is not in
//! its table.
//!
//! Method: a generator with a fixed seed damages shipped scenarios and the folder of a run by bytes, by tokens and by
//! keys. Scenarios are loaded, resolved and run within this process, and some of them by the program; artifacts are
//! replayed and shown by the program.

mod artifacts;
mod generate;
mod program;
mod scenarios;
