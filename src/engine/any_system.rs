//! A system as the commands know it: its words, and how its scenarios are opened. The type is erased here, once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use splitbrain_kernel::system::System;

use crate::engine::Engine;
use crate::engine::kernel::KernelEngine;
use crate::scenario::{self, Diagnostics, Note, PlanError, Scenario, SystemDescription};

/// A system, and the engine that its scenarios run on.
pub trait AnySystem: Send + Sync {
    /// Its words.
    fn description(&self) -> SystemDescription;

    /// Checks what only the system itself can tell about a scenario.
    ///
    /// # Errors
    /// Options that cannot stand together, orders that the system refuses.
    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics>;

    /// What in a scenario is right and may still not be what was meant, such as an option that has no effect. By
    /// default what the file alone tells.
    fn notes(&self, scenario: &Scenario) -> Vec<Note> {
        scenario.notes()
    }

    /// The scenario, ready to run.
    ///
    /// # Errors
    /// A scenario that the engine cannot carry out.
    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError>;

    /// What the commands keep apart, so that a run is a function of its seed.
    fn isolation(&self) -> Isolation {
        Isolation::Nothing
    }
}

/// A system that belongs to another.
impl<S: AnySystem + ?Sized> AnySystem for &S {
    fn description(&self) -> SystemDescription {
        (**self).description()
    }

    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics> {
        (**self).verify(scenario)
    }

    fn notes(&self, scenario: &Scenario) -> Vec<Note> {
        (**self).notes(scenario)
    }

    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        (**self).open(scenario)
    }

    fn isolation(&self) -> Isolation {
        (**self).isolation()
    }
}

/// What runs may not share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Any run may be carried out in any process, many in one: the code under test keeps nothing outside of the run.
    Nothing,
    /// Each run has a process of its own, where there are Unix sockets to talk to it: the code under test may have
    /// statics. This is what [`Cli::main`](crate::Cli::main) does; a cargo test has one process for all.
    Process,
}

/// Something that a scenario asks for and the engine cannot do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The line of the scenario, where it is known.
    pub line: Option<u32>,
    /// What, and why not.
    pub message: String,
}

/// Why a plan cannot be followed, or a scenario not be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The engine cannot do what the scenario asks for: everything of it, in the order of the file.
    Unsupported(Vec<Unsupported>),
    /// It is no plan of this scenario.
    Plan(Diagnostics),
    /// It is of another format.
    Format {
        /// Which.
        found: i64,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = splitbrain_kernel::plan::FORMAT;
        match self {
            Self::Unsupported(all) => {
                f.write_str("this engine does not support the scenario:")?;
                all.iter().try_for_each(|one| match one.line {
                    Some(line) => write!(f, "\n  line {line}: {}", one.message),
                    None => write!(f, "\n  {}", one.message),
                })
            }
            Self::Plan(diagnostics) => diagnostics.fmt(f),
            Self::Format { found } => {
                write!(f, "a plan of format {found}, this build reads format {known} (--force reads it all the same)")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<PlanError> for OpenError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Invalid(diagnostics) => Self::Plan(diagnostics),
            PlanError::Format(found) => Self::Format { found },
        }
    }
}

/// `S` under the kernel: what `Cli::system` takes.
#[derive(Debug)]
pub struct Simulated<S>(PhantomData<fn() -> S>);

impl<S> Simulated<S> {
    /// Nothing has to be set.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<S> Default for Simulated<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: System> AnySystem for Simulated<S> {
    fn description(&self) -> SystemDescription {
        SystemDescription::of::<S>()
    }

    fn verify(&self, scenario: &Scenario) -> Result<(), Diagnostics> {
        scenario::verify::<S>(scenario)
    }

    fn notes(&self, scenario: &Scenario) -> Vec<Note> {
        scenario::notes::<S>(scenario)
    }

    fn open(&self, scenario: Arc<Scenario>) -> Result<Arc<dyn Engine>, OpenError> {
        Ok(Arc::new(KernelEngine::<S>::open(scenario)))
    }
}
