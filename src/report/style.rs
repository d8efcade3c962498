//! Colours, for the streams that show them: anstream takes them out everywhere else.

use clap::builder::styling::{AnsiColor, Style};

/// All is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Something is not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Nobody knows.
pub(crate) const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
/// A name to look for.
pub(crate) const NAME: Style = AnsiColor::Cyan.on_default().bold();
/// What stands behind.
pub(crate) const DIM: Style = Style::new().dimmed();

/// A text in a style.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
