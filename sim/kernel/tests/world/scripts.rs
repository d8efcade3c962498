//! A script of hosts and the world: one story has the same result in both.
//!
//! In the world a story takes place in phases of 100 ms. The links are clogged for the first half of a phase, in which
//! its steps are taken; then all that is under way arrives. In the script the steps are commands, and `stabilize` ends
//! the phase. The two share neither the code of their connections nor that of their links.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use splitbrain_kernel::brief::Datum;
use splitbrain_kernel::fault::{CrashScope, Fault, Start};
use splitbrain_kernel::host::script::{Words, play};
use splitbrain_kernel::id::NodeId;
use splitbrain_kernel::rng::{Rng, Seed};
use splitbrain_kernel::time::Duration;

use crate::stage::{Played, Stage, clog, crash, cut, ms, s};
use crate::toy::{Actor, Heard, Op, Toy};

const WORDS: Words<Toy> = Words {
    operation: |words| serde_json::from_str(words).map_err(|error| error.to_string()),
    status: |_| String::new(),
};

/// What a story does to two servers.
#[derive(Clone, Debug)]
enum Step {
    Ask(NodeId, Op),
    Crash(NodeId, CrashScope),
    Start(NodeId),
    Cut(NodeId, NodeId),
    Heal,
}

/// A story: steps, in phases.
type Story = Vec<Vec<Step>>;

/// What the nodes heard, each in its order.
type HeardByEach = [Vec<String>; 2];

fn script_of(story: &Story) -> String {
    let mut text = "# A story.\ncluster servers=2\n".to_owned();
    for phase in story {
        for step in phase {
            let line = match step {
                Step::Ask(node, op) => format!("ask {node} {}", serde_json::to_string(op).expect("it is data")),
                Step::Crash(node, CrashScope::Process) => format!("crash {node}"),
                Step::Crash(node, CrashScope::Machine) => format!("crash {node} machine"),
                Step::Start(node) => format!("start {node}"),
                Step::Cut(source, target) => format!("cut {source}->{target}"),
                Step::Heal => "heal".to_owned(),
            };
            writeln!(text, "{line}").expect("a string takes it");
        }
        text.push_str("stabilize\n");
    }
    text
}

fn stage_of(story: &Story) -> Stage {
    let length = 100 * story.len() as u64;
    let mut stage = Stage::new(2, 0).with(|options| {
        options.duration = ms(length);
        options.network.connection_timeout = Duration::MAX;
    });
    let mut cuts = Vec::new();
    for (begin, phase) in (0..).step_by(100).zip(story) {
        stage = stage.fault(begin, begin + 50, clog([(s(1), s(2)), (s(2), s(1))], &[]));
        for (at, step) in (begin + 1..).zip(phase) {
            stage = match step {
                Step::Ask(node, op) => stage.at(at, *node, op.clone()),
                Step::Crash(node, scope) => stage.fault_from(at, crash(*node, *scope)),
                Step::Start(node) => stage.fault_from(at, Fault::Start(Start { nodes: vec![*node], free_only: false })),
                Step::Cut(source, target) => {
                    cuts.push((at, *source, *target));
                    stage
                }
                Step::Heal => cuts
                    .drain(..)
                    .fold(stage, |stage, (from, source, target)| stage.fault(from, at, cut([(source, target)]))),
            };
        }
    }
    cuts.into_iter().fold(stage, |stage, (from, source, target)| stage.fault_from(from, cut([(source, target)])))
}

fn heard_in(played: &Played, node: NodeId) -> Vec<String> {
    let heard = played.log.observed.iter().filter(|(_, who, heard)| *who == node && is_of_peers(heard));
    heard.map(|(_, _, heard)| Datum::<Actor>::Observation(heard).to_string()).collect()
}

const fn is_of_peers(heard: &Heard) -> bool {
    matches!(heard, Heard::Note(..) | Heard::Connection(_))
}

/// What the world makes of a stage.
fn in_world(stage: &Stage) -> HeardByEach {
    let played = stage.pass();
    [heard_in(&played, s(1)), heard_in(&played, s(2))]
}

/// What the hosts make of a script.
fn in_script(script: &str) -> HeardByEach {
    let played = play(script, &WORDS).unwrap_or_else(|error| panic!("{error}\n{script}"));
    [1, 2].map(|number| {
        let prefix = format!("  s{number} heard ");
        played.lines().filter_map(|line| line.strip_prefix(&prefix).map(str::to_owned)).collect()
    })
}

/// What a node heard over each connection, in order, and last by datagrams: there is no order between them.
fn by_connection(heard: &HeardByEach) -> HeardByEach {
    let connection =
        |line: &String| line.find("connection (").map(|at| line[at..].split(')').next().map(str::to_owned));
    let mut sorted = heard.clone();
    sorted.iter_mut().for_each(|heard| heard.sort_by_key(connection));
    sorted
}

fn check_same(story: &Story) -> HeardByEach {
    let (world, script) = (in_world(&stage_of(story)), in_script(&script_of(story)));
    assert_eq!(by_connection(&world), by_connection(&script), "{}", script_of(story));
    script
}

/// What a node heard in a word each: a change of a connection, or the number of a note.
fn in_words(heard: &[String]) -> Vec<&str> {
    let last = |line: &'_ str| line.rfind(", ").map_or(0, |at| at + 2);
    heard.iter().map(|line| line[last(line)..].trim_start_matches("change ")).collect()
}

/// Both tell the same, which is this: what `s1` heard, and what `s2` heard.
fn check(story: &Story, expected: [&[&str]; 2]) {
    assert_eq!(check_same(story).each_ref().map(|heard| in_words(heard)), expected, "{}", script_of(story));
}

const fn ask(number: u16, op: Op) -> Step {
    Step::Ask(s(number), op)
}

fn connects() -> Vec<Step> {
    vec![ask(1, Op::Connect(s(2)))]
}

#[test]
fn a_crash_of_a_machine_is_silent_and_one_of_a_process_resets() {
    let ends = |scope| vec![connects(), vec![Step::Crash(s(2), scope)]];
    check(&ends(CrashScope::Machine), [&["opened"], &["accepted"]]);
    check(&ends(CrashScope::Process), [&["opened", "reset"], &["accepted"]]);
    // The machine knows nothing of the connection when it runs again: it says so if it is spoken to, and not before.
    let mut again = ends(CrashScope::Machine);
    again.push(vec![Step::Start(s(2))]);
    check(&again, [&["opened"], &["accepted"]]);
    again.push(vec![ask(1, Op::Say(0, 7))]);
    check(&again, [&["opened", "reset"], &["accepted"]]);
}

#[test]
fn what_a_process_sent_before_it_ended_arrives_unless_the_link_is_cut() {
    let says = |steps: &[Step]| {
        let mut phase = steps.to_vec();
        phase.extend([ask(1, Op::Say(0, 7)), Step::Crash(s(1), CrashScope::Process)]);
        vec![connects(), phase, vec![Step::Heal]]
    };
    check(&says(&[]), [&["opened"], &["accepted", "7", "reset"]]);
    // The reset is lost too: the other end does not learn that the connection is gone.
    check(&says(&[Step::Cut(s(1), s(2))]), [&["opened"], &["accepted"]]);
    let closes = [Step::Cut(s(1), s(2)), ask(1, Op::Say(0, 6)), ask(1, Op::Close(0))];
    let closed = vec![closes.to_vec(), vec![Step::Crash(s(1), CrashScope::Process)], vec![Step::Heal]];
    check(&[vec![connects()], closed].concat(), [&["opened"], &["accepted", "6", "closed"]]);
}

#[test]
fn what_waits_for_a_machine_that_is_off_arrives_when_it_starts() {
    let off = vec![Step::Crash(s(2), CrashScope::Machine), ask(1, Op::Connect(s(2)))];
    check(&vec![off.clone()], [&[], &[]]);
    check(&vec![off, vec![Step::Start(s(2))]], [&["opened"], &["accepted"]]);
    let down = vec![Step::Crash(s(2), CrashScope::Process), ask(1, Op::Connect(s(2)))];
    check(&vec![down], [&["refused"], &[]]);
}

#[test]
fn who_closes_while_it_dials_resets_the_acceptor() {
    let closes = vec![ask(1, Op::Connect(s(2))), ask(1, Op::Close(0))];
    check(&vec![closes], [&[], &[]]);
}

/// The opening arrives, the answer to it is under way, and the acceptor ends.
#[test]
fn an_acceptor_that_crashes_before_the_answer_arrives_is_heard_of() {
    let script = |extent: &str| {
        format!(
            "# A story.\ncluster servers=2\nask s1 {{\"Connect\":\"s2\"}}\n\
             deliver s1->s2\ncrash s2{extent}\nstabilize\n"
        )
    };
    let stage = |scope| {
        let stage = Stage::new(2, 0).with(|options| options.network.connection_timeout = Duration::MAX);
        stage.fault(0, 50, clog([(s(2), s(1))], &[])).at(1, s(1), Op::Connect(s(2))).fault_from(20, crash(s(2), scope))
    };
    let cases = [("", CrashScope::Process, &["opened", "reset"][..]), (" machine", CrashScope::Machine, &["opened"])];
    for (extent, scope, expected) in cases {
        let (world, script) = (in_world(&stage(scope)), in_script(&script(extent)));
        assert_eq!(world, script);
        assert_eq!(in_words(&script[0]), expected, "{scope:?}");
        assert_eq!(in_words(&script[1]), ["accepted"]);
    }
}

/// Quiet notes are held up, and the loud one behind them must not overtake.
#[test]
fn what_is_delivered_before_its_turn_waits() {
    let says = "[{\"Say\":[0,1]},{\"SayLoud\":[0,2]},{\"Say\":[0,3]}]";
    let start = "# A story.\ncluster servers=2\nask s1 {\"Connect\":\"s2\"}\nstabilize\n";
    let script = format!("{start}ask s1 {{\"All\":{says}}}\ndeliver s1->s2 loud\n");
    let ops = vec![Op::Say(0, 1), Op::SayLoud(0, 2), Op::Say(0, 3)];
    let stage = Stage::new(2, 0).at(1, s(1), Op::Connect(s(2))).at(20, s(1), Op::All(ops));
    let waits = in_script(&script);
    assert_eq!(waits, in_world(&stage.clone().fault_from(10, clog([(s(1), s(2))], &["quiet"]))));
    assert_eq!(in_words(&waits[1]), ["accepted"]);
    let arrives = in_script(&format!("{script}deliver s1->s2 quiet\n"));
    assert_eq!(arrives, in_world(&stage.fault(10, 50, clog([(s(1), s(2))], &["quiet"]))));
    assert_eq!(in_words(&arrives[1]), ["accepted", "1", "2", "3"]);
    let played = play(&script, &WORDS).expect("it can be played");
    assert!(played.contains("(waits for what was sent before it)"), "{played}");
}

#[test]
fn a_datagram_that_is_under_way_at_a_cut_is_lost_and_one_after_it_arrives() {
    let under_way = vec![ask(1, Op::Send(s(2), 1)), Step::Cut(s(1), s(2)), ask(1, Op::Send(s(2), 2)), Step::Heal];
    check(&vec![under_way, vec![ask(1, Op::Send(s(2), 3))]], [&[], &["3"]]);
}

#[test]
fn an_exit_comes_after_all_that_the_node_did() {
    let exits = Op::All(vec![Op::Exit, Op::Say(0, 5), Op::Send(s(2), 6), Op::SetTimer(1, ms(10))]);
    check(
        &vec![connects(), vec![ask(1, exits)], vec![Step::Start(s(1))]],
        [&["opened"], &["accepted", "5", "6", "reset"]],
    );
}

/// Two servers that open, speak over and close connections, while processes and machines end and links are cut.
fn random_story(rng: &mut Rng) -> Story {
    let mut is_up = [true, true];
    let phases = 2 + rng.below(5);
    let mut step = |rng: &mut Rng| {
        let place = rng.below(2) as usize;
        let (node, peer) = (s(place as u16 + 1), s(2 - place as u16));
        if !is_up[place] {
            is_up[place] = true;
            return Step::Start(node);
        }
        let nth = rng.below(3) as usize;
        let if_connected = |op| Op::IfConnected(nth, vec![op]);
        match rng.below(16) {
            0..4 => Step::Ask(node, Op::Connect(peer)),
            4..6 => Step::Ask(node, if_connected(Op::Say(nth, rng.below(1_000)))),
            6..8 => Step::Ask(node, if_connected(Op::SayLoud(nth, rng.below(1_000)))),
            8 => Step::Ask(node, Op::Send(peer, rng.below(1_000))),
            9..11 => Step::Ask(node, if_connected(Op::Close(nth))),
            11 => {
                is_up[place] = false;
                Step::Ask(node, Op::Exit)
            }
            12 | 13 => {
                is_up[place] = false;
                Step::Crash(node, if rng.below(2) == 0 { CrashScope::Process } else { CrashScope::Machine })
            }
            14 => Step::Cut(node, peer),
            _ => Step::Heal,
        }
    };
    (0..phases).map(|_| (0..1 + rng.below(6)).map(|_| step(rng)).collect()).collect()
}

#[test]
fn random_stories_have_one_result() {
    let mut rng = Seed(11).stream("stories", 0);
    let mut words = BTreeSet::new();
    for _ in 0..2_000 {
        let heard = check_same(&random_story(&mut rng));
        words.extend(heard.iter().flat_map(|heard| in_words(heard)).map(str::to_owned));
    }
    for change in ["accepted", "opened", "refused", "reset", "closed"] {
        assert!(words.contains(change), "no story came to {change}");
    }
}
