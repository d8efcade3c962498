//! What people see when a file is wrong. The goldens are read, not only compared.

use crate::scenario::Colour;

use super::{read, with};

/// One line for each error of each text.
fn lines(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{}\n", refused(&with(text)).replace("a.toml:", ""))).collect()
}

fn refused(text: &str) -> String {
    match read(text) {
        Err(errors) => errors.plain(),
        Ok(_) => panic!("this was taken for a scenario:\n{text}"),
    }
}

#[test]
fn several_errors_are_shown_at_once_in_order() {
    let text = with(
        "[network]\nlatency = \"5ms..1ms\"\nlos = \"1%\"\n\n[[nemesis]]\nkinds = [\"partion\", \"crash\"]\n\
         on = \"any severs\"\nevery = 5\nfor = \"1s\"\n\n[run]\nduration = \"10s\"\nsettle = \"10s\"\n",
    );
    insta::assert_snapshot!("several_plain", refused(&text));
    let errors = read(&text).expect_err("it is wrong");
    insta::assert_snapshot!("several_pretty", errors.pretty(Colour::Never));
    assert!(errors.pretty(Colour::Always).contains('\x1b'));
}

#[test]
fn syntax() {
    let texts =
        ["a = ", "[run\nduration = \"1s\"\n[[x]", "a = 1\na = 2", "[run]\n[run]", "x = \"abc", "k == 1\nl = [1,, 2]"];
    insta::assert_snapshot!(texts.map(refused).concat());
}

#[test]
fn the_head_of_a_file() {
    let texts = [
        "",
        "# nothing but a comment\n",
        "format = 2\nsystem = \"toy\"\ncluster = { servers = 1 }",
        "format = 1\nsystem = \"tyo\"",
        "format = 1\nsystem = 7",
        "format = 1\nsystem = \"toy\"",
        "format = \"1\"\nsystem = \"toy\"\ncluster = 5",
    ];
    insta::assert_snapshot!(texts.map(refused).concat());
}

#[test]
fn keys_and_types() {
    insta::assert_snapshot!(lines(&[
        "netwrok = {}",
        "[run]\ndurration = \"1s\"",
        "[run]\nduration = 60",
        "[run]\nduration = \"60\"",
        "[run]\nduration = 0.5",
        "[run]\nduration = \"-5s\"",
        "[run]\nseeds = 99999999999999999999999",
        "[run]\nseeds = -1",
        "[run]\nseeds = 0",
        "[run]\nduration = \"9999999h\"",
        "[[run]]\nduration = \"1s\"",
        "[fault]\nat = \"1s\"",
        "[network]\nloss = 0.5",
        "[network]\nloss = \"150%\"",
        "[network]\nloss = { chose = [\"1%\"] }",
        "[network]\nloss = { choose = [] }",
        "[network]\nloss = { choose = [\"1%\", \"1%\"] }",
        "[network]\nbandwidth = \"10MB\"",
        "[network]\nlatency = { mean = \"1ms\", max = \"2ms\" }",
        "[clocks]\ndrift = \"5\"",
        "[clocks]\ndrift = \"90%\"",
        "[clocks.nodes.s9]\ndrift = \"1%\"",
        "[clocks]\norigin = \"1h\"",
        "[clocks]\norigin = { boot = \"1h\" }",
        "[clocks]\norigin = { monotonic = \"1281024h\" }",
        "[clocks]\norigin = { monotonic = \"2h..1h\" }",
        "[clocks]\norigin = { wall = 2038-01-19T03:14:00Z }",
        "[clocks]\norigin = { wall = \"2038-01-19\" }",
        "[clocks.nodes.c1]\norigin = { wall = \"2400-01-01T00:00:00Z\" }",
        "[network]\nredial = \"10ms..10s\"",
        "[network]\nredial = { max = \"1s\" }",
        "[network]\nredial = { min = \"2s\", max = \"1s\" }",
        "[workload]\nrate = \"fast\"",
        "\"spaced key\" = 1",
        "\"a\\nb\" = 1",
    ]));
}

#[test]
fn supervisors() {
    let of = |restart: &str| {
        let head = "format = 1\nsystem = \"toy\"\ncluster = { servers = 5, clients = 2, restart = ";
        refused(&format!("{head}{restart} }}\n")).replace("a.toml:", "") + "\n"
    };
    let texts = [
        "true",
        "{}",
        "{ after = 1 }",
        "{ after = \"1s\", times = 0 }",
        "{ after = \"1s\", max = 3 }",
        "{ after = \"1s\", on = \"leader\" }",
        "{ after = \"1s\", on = [\"s1\", \"any server\"] }",
        "{ after = \"1s\", on = \"s9\" }",
    ];
    insta::assert_snapshot!(texts.map(of).concat());
}

#[test]
fn the_words_of_the_system() {
    insta::assert_snapshot!(lines(&[
        "[toy]\npreset = \"fncy\"",
        "[toy]\npre_vot = true",
        "[toy]\nmode = \"lzay\"",
        "[toy]\ntimeout = \"1us\"",
        "[toy]\npriority = \"9..1\"",
        "[toy]\npriority = \"1..1000\"",
        "[toy]\npre_vote = \"true..false\"",
        "[toy.servers.s9]\npriority = 1",
        "[toy.servers.c1]\npriority = 1",
        "[toy.servers.s1]\npreset = \"fancy\"",
        "[raft]\npre_vote = true",
        "[workload]\nkind = \"registre\"",
        "[check]\ninvariants = [\"election_saftey\"]",
        "[check]\ninvariants = { except = [\"election_safety\", \"term_monotone\", \"leader_in_time\"] }",
        "[check]\ninvariants = \"most\"",
        "[check]\ninvariants = \"term_monotone\"",
        "[check]\ninvariants = { of = \"blackbox\", except = [\"term_monotone\"] }",
        "[check]\ninvariants = { of = \"white_box\", except = [\"term_monotone\"] }",
        "[check]\ninvariants = { of = \"white_box\" }",
    ]));
}

#[test]
fn faults() {
    insta::assert_snapshot!(lines(&[
        "[[fault]]",
        "[[fault]]\nat = \"1s\"",
        "[[fault]]\ncut = \"s1 -> s2\"",
        "[[fault]]\nat = \"1s\"\nwhen = \"leader elected\"\nring = true",
        "[[fault]]\nat = \"1s\"\nring = true\ncut = \"s1 -> s2\"",
        "[[fault]]\nat = \"1s\"\nring = false",
        "[[fault]]\nat = \"70s\"\nring = true",
        "[run]\nsettle = \"10s\"\n[[fault]]\nat = \"40s..55s\"\nring = true",
        "[[fault]]\nat = \"1s\"\nafter = \"1s\"\nring = true",
        "[[fault]]\nwhen = \"leader elcted\"\nring = true",
        "[[fault]]\nwhen = \"no leadr for 1s\"\nring = true",
        "[[fault]]\nwhen = \"leader elected #0\"\nring = true",
        "[[fault]]\nevery = \"1s\"\nring = true",
        "[[fault]]\nat = \"1s\"\nstart = \"s6\"\nfor = \"1s\"",
        "[[fault]]\nat = \"1s\"\npause = \"s1\"\nin_flight = \"keep\"",
        "[[fault]]\nat = \"1s\"\ncut = \"s1 - s2\"",
        "[[fault]]\nat = \"1s\"\ncut = [\"s1 -> s9\", \"c7 -> *\"]",
        "[[fault]]\nat = \"1s\"\ncut = \"s1 -> s1\"",
        "[[fault]]\nat = \"1s\"\ncut = []",
        "[[fault]]\nat = \"1s\"\npartition = [\"s1\", \"s2\"]",
        "[[fault]]\nat = \"1s\"\npartition = [[\"s1\", \"x\"], [\"leadr\"]]",
        "[[fault]]\nat = \"1s\"\nname = { x = \"*\", s1 = \"leader\", leader = \"s2\" }\nisolate = \"x\"",
        "[[fault]]\nat = \"1s\"\ncrash = \"holder(lokc)\"",
        "[[fault]]\nat = \"1s\"\nkinds = [\"pign\"]\nclog = \"* -> s1\"",
        "[[fault]]\nat = \"1s\"\nkinds = [\"ping\", \"vote\"]\nrefuse = \"c1 -> *\"",
        "[[fault]]\nat = \"1s\"\nkinds = \"vote\"\nrefuse = \"c1 -> *\"",
        "[[fault]]\nat = \"1s\"\nslow = \"s1\"",
        "[[fault]]\nat = \"1s\"\nslow = { node = \"s1\" }",
        "[[fault]]\nat = \"1s\"\nweather = { links = \"* -> *\" }",
        "[[fault]]\nat = \"1s\"\ndisk = { nodes = \"s1\", fault = \"slow\" }",
        "[[fault]]\nat = \"1s\"\ndisk = { nodes = \"s1\", fault = \"full\", by = \"1ms\" }",
        "[[fault]]\nat = \"1s\"\norder = { nodes = \"s1\", name = \"falg\" }",
        "[[fault]]\nid = \"a b\"\nat = \"1s\"\nring = true",
        "[[fault]]\nid = \"x\"\nat = \"1s\"\nring = true\n[[nemesis]]\nid = \"x\"\nevery = \"1s\"\nfor = \"1s\"",
        "[[network.link]]\nlinks = \"leader -> s1\"\nloss = \"1%\"",
    ]));
}

#[test]
fn nemeses_and_workload() {
    insta::assert_snapshot!(lines(&[
        "[[nemesis]]\nkinds = []\nfor = \"1s\"",
        "[[nemesis]]\nkinds = [\"crash\"]\nevery = \"1s\"\nfor = \"1s\"\nlate = \"4s\"\nmessages = \"ping\"",
        "[[nemesis]]\nkinds = [\"lose_messages\"]\nevery = \"1s\"\nfor = \"1s\"\nlate = \"4s\"\nmessages = \"pign\"",
        "[[nemesis]]\nkinds = { except = [\"crahs\"] }\nevery = \"1s\"\nfor = \"1s\"",
        "[[nemesis]]\nevery = \"0s\"\nfor = \"1s\"",
        "[[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\nfrom = \"5s\"\nuntil = \"5s\"",
        "[[nemesis]]\nevery = \"1s\"\nfor = \"1s\"\nfrom = \"60s\"",
        "[workload]\nkind = \"register\"\nrate = \"1000000/ms\"",
        "[workload]\nkind = \"register\"\nfrom = \"2m\"",
        "[workload]\nkind = \"register\"\nuntil = \"2m\"",
    ]));
    let nobody = "format = 1\nsystem = \"toy\"\ncluster = { servers = 1 }\n[workload]\nkind = \"register\"\n";
    insta::assert_snapshot!("workload_without_clients", refused(nobody));
}

#[test]
fn expectations() {
    insta::assert_snapshot!(lines(&[
        "[expect]\noutcome = \"pased\"",
        "[expect]\noutcome = \"passed\"\nviolates = \"election_safety\"",
        "[expect]\nviolates = \"election_saftey\"\nwithin = 0",
        "[expect]\nwithin = 500",
        "[expect]\ntwin = { pre_vote = true }",
        "[expect]\nviolates = \"election_safety\"\ntwin = {}",
        "[expect]\nviolates = \"election_safety\"\ntwin = { pre_vot = true }",
        "[expect]\nviolates = \"election_safety\"\ntwin = { pre_vote = 1 }",
        "[check]\ninvariants = [\"term_monotone\"]\n[expect]\nviolates = \"election_safety\"",
        "[expect]\nleader_change = { at_most = 1 }",
        "[expect]\nleader_changes = 1",
        "[expect]\nleader_changes = {}",
        "[expect]\nleader_changes = { at_most = 1, at_least = 2 }",
        "[expect]\nleader_changes = { at_most = 1, where = \"pre_vot\" }",
        "[expect]\nleader_changes = { at_most = 1, where = \"priority\" }",
        "[expect]\nleader_changes = { at_most = 1, where = \"preset = fncy\" }",
        "[expect]\nleader_changes = { at_most = 1, where = \"priority = many\" }",
        "[expect]\nleader_changes = { at_most = 1, where = \"pre_vote and\" }",
        "[expect]\nreach = [\"pre-vote rejeted\"]",
        "[expect]\nreach = []",
    ]));
}

/// Inside the declared bounds every invariant is promised; what leaves them expects the violation.
#[test]
fn clocks_that_leave_the_declared_bounds() {
    let beyond = [
        "[clocks]\ndrift_bound = \"100ppm\"\ndrift = \"-101ppm..0ppm\"",
        "[clocks]\ndrift_bound = \"100ppm\"\n[clocks.nodes.s2]\ndrift = \"200ppm\"",
        "[clocks]\nskew_bound = \"10ms\"\noffset = \"-5ms..6ms\"",
        "[clocks]\nskew_bound = \"10ms\"\n[clocks.nodes.s2]\noffset = \"11ms\"",
        "[clocks]\nskew_bound = \"10ms\"\n[clocks.nodes.s2]\norigin = { wall = \"2023-11-14T22:13:20.011Z\" }",
        "[clocks]\nskew_bound = \"10ms\"\n\
         origin = { wall = \"2023-11-14T22:13:20Z..2023-11-14T22:13:20.011Z\" }",
        "[clocks]\ndrift_bound = \"100ppm\"\ndrift = \"50ppm\"\n[[fault]]\nat = \"1s\"\n\
         clock_drift = { nodes = \"s1\", by = \"51ppm\" }",
        "[clocks]\nskew_bound = \"10ms\"\n[[fault]]\nat = \"1s\"\nclock_step = { nodes = \"s1\", by = \"-11ms\" }",
        "[clocks]\nskew_bound = \"10ms\"\n[[fault]]\nat = \"1s\"\n\
         clock_slew = { nodes = \"s1\", by = \"11ms\", over = \"1s\" }",
    ];
    insta::assert_snapshot!(lines(&beyond));
    for text in beyond {
        for expect in ["violates = \"election_safety\"", "outcome = { is = \"stalled\", where = \"pre_vote\" }"] {
            assert!(read(&with(&format!("{text}\n[expect]\n{expect}\n"))).is_ok(), "{text}\n{expect}");
        }
        assert!(read(&with(&text.replace("bound = \"1", "bound = \"90"))).is_ok(), "inside a wider bound: {text}");
        let bounds = text.replace("drift_bound = \"100ppm\"\n", "").replace("skew_bound = \"10ms\"\n", "");
        assert!(read(&with(&bounds)).is_ok(), "nothing is declared: {text}");
    }
}

#[test]
fn bytes_that_are_no_text() {
    let errors = crate::scenario::load("a.toml", b"format = 1\nname = \"\xff\xfe\"\n", &super::systems());
    let errors = errors.expect_err("it is no text");
    insta::assert_snapshot!(errors.plain() + &errors.pretty(Colour::Never));
    let control = refused("a = 1\u{0}\u{7}\u{1b}[31m");
    assert!(control.is_ascii() && !control.contains('\u{1b}'), "{control:?}");
}

#[test]
fn words_of_other_tools() {
    insta::assert_snapshot!(lines(&[
        "[run]\nseed = 42",
        "[run]\ntimeout-minutes = 5",
        "[[fault]]\nkill = \"leader\"\nat = \"1s\"",
        "[[fault]]\naction = \"network-partition\"\nmode = \"one\"\nselector = \"leader\"\nduration = \"1s\"",
        "[[fault]]\nclock_skew = { nodes = \"s1\" }\nat = \"1s\"",
        "[[fault]]\ncrash = \"n1\"\nat = \"1s\"",
        "[[fault]]\ncrash = \"leader\"\nif = \"leader elected\"",
        "[[fault]]\ncrash = \"leader\"\nwhen = \"leader elected == 3\"",
        "[[fault]]\npause = \"leader\"\nwhen = \"2s\"",
        "[[nemesis]]\nkinds = [\"partition\", \"kill\", \"clock\"]\non = \"any server\"\nevery = \"1s\"\nfor = \"1s\"",
        "[[nemesis]]\nkinds = [\"crash\"]\non = \"any server\"\ninterval = \"1s\"\nduration = \"1s\"",
        "[network]\njitter = \"5ms\"\npacket-loss = \"1%\"",
        "[workload]\nvus = 10\nduration = \"30s\"\nqps = 5",
        "[toy]\nelection_timeout = \"1s\"\nheartbeat_interval = \"50ms\"\nprevote = true",
        "[expect]\nthresholds = 1",
        "checks = {}",
    ]));
}
