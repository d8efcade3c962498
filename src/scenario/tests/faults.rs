//! What a fault may say of its end: what lasts needs one before it can come again, what happens once has none.

use splitbrain_kernel::director::spec::What;
use splitbrain_kernel::fault::Fault;
use splitbrain_toy::Toy;

use crate::scenario::description::SystemDescription;
use crate::scenario::{fault_actions, load};

use super::{EVERYTHING, good, read, with};

fn fault(text: &str) -> String {
    with(&format!("[[fault]]\n{text}\n"))
}

fn refused(text: &str) -> String {
    match read(&fault(text)) {
        Err(errors) => errors.plain(),
        Ok(_) => panic!("this was taken for a scenario:\n{text}"),
    }
}

const ONCE: [&str; 4] = ["lose", "corrupt", "unreadable", "wipe"];
const LASTING: [&str; 4] = ["full", "io", "lying_sync", "hang"];

#[test]
fn a_disk_fault_that_happens_once_comes_again_without_an_end_and_takes_none() {
    for kind in ONCE {
        let disk = format!("disk = {{ nodes = \"leader\", fault = \"{kind}\" }}");
        good(&fault(&format!("every = \"1s\"\n{disk}")));
        good(&fault(&format!("at = \"1s\"\n{disk}")));
        for end in ["for = \"2s\"", "until = \"leader\""] {
            let errors = refused(&format!("at = \"1s\"\n{disk}\n{end}"));
            assert!(errors.contains(&format!("disk fault {kind} happens once and has no end")), "{errors}");
        }
    }
}

#[test]
fn a_disk_fault_that_lasts_needs_an_end_to_come_again() {
    for kind in LASTING {
        let disk = format!("disk = {{ nodes = \"leader\", fault = \"{kind}\" }}");
        let errors = refused(&format!("every = \"1s\"\n{disk}"));
        assert!(errors.contains("disk would never end, so it never comes again"), "{errors}");
        good(&fault(&format!("every = \"1s\"\n{disk}\nfor = \"2s\"")));
        good(&fault(&format!("at = \"1s\"\n{disk}")));
    }
}

/// A scenario that states every action leaves no kind out: one that is forgotten in the language is found here.
#[test]
fn every_kind_of_fault_can_be_stated_and_every_action_stands_in_the_example() {
    let scenario = good(EVERYTHING);
    let mut stated: Vec<&str> = scenario
        .faults
        .iter()
        .filter_map(|spec| match &spec.what {
            What::Fault(fault) => Some(fault.kind()),
            What::Order(_) => None,
        })
        .collect();
    stated.sort_unstable();
    stated.dedup();
    let mut kinds = Fault::KINDS.to_vec();
    kinds.sort_unstable();
    assert_eq!(stated, kinds);
    for (action, summary) in fault_actions() {
        assert!(EVERYTHING.contains(&format!("\n{action} = ")), "{action} is not in the example");
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{action}: {summary}");
    }
}

#[test]
fn a_system_that_declares_no_error_cannot_refuse() {
    let system = SystemDescription { refusable: &[], ..SystemDescription::of::<Toy>() };
    let text = fault("at = \"1s\"\nrefuse = \"c1 -> *\"");
    let errors = load("a.toml", text.as_bytes(), &[system]).expect_err("nothing can be refused").plain();
    let expected = "fault[0].refuse: toy declares no request that can be refused: Message::REFUSABLE is empty";
    assert!(errors.contains(expected), "{errors}");
    good(&text);
}

#[test]
fn a_file_of_a_system_that_names_none_is_a_number() {
    let lose = |file: &str| format!("at = \"1s\"\ndisk = {{ nodes = \"s1\", fault = \"lose\", file = {file} }}");
    assert_eq!(good(&fault(&lose("65535"))).faults.len(), 1);
    let errors = refused(&lose("\"log\""));
    assert!(errors.contains("toy gives its files no names: say the number"), "{errors}");
    for file in ["-1", "65536", "1.5", "true"] {
        let errors = refused(&lose(file));
        assert!(errors.contains("expected the name of a file, or its number from 0 to 65535"), "{errors}");
    }
}

#[test]
fn a_file_is_one_of_the_nodes_that_are_named() {
    let systems = [SystemDescription::of::<splitbrain_systems::session::Sessions>()];
    let check = |nodes: &str, file: &str| {
        let text = format!(
            "format = 1\nsystem = \"session\"\ncluster = {{ meta = 1, chunk = 1, volume = 1, clients = 1 }}\n\
             [[fault]]\nat = \"1s\"\ndisk = {{ nodes = \"{nodes}\", fault = \"lose\"{file} }}\n"
        );
        load("a.toml", text.as_bytes(), &systems).map_err(|errors| errors.plain())
    };
    for (nodes, file, is_of_the_first) in [
        ("meta1", "", Some(0)),
        ("meta1", ", file = \"log\"", Some(1001)),
        ("volume1", ", file = \"target 3\"", Some(3)),
        ("every server", ", file = 1002", Some(1002)),
        ("volume1", ", file = \"log\"", None),
        ("volume1", "", None),
        ("chunk1", ", file = \"target 1\"", None),
        ("meta1", ", file = \"target 1\"", None),
        ("meta1", ", file = \"target 1000\"", None),
    ] {
        match (check(nodes, file), is_of_the_first) {
            (Ok(scenario), Some(number)) => assert!(scenario.to_toml().contains(&format!("file = {number},"))),
            (Err(errors), None) => {
                assert!(errors.contains("file") || errors.contains("nothing on their disks"), "{errors}")
            }
            (Ok(_), None) => panic!("{nodes}{file} was taken"),
            (Err(errors), Some(_)) => panic!("{errors}"),
        }
    }
}

#[test]
fn files_of_shipped_systems_can_be_told_apart() {
    for system in [
        SystemDescription::of::<splitbrain_systems::raft::Raft>(),
        SystemDescription::of::<splitbrain_systems::session::Sessions>(),
        SystemDescription::of::<splitbrain_systems::lock::Lock>(),
        SystemDescription::of::<splitbrain_systems::chat::Chat>(),
        SystemDescription::of::<splitbrain_systems::reactor::Reactor>(),
    ] {
        let files = system.files.expect("a shipped system names its files");
        for (index, file) in files.iter().enumerate() {
            let earlier = &files[..index];
            assert!(earlier.iter().all(|other| other.name != file.name), "{} {}", system.name, file.name);
            let is_double = |other: &&splitbrain_kernel::system::FileInfo| {
                other.of.iter().any(|kind| file.of.contains(kind)) && (other.has(file.first) || file.has(other.first))
            };
            assert!(!earlier.iter().any(|other| is_double(&other)), "{} {}", system.name, file.name);
            assert!(file.of.iter().all(|kind| system.kinds.iter().any(|known| known.id == *kind)));
        }
    }
}
