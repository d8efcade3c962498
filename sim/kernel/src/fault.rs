//! What can be done to the world: concrete faults, with the nodes and links that they hit already chosen.
//!
//! A selector such as `leader` is resolved by the [director](crate::director) before a fault comes to be.

use serde::{Deserialize, Serialize};

use crate::id::{Link, NodeId};
use crate::node::FileId;
use crate::rng::Ppm;
use crate::time::Duration;

/// One concrete thing done to the world. Those with a state (a cut, a pause) last until the fault is lifted; the others
/// happen once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Packets on these links are lost, both those sent while the cut lasts and, with [`InFlight::Drop`], those
    /// already under way. Connections over a cut link fall silent and time out.
    Cut {
        /// Which directed links.
        links: Vec<Link>,
        /// What happens to packets under way.
        #[serde(default)]
        in_flight: InFlight,
        /// The kinds of message that are lost; all where empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// Packets on these links are held, and go on when the clog is lifted.
    Clog {
        /// Which directed links.
        links: Vec<Link>,
        /// The kinds of message that are held; all where empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// The conditions of these links change. What is not named stays as it was.
    Weather {
        /// Which directed links.
        links: Vec<Link>,
        /// What changes.
        conditions: Weather,
        /// The kinds of message that it applies to; all where empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<String>,
    },
    /// The process ends: the node's value is lost, timers and deferred work with it. Lifting it restarts the node.
    Crash {
        /// Which nodes.
        nodes: Vec<NodeId>,
        /// Process or machine.
        scope: CrashScope,
        /// What a crash of the machine leaves of the writes that were not synced.
        #[serde(default)]
        keep: Keep,
    },
    /// A crashed, exited or absent node starts.
    Start {
        /// Which nodes.
        nodes: Vec<NodeId>,
    },
    /// The process stops being scheduled while its clocks go on; inputs queue and arrive in order at resume.
    Pause {
        /// Which nodes.
        nodes: Vec<NodeId>,
    },
    /// Each input takes this long to serve; further inputs queue.
    Slow {
        /// Which nodes.
        nodes: Vec<NodeId>,
        /// Service time of one input.
        service_time: Duration,
    },
    /// The wall clock jumps. The monotonic clock does not. Happens once; lifting it does not undo it.
    ClockStep {
        /// Which nodes.
        nodes: Vec<NodeId>,
        /// Nanoseconds, forwards or backwards.
        by: Offset,
    },
    /// Both clocks run fast or slow by this much, in parts per million, until lifted.
    ClockDrift {
        /// Which nodes.
        nodes: Vec<NodeId>,
        /// Parts per million; 50,000 is 5 % fast.
        ppm: i32,
    },
    /// The wall clock is led to a new offset over a time, as NTP slews.
    ClockSlew {
        /// Which nodes.
        nodes: Vec<NodeId>,
        /// How far in all.
        by: Offset,
        /// How long it takes.
        over: Duration,
    },
    /// Both clocks stand still while the process runs; no timer fires.
    ClockFreeze {
        /// Which nodes.
        nodes: Vec<NodeId>,
    },
    /// The disk misbehaves until lifted.
    Disk {
        /// Which nodes.
        nodes: Vec<NodeId>,
        /// How.
        fault: DiskFault,
    },
}

/// What happens to packets that are under way when a link is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InFlight {
    /// They are lost too.
    #[default]
    Drop,
    /// They arrive.
    Keep,
}

/// What ends in a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CrashScope {
    /// The process: all that it wrote is kept; peers see their connections reset.
    Process,
    /// The machine: what was synced is kept, and a part of the rest; peers hear nothing.
    Machine,
}

/// What a crash of the machine leaves of the writes that were not synced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The first few, in order; how many is drawn.
    #[default]
    Prefix,
    /// Any of them, each with even odds.
    Subset,
    /// None.
    Nothing,
    /// The first few, and the next one torn.
    Torn,
}

/// What changes on a link. Nothing means: as before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct Weather {
    /// Chance that a packet is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Ppm>,
    /// Chance that a packet arrives twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplication: Option<Ppm>,
    /// Chance that a packet takes an extra delay and so is overtaken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reordering: Option<Ppm>,
    /// How long a packet takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Bytes a second; packets queue behind one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<u64>,
}

/// How long a packet takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Latency {
    /// Evenly between two bounds, both included.
    Uniform {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// At least `min`, and beyond that exponentially with this mean.
    Exponential {
        /// The least.
        min: Duration,
        /// The mean of what comes on top.
        mean: Duration,
    },
}

/// How a disk misbehaves. Faults act on whole records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DiskFault {
    /// Writes and syncs take longer.
    Slow {
        /// Added to each write and each sync.
        by: Duration,
    },
    /// Every write fails for want of space.
    Full,
    /// Every write and sync fails with an IO error.
    Io,
    /// A sync reports success and syncs nothing.
    LyingSync,
    /// A record is lost: it is not there at the next start. Counted from the end of the file, 0 is the last.
    Lose {
        /// Which file.
        file: FileId,
        /// Which record, counted from the end.
        from_end: u64,
    },
    /// A record is corrupt at the next start.
    Corrupt {
        /// Which file.
        file: FileId,
        /// Which record, counted from the end.
        from_end: u64,
    },
    /// A record cannot be read at the next start.
    Unreadable {
        /// Which file.
        file: FileId,
        /// Which record, counted from the end.
        from_end: u64,
    },
}

/// A signed span of time, in nanoseconds: `5ms` or `-5ms`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// Reads `5ms` or `-5ms`.
    ///
    /// # Errors
    /// The text, where what follows the sign is not a duration below 292 years.
    pub fn parse(text: &str) -> Result<Self, crate::time::DurationError> {
        let refuse = || crate::time::DurationError(text.to_owned());
        let (negative, size) = match text.trim().strip_prefix('-') {
            Some(size) => (true, size),
            None => (false, text.trim().strip_prefix('+').unwrap_or(text)),
        };
        let nanos = i64::try_from(Duration::parse(size).map_err(|_| refuse())?.as_nanos()).map_err(|_| refuse())?;
        Ok(Self(if negative { -nanos } else { nanos }))
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        f.pad(&format!("{sign}{}", Duration::from_nanos(self.0.unsigned_abs())))
    }
}

impl std::fmt::Debug for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for Offset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        } else {
            i64::deserialize(deserializer).map(Self)
        }
    }
}

impl Fault {
    /// The names of all kinds, in the order of the variants.
    pub const KINDS: [&'static str; 12] = [
        "cut",
        "clog",
        "weather",
        "crash",
        "start",
        "pause",
        "slow",
        "clock_step",
        "clock_drift",
        "clock_slew",
        "clock_freeze",
        "disk",
    ];

    /// The name of the kind, as scenarios and reports say it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Cut { .. } => "cut",
            Self::Clog { .. } => "clog",
            Self::Weather { .. } => "weather",
            Self::Crash { .. } => "crash",
            Self::Start { .. } => "start",
            Self::Pause { .. } => "pause",
            Self::Slow { .. } => "slow",
            Self::ClockStep { .. } => "clock_step",
            Self::ClockDrift { .. } => "clock_drift",
            Self::ClockSlew { .. } => "clock_slew",
            Self::ClockFreeze { .. } => "clock_freeze",
            Self::Disk { .. } => "disk",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_are_those_that_a_plan_can_hold_and_each_fault_has_its_own() {
        let error = serde_json::from_str::<Fault>(r#"{ "nonsense": {} }"#).expect_err("there is no such kind");
        let error = error.to_string();
        let known: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
        assert_eq!(known, Fault::KINDS);
        for (kind, fields) in [
            ("cut", r#""links": []"#),
            ("clog", r#""links": []"#),
            ("weather", r#""links": [], "conditions": {}"#),
            ("crash", r#""nodes": [], "scope": "process""#),
            ("start", r#""nodes": []"#),
            ("pause", r#""nodes": []"#),
            ("slow", r#""nodes": [], "service_time": "1ms""#),
            ("clock_step", r#""nodes": [], "by": "1ms""#),
            ("clock_drift", r#""nodes": [], "ppm": 5"#),
            ("clock_slew", r#""nodes": [], "by": "1ms", "over": "1s""#),
            ("clock_freeze", r#""nodes": []"#),
            ("disk", r#""nodes": [], "fault": "full""#),
        ] {
            let text = format!(r#"{{ "{kind}": {{ {fields} }} }}"#);
            let fault: Fault = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(fault.kind(), kind);
        }
    }
}
