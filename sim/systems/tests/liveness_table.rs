//! The bounds of the liveness invariants stand on `reports/gallery/liveness.md`, which `just liveness-table` makes: no
//! wait in it is longer than what its row of the bounds' own table holds.

use splitbrain_systems::raft::invariants::{Observed, kind, observed};
use splitbrain_systems::raft::presets::PRESETS;

const GALLERY: &str = include_str!("../../../reports/gallery/liveness.md");

/// A row of the gallery.
#[derive(Clone, Copy, Debug)]
struct Cell<'a> {
    preset: &'a str,
    servers: usize,
    timeout_ms: (u64, u64),
    heals: u64,
    wait_max_ms: u64,
}

fn cells(text: &str) -> Vec<Cell<'_>> {
    let rows =
        text.lines().filter(|line| PRESETS.iter().any(|preset| line.starts_with(&format!("| {} |", preset.name))));
    rows.map(cell).collect()
}

fn cell(line: &str) -> Cell<'_> {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, preset, servers, timeout, _, heals, _, _, _, wait, _, _] = columns[..] else {
        panic!("{line} has {} columns", columns.len());
    };
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{text:?} in {line}"));
    let (min, max) = timeout.split_once("..").expect("a range of timeouts");
    Cell {
        preset,
        servers: usize::try_from(number(servers)).expect("few servers"),
        timeout_ms: (millis(min), millis(max)),
        heals: number(heals),
        wait_max_ms: number(wait),
    }
}

fn millis(text: &str) -> u64 {
    splitbrain_kernel::time::Duration::parse(text).expect("a duration").as_millis()
}

/// The row of the bounds that this cell is held to.
fn row_of(cell: Cell<'_>) -> &'static Observed {
    let preset = PRESETS.iter().find(|preset| preset.name == cell.preset).expect("a preset");
    observed(kind(&(preset.make)()), cell.servers, cell.timeout_ms.1 * 100 / cell.timeout_ms.0)
}

/// Whether the bounds know of a wait as long as this, in timeouts.
fn is_held(cell: Cell<'_>) -> bool {
    let row = row_of(cell);
    cell.wait_max_ms * row.timeout_max_ms <= row.wait_max_ms * cell.timeout_ms.1
}

#[test]
fn no_wait_of_the_gallery_is_longer_than_the_bounds_know() {
    let cells = cells(GALLERY);
    assert_eq!(cells.len(), 48, "four presets, three sizes, two spreads, two latencies");
    for cell in cells {
        assert!(cell.heals >= 100_000, "{cell:?}");
        assert_eq!(row_of(cell).servers, cell.servers);
        assert!(is_held(cell), "{cell:?} against {:?}", row_of(cell));
    }
}

#[test]
fn a_longer_wait_would_be_seen() {
    let cell = cell("| paper | 5 | 150ms..300ms | 1.5ms..6ms | 100203 | 127 | 533 | 1121 | 1887 | 6.2 |");
    assert!(!is_held(cell));
    assert!(is_held(Cell { wait_max_ms: 1_886, ..cell }));
    assert!(is_held(Cell { timeout_ms: (300, 600), ..cell }), "it counts in timeouts");
}
