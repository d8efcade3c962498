//! What happens in a campaign, as one stream of events. Folding, artifacts, progress and reports are listeners of it.
//!
//! ```text
//!  CampaignStarted
//!  ├─ ScenarioStarted
//!  │  ├─ RunFinished                                        in the order of the seeds
//!  │  ├─ RunFinished ─▶ FailureFound ─▶ ArtifactKept        for the first failures
//!  │  └─ Interrupted                                        if the user asked to stop
//!  ├─ ScenarioJudged
//!  ├─ ScenarioSkipped                                       for those before which the call ended
//!  └─ CampaignFinished
//! ```
//!
//! The order is that of the seeds and of the scenarios, whatever the number of threads. [`Event::Progress`] alone comes
//! when it comes, and is part of no result.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use splitbrain_kernel::plan::PlannedFault;
use splitbrain_kernel::rng::Seed;
use splitbrain_kernel::time::Instant;

use crate::campaign::judgement::{Failure, Reason, ScenarioResult};
use crate::campaign::log::log;
use crate::campaign::{Seeds, Subject, Summary};
use crate::engine::{Engine, Run};

/// Something that happened. All of it is plain data, but for the engine, by which a listener can run a seed again.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// A call begins.
    CampaignStarted {
        /// How many scenarios it is about.
        scenarios: u64,
    },
    /// The runs of a scenario begin.
    ScenarioStarted {
        /// Which scenario.
        subject: &'a Subject<'a>,
        /// What carries out its runs.
        engine: &'a Arc<dyn Engine>,
        /// The seeds, in the order in which their runs finish for the listeners.
        seeds: &'a Seeds,
    },
    /// Some runs are done; not all of them have had their own event yet. It comes now and then, in no exact place.
    Progress {
        /// How many.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// The next run in the order of the seeds.
    RunFinished {
        /// Of which scenario.
        subject: &'a Subject<'a>,
        /// What it came to.
        run: &'a Run,
        /// Why it is not as expected; empty if it is.
        reasons: &'a [Reason],
        /// Whether it was carried out twice and compared.
        twice: bool,
    },
    /// The run before this event is not as expected, and it is one of those of which all is kept.
    FailureFound {
        /// Of which scenario.
        subject: &'a Subject<'a>,
        /// The run, and why it fails.
        failure: &'a Failure,
    },
    /// A failing run was recorded, or could not be.
    ArtifactKept {
        /// Of which scenario.
        subject: &'a Subject<'a>,
        /// What is there.
        evidence: &'a Evidence,
    },
    /// The user asked to stop, and the scenario ends before its last run.
    Interrupted {
        /// Which scenario.
        subject: &'a Subject<'a>,
        /// How many of its runs have finished.
        runs: u64,
    },
    /// A scenario is judged.
    ScenarioJudged {
        /// Which scenario.
        subject: &'a Subject<'a>,
        /// What it came to.
        result: &'a ScenarioResult,
    },
    /// A scenario is not run, because the call ended before.
    ScenarioSkipped {
        /// Which scenario.
        subject: &'a Subject<'a>,
    },
    /// All is done.
    CampaignFinished {
        /// What the call came to.
        summary: &'a Summary,
    },
}

/// What is kept of a failing run beside its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The seed of the run.
    pub seed: Seed,
    /// The folder that `replay` takes, or why there is none.
    pub artifact: Result<PathBuf, String>,
    /// The last lines of the recording, in order.
    pub tail: Vec<String>,
    /// The moments at which figures went beyond their upper bounds, by name: time and events.
    pub moments: BTreeMap<String, (Instant, u64)>,
    /// The faults of the recorded run. An unrecorded one that passed may have come without them.
    pub faults: Vec<PlannedFault>,
    /// How far the recording of a run that was lost came: the time and the events of its last entry.
    pub reached: Option<(Instant, u64)>,
}

/// What a listener answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This run failed, and it is to be kept: everyone hears of it next.
    Failure(Box<Failure>),
    /// This is kept of the failure: everyone hears of it next.
    Evidence(Evidence),
    /// More runs of this scenario would show nothing new.
    Enough,
    /// Results can no longer be written: the call ends as if the user had interrupted it.
    Halt,
}

/// Hears of a campaign as it goes on.
pub trait Listener {
    /// The next event. What is added to `replies` is heard by every listener before the next event.
    fn hear(&mut self, event: &Event<'_>, replies: &mut Vec<Reply>);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Listener for Silent {
    fn hear(&mut self, _: &Event<'_>, _: &mut Vec<Reply>) {}
}

/// Several listeners as one: each event is heard by the first of them first.
pub struct Listeners<'a>(pub Vec<&'a mut dyn Listener>);

impl std::fmt::Debug for Listeners<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Listeners").field(&self.0.len()).finish()
    }
}

impl Listener for Listeners<'_> {
    fn hear(&mut self, event: &Event<'_>, replies: &mut Vec<Reply>) {
        for listener in &mut self.0 {
            listener.hear(event, replies);
        }
    }
}

/// What the replies to an event, and to the events that came of it, ask of whoever carries out the runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// No more runs of this scenario.
    pub(super) enough: bool,
    /// No more of anything.
    pub(super) halt: bool,
}

/// Says an event about a scenario to a listener, and then what came of it.
pub(super) fn say(listener: &mut dyn Listener, subject: &Subject<'_>, event: &Event<'_>) -> Wish {
    log(event);
    let mut replies = Vec::new();
    listener.hear(event, &mut replies);
    let mut wish = Wish::default();
    for reply in replies {
        let more = match reply {
            Reply::Failure(failure) => say(listener, subject, &Event::FailureFound { subject, failure: &failure }),
            Reply::Evidence(evidence) => say(listener, subject, &Event::ArtifactKept { subject, evidence: &evidence }),
            Reply::Enough => Wish { enough: true, halt: false },
            Reply::Halt => Wish { enough: true, halt: true },
        };
        wish = Wish { enough: wish.enough || more.enough, halt: wish.halt || more.halt };
    }
    wish
}
