//! `history`: recorded histories of clients, judged.

use crate::golden;
use crate::support::{Folder, Shown, shown};

const STALE: &str = "INFO  jepsen.util - 0\t:invoke\t:write\t5\n\
                     INFO  jepsen.util - 0\t:ok\t:write\t5\n\
                     INFO  jepsen.util - 0\t:invoke\t:write\t6\n\
                     INFO  jepsen.util - 2\t:invoke\t:write\t7\n\
                     INFO  jepsen.util - 0\t:ok\t:write\t6\n\
                     INFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
                     INFO  jepsen.util - 1\t:ok\t:read\t5\n";

fn judge(folder: &Folder, arguments: &[&str]) -> Shown {
    let arguments = [&["history"], arguments].concat();
    shown(&folder.shipped(&arguments).output().expect("the binary starts"))
}

/// A folder with a history that is linearizable, one that is not, and one that is not after a long search.
fn folder(test: &str) -> Folder {
    let folder = Folder::new(test);
    folder.write("stale.log", STALE);
    folder.write("right.log", &STALE.replace(":read\t5", ":read\t6"));
    // Every write is open all the time and comes twice, and nothing was ever 9.
    let mut long = String::new();
    for process in 0..12 {
        long += &format!("{{:process {process}, :type :invoke, :f :write, :value {}}}\n", process / 2);
    }
    long += "{:process 20, :type :invoke, :f :read, :value nil}\n{:process 20, :type :ok, :f :read, :value 3}\n";
    for process in 0..12 {
        long += &format!("{{:process {process}, :type :ok, :f :write, :value {}}}\n", process / 2);
    }
    long += "{:process 20, :type :invoke, :f :read, :value nil}\n{:process 20, :type :ok, :f :read, :value 9}\n";
    folder.write("long.edn", &long);
    folder
}

#[test]
fn each_verdict_has_its_word_and_its_code() {
    let folder = folder("history_verdicts");
    let right = judge(&folder, &["right.log"]);
    assert_eq!(right.code, 0, "{right}");
    assert!(right.stdout.starts_with("right.log: linearizable\n"), "{right}");
    let stale = judge(&folder, &["stale.log"]);
    assert_eq!(stale.code, 100);
    golden!("history_stale", stale);
    let long = judge(&folder, &["long.edn", "--budget", "100"]);
    assert_eq!(long.code, 3);
    golden!("history_unknown", long);
    let all = judge(&folder, &["right.log", "long.edn", "stale.log", "--budget", "100"]);
    assert_eq!(all.code, 100, "the gravest");
}

#[test]
fn programs_read_a_line_for_each_file() {
    let folder = folder("history_json");
    let shown = judge(&folder, &["right.log", "stale.log", "--message-format", "json"]);
    assert_eq!(shown.code, 100);
    golden!("history_json", shown);
}

#[test]
fn what_is_no_history_exits_with_2_and_its_line() {
    let folder = folder("history_wrong");
    folder.write("cut.log", STALE.trim_end_matches("ok\t:read\t5\n"));
    for (arguments, message) in [
        (&["cut.log"][..], "error: cut.log:7: it ends within an operation: the file is truncated; expected process"),
        (&["absent.log"], "error: cannot read absent.log: No such file"),
        (&["scenarios"], "error: cannot read scenarios: it is a folder, expected a history, or - for stdin"),
        (&["stale.log", "--model", "queue"], "error: stale.log:1: write is no operation of the model queue"),
        (&["stale.log", "--initial", "["], "error: --initial: the file ends within a form"),
        (&["-"], "error: -:1: the file is empty; expected a history"),
    ] {
        let shown = judge(&folder, arguments);
        assert_eq!(shown.code, 2, "{shown}");
        assert!(shown.stderr.starts_with(message), "{message}\n{shown}");
    }
}

#[test]
fn the_history_of_a_run_is_judged_from_its_folder() {
    let folder = Folder::new("history_of_run");
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/raft/swarm_kv_paper.toml");
    let run = ["run", scenario, "--seed", "1", "--timeline", "none", "--out", "reports"];
    let run = shown(&folder.shipped(&run).output().expect("the binary starts"));
    assert_eq!(run.code, 0, "{run}");
    let judged = judge(&folder, &["reports/raft/swarm_kv_paper/1/history.jsonl"]);
    assert_eq!(judged.code, 0, "{judged}");
    assert!(judged.stdout.contains("operations of a key-value store"), "{judged}");
}
