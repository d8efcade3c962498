//! A disk of numbers that is opened again and again, and one that is damaged between.

use super::*;

const LOG: FileId = FileId(1);
const STATE: FileId = FileId(2);

/// A folder of its own.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("splitbrain-journal-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn open(&self) -> io::Result<Journal<u64>> {
        Journal::open(&self.0)
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.0.join(NAME)).expect("there is a journal")
    }

    fn put(&self, bytes: &[u8]) {
        std::fs::write(self.0.join(NAME), bytes).expect("the folder can be written");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write(journal: &mut Journal<u64>, writes: impl IntoIterator<Item = Write<u64>>) {
    for write in writes {
        journal.write(write).expect("the disk has room");
    }
    journal.sync().expect("the disk has room");
}

fn kept(journal: &Journal<u64>, file: FileId) -> Vec<u64> {
    journal.files().get(file).iter().filter_map(Stored::intact).copied().collect()
}

#[test]
fn what_was_written_is_there_at_the_next_start() {
    let place = Place::new("again");
    let mut journal = place.open().expect("a new disk");
    assert_eq!((journal.starts(), journal.files().count()), (1, 0));
    write(&mut journal, (1..=5).map(|number| Write::Append(LOG, number)));
    write(&mut journal, [Write::Replace(STATE, 7), Write::Truncate(LOG, 4), Write::Discard(LOG, 1)]);
    drop(journal);
    for starts in 2..4 {
        let journal = place.open().expect("the same disk");
        assert_eq!((journal.starts(), kept(&journal, LOG), kept(&journal, STATE)), (starts, vec![2, 3, 4], vec![7]));
    }
}

#[test]
fn an_empty_file_is_still_there() {
    let place = Place::new("empty");
    write(&mut place.open().expect("a new disk"), [Write::Append(LOG, 1), Write::Truncate(LOG, 0)]);
    let journal = place.open().expect("the same disk");
    assert_eq!(journal.files().iter().map(|(file, _)| file).collect::<Vec<_>>(), [LOG]);
}

/// Cut anywhere within its last write, the journal has all others.
#[test]
fn a_last_write_that_is_not_whole_is_cut_off() {
    let place = Place::new("torn");
    let mut journal = place.open().expect("a new disk");
    write(&mut journal, [Write::Append(LOG, 1)]);
    let whole = place.bytes().len();
    write(&mut journal, [Write::Append(LOG, 2)]);
    drop(journal);
    let bytes = place.bytes();
    for length in whole..bytes.len() {
        place.put(&bytes[..length]);
        assert_eq!(kept(&place.open().expect("it starts"), LOG), [1], "{length}");
    }
}

/// A file system may have made room for a write that it had not stored when the power went.
#[test]
fn an_end_of_zeros_is_cut_off() {
    let place = Place::new("zeros");
    write(&mut place.open().expect("a new disk"), [Write::Append(LOG, 1)]);
    place.put(&[place.bytes(), vec![0; 100]].concat());
    assert_eq!(kept(&place.open().expect("it starts"), LOG), [1]);
    let whole = place.bytes().len();
    write(&mut place.open().expect("it starts"), [Write::Append(LOG, 2)]);
    let mut bytes = place.bytes();
    bytes[whole..whole + 8].fill(0);
    place.put(&bytes);
    assert!(place.open().is_err(), "what follows the zeros was stored");
}

#[test]
fn what_could_not_be_read_again_is_refused() {
    let place = Place::new("unreadable");
    let mut journal: Journal<f64> = Journal::open(&place.0).expect("a new disk");
    journal.write(Write::Append(LOG, 0.5)).expect("a number");
    let refused = journal.write(Write::Append(LOG, f64::NAN)).expect_err("JSON has no NaN");
    assert_eq!(refused.to_string(), "a record that JSON cannot hold");
    drop(journal);
    assert_eq!(Journal::<f64>::open(&place.0).expect("the same disk").files().count(), 1);
}

/// The hash of a length, that of a text, or both do not fit.
#[test]
fn every_flipped_bit_is_seen() {
    let place = Place::new("damaged");
    write(&mut place.open().expect("a new disk"), [Write::Append(LOG, 1), Write::Append(LOG, 2)]);
    let bytes = place.bytes();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        place.put(&damaged);
        let refused = place.open().err().unwrap_or_else(|| panic!("bit {bit} was not missed"));
        assert!(refused.to_string().contains("does not fit; no node can start from it"), "bit {bit}: {refused}");
    }
}

#[test]
fn what_is_no_journal_of_this_format_is_refused() {
    let place = Place::new("format");
    drop(place.open().expect("a new disk"));
    let refusal = |bytes: &[u8]| {
        place.put(bytes);
        place.open().err().expect("it is refused").to_string()
    };
    let framed = |text: &str| frame(text.as_bytes()).expect("it is short");
    let head = r#"{"Head":{"format":1,"starts":1}}"#;
    assert!(refusal(b"").contains("this is no journal"));
    assert!(refusal(&framed(r#"{"Head":{"format":2,"starts":1}}"#)).contains("has format 2, this program reads 1"));
    assert!(refusal(&framed(r#"{"Write":{"Append":[1,1]}}"#)).contains("has one head, at its start"));
    assert!(refusal(&[framed(head), framed(head)].concat()).contains("has one head, at its start"));
    assert!(refusal(&[framed(head), framed("{}")].concat()).contains("byte 48: "), "{}", refusal(&framed("{}")));
}

#[test]
fn two_nodes_never_share_a_disk() {
    let place = Place::new("shared");
    let first = place.open().expect("a new disk");
    let refused = place.open().err().expect("it is taken");
    assert!(refused.to_string().ends_with("is the disk of a node that runs"), "{refused}");
    drop(first);
    assert!(place.open().is_ok());
}

#[test]
fn a_journal_of_what_no_longer_counts_stays_short() {
    let place = Place::new("short");
    let mut journal = place.open().expect("a new disk");
    let one = frame(&encode(&Entry::Write(Write::Replace(STATE, 0_u64)))).expect("it is short").len() as u64;
    for number in 0..3 * GROWTH_BYTES_MIN / one {
        journal.write(Write::Replace(STATE, number)).expect("the disk has room");
        if number % 1000 == 0 {
            journal.sync().expect("the disk has room");
        }
    }
    journal.sync().expect("the disk has room");
    let last = kept(&journal, STATE);
    assert!(place.bytes().len() as u64 <= GROWTH_BYTES_MIN + 2000 * one, "{}", place.bytes().len());
    drop(journal);
    assert_eq!(kept(&place.open().expect("the same disk"), STATE), last);
}
