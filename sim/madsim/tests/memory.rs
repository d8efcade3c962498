//! madsim keeps a word for every task that ever was: a long run must not fill the memory with them. Alone in its
//! process, so that nobody else's memory is counted.

#[cfg(not(madsim))]
#[test]
fn these_tests_need_madsim() {
    panic!("built without madsim: run them by `just madsim-test`");
}

#[cfg(madsim)]
#[path = "madsim/toy.rs"]
mod toy;

/// The task that reads what is resident, in KiB.
#[cfg(madsim)]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux machine");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the size is told");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// Tasks that sleep when a run ends are dropped with it.
#[cfg(madsim)]
#[test]
fn a_thousand_runs_leave_nothing_behind() {
    let scenario = toy::scenario("many_timers", "duration = \"5ms\"");
    let many = |count| (0..count).for_each(|seed| drop(toy::run(&scenario, seed)));
    many(100);
    let before = resident();
    many(1_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for a thousand runs");
}

#[cfg(madsim)]
#[test]
fn a_million_wakes_leave_nothing_behind() {
    let run = |seconds| toy::run(&toy::scenario("ticking", &format!("duration = \"{seconds}s\"")), 7);
    run(1);
    let before = resident();
    let ran = run(300);
    assert!(ran.events > 900_000, "{}", ran.events);
    let grown = resident().saturating_sub(before);
    assert!(grown < 48 * 1024, "{grown} KiB for {} events: madsim's list of tasks is not swept", ran.events);
}
