//! The rows of `reports/gallery/adapters.md`: scenarios, each as a command line names it.

/// A scenario, or one of its variants, with keys that have other values.
pub(crate) struct Row {
    /// Its file below `scenarios`, and the variant if the file has some.
    pub(crate) scenario: &'static str,
    /// In words, what `set` makes of it; empty if nothing is set.
    pub(crate) how: &'static str,
    /// What `--set` takes.
    pub(crate) set: &'static [&'static str],
}

pub(crate) const ROWS: &[Row] = &[
    Row::of("raft_rs/swarm#as_it_is"),
    Row { scenario: "raft_rs/swarm#as_it_is", how: "every invariant", set: &["check.invariants=\"all\""] },
    Row::of("raft_rs/swarm#late_grants_withheld"),
    Row::of("raft_rs/swarm_snapshots"),
    Row::of("raft_rs/swarm_membership"),
    Row::of("omnipaxos/swarm#over_connections"),
    Row::of("omnipaxos/swarm#over_datagrams"),
    Row { scenario: "omnipaxos/stale_accept_sync", how: "over connections", set: &["omnipaxos.datagrams=false"] },
    Row::of("omnipaxos/stale_accept_sync"),
    Row::of("foca/swarm#as_it_is"),
    Row::of("foca/swarm#every_invariant"),
    Row::of("foca/silent_after_renewal"),
    Row { scenario: "foca/silent_after_renewal", how: "announced until heard", set: &["foca.join=\"missing\""] },
];

impl Row {
    const fn of(scenario: &'static str) -> Self {
        Self { scenario, how: "", set: &[] }
    }

    /// What the page calls it.
    pub(crate) fn name(&self) -> String {
        if self.how.is_empty() { self.scenario.to_owned() } else { format!("{}, {}", self.scenario, self.how) }
    }

    /// The library: the name of the folder.
    pub(crate) fn library(&self) -> &'static str {
        self.scenario.split('/').next().unwrap_or_default()
    }

    /// The file below `scenarios`, and the variant.
    pub(crate) fn parts(&self) -> (String, Option<&'static str>) {
        let (file, variant) = match self.scenario.split_once('#') {
            Some((file, variant)) => (file, Some(variant)),
            None => (self.scenario, None),
        };
        (format!("{file}.toml"), variant)
    }

    /// The command that runs this seed, in `sim/adapters`.
    pub(crate) fn command(&self, seed: u64) -> String {
        let (file, variant) = self.parts();
        let variant = variant.map(|variant| format!("#{variant}")).unwrap_or_default();
        let set: String = self.set.iter().map(|set| format!(" --set '{set}'")).collect();
        format!("cargo run --release -- run scenarios/{file}{variant}{set} --seed {seed}")
    }
}
