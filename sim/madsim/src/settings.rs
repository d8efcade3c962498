//! The options of an async service, as `run` lists them: those that can have an effect on one. What is left out is
//! refused where a scenario sets it ([`limits`](crate::limits)).

use splitbrain::engine::Settings;

/// Tables that no service has.
const TABLES: [&str; 3] = ["clocks", "bounds", "disk"];

/// Keys that no service has.
const KEYS: [&str; 7] = [
    "network.duplication",
    "network.reordering",
    "network.reordering_delay",
    "network.bandwidth",
    "network.connection_timeout",
    "network.links",
    "run.ties",
];

/// The options without those that no service has.
pub(crate) fn of_service(settings: Settings) -> Settings {
    let lines = settings.lines.into_iter().filter(|(key, _)| is_had(key)).collect();
    Settings { lines, toml: toml_of_service(&settings.toml) }
}

fn is_had(key: &str) -> bool {
    let table = key.split('.').next().unwrap_or(key);
    !TABLES.contains(&table) && !KEYS.contains(&key)
}

/// The same of a scenario as it is written with every key spelled out, one a line: it can be run again as it is.
fn toml_of_service(toml: &str) -> String {
    let mut table = String::new();
    let mut kept = String::new();
    for line in toml.lines() {
        if let Some(header) = line.strip_prefix('[') {
            header.trim_matches(['[', ']']).clone_into(&mut table);
        }
        let key = line.split(" = ").next().unwrap_or_default();
        let path = if line.starts_with('[') { table.clone() } else { format!("{table}.{key}") };
        if table.is_empty() || line.is_empty() || is_had(&path) {
            kept += line;
            kept += "\n";
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_has_not_is_left_out_of_lines_and_text() {
        let keys = ["seed", "network.latency.uniform.min", "disk.sync_min", "network.bandwidth", "clocks.s1.drift_ppm"];
        let toml = "# Goal.\nformat = 1\n\n[network]\nlatency = \"1ms\"\nbandwidth = \"0B/s\"\n\n[clocks]\na = 1\n\n\
            [disk]\nsync = \"1ms\"\n\n[clocks.nodes.s1]\nb = 1\n\n[run]\nties = \"explore\"\nduration = \"1s\"\n";
        let lines = keys.map(|key| (key.to_owned(), "1".to_owned())).to_vec();
        let settings = of_service(Settings { lines, toml: toml.to_owned() });
        let left: Vec<&str> = settings.lines.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(left, ["seed", "network.latency.uniform.min"]);
        let expected = "# Goal.\nformat = 1\n\n[network]\nlatency = \"1ms\"\n\n\n\n\n[run]\nduration = \"1s\"\n";
        assert_eq!(settings.toml, expected);
    }
}
