//! The sections of `reports/gallery/performance.md`: each command that measures writes its own and keeps the others.

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reports/gallery/performance.md");

/// Replaces what stands before the first section.
pub(crate) fn replace_first(text: &str) {
    let kept = read();
    let after = kept.find("\n## ").map_or("", |from| &kept[from..]);
    write(&format!("{text}{after}"));
}

/// Replaces the section with this heading, or adds it at the end.
pub(crate) fn replace(heading: &str, text: &str) {
    let kept = read();
    let from = kept.find(&format!("\n{heading}\n")).map_or(kept.len(), |before| before + 1);
    let rest = &kept[from..];
    let after = rest.find("\n## ").map_or("", |next| &rest[next..]);
    let gap = if from == kept.len() { "\n" } else { "" };
    write(&format!("{}{gap}{text}{after}", &kept[..from]));
}

fn read() -> String {
    std::fs::read_to_string(KEPT).unwrap_or_default()
}

fn write(text: &str) {
    std::fs::write(KEPT, text).expect("the gallery can be written");
}
