//! The options of an async service, as `run` lists them: those that can have an effect on one. What is left out is
//! refused where a scenario states it ([`limits`](crate::limits)): a key without an effect is an error.

use splitbrain::engine::Settings;

/// A key or table of the scenario language that has no effect on an async service.
pub(crate) struct Absent {
    /// Its path in a scenario.
    pub(crate) key: &'static str,
    /// Its path among the resolved options of a run.
    option: &'static str,
    /// Why it has no effect.
    pub(crate) why: &'static str,
}

pub(crate) const ONE_CLOCK: &str = "every node of madsim has the same clock";
pub(crate) const ONE_WEATHER: &str = "madsim has one latency and one chance of loss for all links";
pub(crate) const NO_DISK: &str = "the files of a service are not simulated";

/// All of them. `[clocks] skew_bound` and `drift_bound` are not here: a service may rely on what they declare.
pub(crate) const ABSENT: [Absent; 14] = [
    absent("network.duplication", "network.duplication", "madsim delivers nothing twice"),
    absent("network.reordering", "network.reordering", "madsim reorders by its range of latencies alone"),
    absent("network.reordering_delay", "network.reordering_delay", "madsim reorders by its range of latencies alone"),
    absent("network.bandwidth", "network.bandwidth", "madsim's links carry any amount"),
    absent("network.connection_timeout", "network.connection_timeout", "madsim's connections never time out"),
    absent("network.redial", "network.redial", "a service opens its connections by itself"),
    absent("network.link", "network.links", ONE_WEATHER),
    absent("clocks.drift", "clocks", ONE_CLOCK),
    absent("clocks.offset", "clocks", ONE_CLOCK),
    absent("clocks.origin", "clocks", ONE_CLOCK),
    absent("clocks.nodes", "clocks", ONE_CLOCK),
    absent("disk", "disk", NO_DISK),
    absent("run.ties", "run.ties", "madsim always draws the order among what is due"),
    absent(
        "run.instant_max",
        "run.budget.instant_max",
        "time moves on with every turn of madsim, so no instant has many events",
    ),
];

const fn absent(key: &'static str, option: &'static str, why: &'static str) -> Absent {
    Absent { key, option, why }
}

/// The options without those that have no effect on a service.
pub(crate) fn of_service(settings: Settings) -> Settings {
    let is_kept = |(option, _): &(String, String)| !ABSENT.iter().any(|absent| is_at_or_below(option, absent.option));
    let lines = settings.lines.into_iter().filter(is_kept).collect();
    Settings { lines, toml: toml_of_service(&settings.toml), ..settings }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The same of a scenario as it is written with every key spelled out, one a line: it can be run again as it is. A
/// table that has nothing left is left out.
fn toml_of_service(toml: &str) -> String {
    let mut table = String::new();
    // A header waits for the first key of its table that is kept.
    let (mut header, mut kept) = (None, String::new());
    for line in toml.lines() {
        if line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut table);
            header = Some(line);
            continue;
        }
        let key = line.split(" = ").next().unwrap_or_default();
        let path = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
        let is_spelled_out_default = path == "fault.in_flight" && line.ends_with("\"drop\"");
        if line.is_empty() || is_spelled_out_default || ABSENT.iter().any(|absent| is_at_or_below(&path, absent.key)) {
            continue;
        }
        if let Some(header) = header.take() {
            kept += "\n";
            kept += header;
            kept += "\n";
        }
        kept += line;
        kept += "\n";
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_effect_on_a_service_is_left_out_of_lines_and_text() {
        let options = [
            "seed",
            "network.latency.uniform.min",
            "network.reordering_delay",
            "disk.sync_min",
            "network.bandwidth",
            "clocks.s1.drift_ppm",
            "bounds.drift_ppm",
            "run.budget.instant_max",
            "run.budget.events_max",
        ];
        let toml = "# Goal.\nformat = 1\n\n[network]\nlatency = \"1ms\"\nbandwidth = \"0B/s\"\n\n[clocks]\n\
            drift = \"0ppm\"\ndrift_bound = \"5ppm\"\n\n[disk]\nsync = \"1ms\"\n\n[clocks.nodes.s1]\ndrift = 1\n\n\
            [[network.link]]\nloss = \"1%\"\n\n[[fault]]\nat = \"1s\"\nin_flight = \"drop\"\n\n\
            [[fault]]\nin_flight = \"keep\"\n\n[run]\nties = \"explore\"\nduration = \"1s\"\ninstant_max = 5\n";
        let lines = options.map(|key| (key.to_owned(), "1".to_owned())).to_vec();
        let settings = of_service(Settings { lines, toml: toml.to_owned(), ..Settings::default() });
        let left: Vec<&str> = settings.lines.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(left, ["seed", "network.latency.uniform.min", "bounds.drift_ppm", "run.budget.events_max"]);
        let expected = "# Goal.\nformat = 1\n\n[network]\nlatency = \"1ms\"\n\n[clocks]\ndrift_bound = \"5ppm\"\n\n\
            [[fault]]\nat = \"1s\"\n\n[[fault]]\nin_flight = \"keep\"\n\n[run]\nduration = \"1s\"\n";
        assert_eq!(settings.toml, expected);
    }
}
