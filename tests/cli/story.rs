//! What is said of a failure that is no contradiction of facts: something that did not happen in time, leadership that
//! kept changing, a figure out of its bound.

use crate::golden;
use crate::support::{Folder, Shown, shown};

/// The shipped program over one scenario.
fn test(name: &str, text: &str, arguments: &[&str]) -> Shown {
    let folder = Folder::new(&format!("story_{name}")).with(name, text);
    shown(&folder.shipped(&[&["test", "--check-determinism=0"], arguments].concat()).output().expect("it starts"))
}

/// All servers campaign at once, again and again.
const SPLIT: &str = "format = 1\nsystem = \"raft\"\ncluster = { servers = 4 }\n\n[raft]\npreset = \"paper\"\n\
     timing.election_timeout_min = \"200ms\"\ntiming.election_timeout_max = \"200ms\"\n\
     timing.round_timeout_min = \"200ms\"\ntiming.round_timeout_max = \"200ms\"\n\n\
     [run]\nduration = \"60s\"\nseeds = 20\n";

/// A voter that forgets its vote in a restart and is asked by both sides of a cut.
const FORGOTTEN_VOTE: &str = "format = 1\nsystem = \"raft\"\ncluster = { servers = 3 }\n\n[raft]\npreset = \"paper\"\n\
     bug = \"vote_not_persisted\"\n\n[[fault]]\nid = \"cut\"\nat = \"0s\"\ncut = \"s1 <-> s2\"\n\n[[fault]]\n\
     id = \"restart\"\nwhen = \"vote granted\"\ntimes = 3\nafter = \"5ms\"\ncrash = \"s3\"\nfor = \"3ms\"\n\n\
     [run]\nduration = \"20s\"\nseeds = 200\n\n[check]\ninvariants = \"black_box\"\n";

/// Goal: whoever reads a failure knows what broke, who did it, which faults led there, when, and how to run it again.
/// Method: each of the five has a line of its own, and the trace has both votes and the crash between them.
#[test]
fn a_safety_failure_answers_five_questions() {
    let shown = test("safety", FORGOTTEN_VOTE, &[]);
    golden!("story_safety", &shown);
    let line = |start: &str| {
        let found = shown.stdout.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start:?}: {shown}")).to_owned()
    };
    assert!(line("one_vote_per_term is broken").contains("s3 voted for s1 in term 1"), "what broke");
    assert!(line("means").contains("A server votes for at most one candidate in a term"), "what should have been");
    assert!(line("at  ").contains("node s3"), "who did it, and when");
    assert!(line("in force").contains("cut s1 <-> s2") && line("fault ").contains("crash s3"), "what led there");
    assert!(line("replay:").contains("splitbrain replay reports/"), "how to run it again");
}

/// Role, term, log, timers, the last round, and who answered what and why.
#[test]
fn a_liveness_failure_has_a_table_of_the_core() {
    let text = format!("{SPLIT}\n[[fault]]\nid = \"nap\"\nat = \"1s\"\npause = \"s4\"\nfor = \"59s\"\n");
    let text = text.replace("servers = 4", "servers = 5");
    golden!("story_core", test("core", &text, &[]));
}

/// The groups overlap, and voters listen to every candidate.
#[test]
fn leadership_that_keeps_changing_has_a_line_for_each_election() {
    let text = "format = 1\nsystem = \"raft\"\ncluster = { servers = 5 }\n\n[raft]\npreset = \"etcd\"\n\
         log.noop = false\nbug = \"votes_despite_leader\"\n\n\
         [[fault]]\nid = \"overlap\"\nwhen = \"leader elected\"\nafter = \"1s\"\n\
         name = { p1 = \"leader\", p2 = \"follower\", p3 = \"follower\", p4 = \"follower\", p5 = \"follower\" }\n\
         partition = [[\"p1\", \"p2\", \"p3\"], [\"p2\", \"p3\", \"p5\"], [\"p4\", \"p5\"], [\"p1\", \"p4\"]]\n\
         for = \"60s\"\n\n[run]\nduration = \"60s\"\nseeds = 1\n";
    golden!("story_elections", test("elections", text, &[]));
}

/// Of a system whose invariant says no more than a sentence, what the world knows of its servers.
#[test]
fn every_liveness_failure_says_what_each_server_was() {
    let text = "format = 1\nsystem = \"session\"\ncluster = { meta = 1, chunk = 2, volume = 1, clients = 2 }\n\n\
         [session]\npreset = \"zbs\"\nclaims = \"queue\"\nserve_max = \"10s\"\nbug = \"waiter_not_told\"\n\n\
         [network]\nlatency = \"1ms..5ms\"\n\n[workload]\nkind = \"io\"\nrate = \"20/s\"\n\n[[nemesis]]\n\
         id = \"absences\"\nkinds = [\"isolate\"]\non = [\"any chunk\"]\nevery = \"3s..10s\"\nfor = \"16s..30s\"\n\
         until = \"120s\"\n\n[run]\nduration = \"200s\"\nsettle = \"75s\"\nseeds = 20\n";
    golden!("story_servers", test("servers", text, &[]));
}

/// A leader that crashes, and one that gives up.
fn crashing(expect: &str) -> String {
    format!(
        "format = 1\nsystem = \"raft\"\ncluster = {{ servers = 3, clients = 1 }}\nraft = {{ preset = \"paper\" }}\n\n\
         [workload]\nkind = \"kv\"\nrate = \"50/s\"\n\n[[fault]]\nid = \"fall\"\nat = \"2s\"\ncrash = \"leader\"\n\
         for = \"1s\"\n\n[[fault]]\nid = \"steps_down\"\nat = \"5s\"\n\
         order = {{ nodes = \"leader\", name = \"step_down\" }}\n\n[run]\nduration = \"10s\"\nseeds = 1\n\n\
         [expect]\n{expect}\n"
    )
}

/// A measure is a span of time; the last lines are those before its end.
#[test]
fn a_measure_out_of_its_bound_says_from_when_until_when_it_was() {
    golden!("story_measure", test("measure", &crashing("leader_vacancy_max_ms = { at_most = 1 }"), &[]));
}

/// A gauge and a count: the first moment at which they are more than allowed.
#[test]
fn a_gauge_out_of_its_bound_says_from_when_on_it_was() {
    let expect = "leader_changes = { at_most = 0 }\nstepped_down = { at_most = 0 }";
    golden!("story_gauge", test("gauge", &crashing(expect), &[]));
    // Below a bound there is no such moment.
    let shown = test("few", &crashing("leader_changes = { at_least = 100 }"), &[]);
    assert!(shown.code == 100 && !shown.stdout.contains("  figure "), "{shown}");
}

/// What is within its bounds has no story.
#[test]
fn a_run_that_is_as_expected_has_no_story() {
    let shown = test("within", &crashing("leader_vacancy_max_ms = { at_least = 1, at_most = 5000 }"), &[]);
    assert!(shown.code == 0 && !shown.stdout.contains("in detail"), "{shown}");
}

/// Every figure has its distribution, in text and for programs.
#[test]
fn all_figures_have_a_distribution() {
    let text = crashing("leader_vacancy_max_ms = { at_most = 5000 }").replace("seeds = 1", "seeds = 50");
    golden!("story_figures", test("figures", &text, &["--figures"]));
    let shown = test("figures_json", &text, &["--message-format", "json"]);
    let line = shown.stdout.lines().find(|line| line.contains("\"type\":\"scenario\"")).expect("a scenario");
    let line: serde_json::Value = serde_json::from_str(line).expect("a line is JSON");
    let figures = line["figures"].as_array().expect("a list");
    let named = |name: &str| figures.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    for name in ["leader_vacancy_max_ms", "leader_overlap_ms", "committed_pause_max_ms", "get_latency_p99_us", "term"] {
        let figure = named(name);
        for key in ["mean", "p50", "p90", "p99", "most"] {
            assert!(figure[key].is_u64(), "{name} {key}: {figure}");
        }
        let counted: u64 = figure["histogram"].as_array().expect("bars").iter().filter_map(|bar| bar[2].as_u64()).sum();
        assert_eq!(counted, 50, "{figure}");
        assert_eq!(figure["bounded"], name == "leader_vacancy_max_ms", "{figure}");
    }
    assert_eq!(named("propose_latency_p50_us")["runs"], 0, "nobody proposed");
}
