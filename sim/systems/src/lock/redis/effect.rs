//! What a command changed, as the commands that replicas and the append-only file get.

use serde::{Deserialize, Serialize};

use super::number;

/// One change, as a command.
///
/// - Deadlines are absolute: milliseconds since 1970 on the master's wall clock. So the skew between the clocks of a
///   master and its replica changes how long a key lives after a failover.
/// - The effects of one request are one unit: [`stream`] puts `MULTI` and `EXEC` around several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Effect {
    /// The database that it changes.
    pub database: u8,
    /// The name of the command and its arguments.
    pub arguments: Vec<Vec<u8>>,
}

impl Effect {
    /// The effect with its deadline as the time that is left at `now`.
    ///
    /// What has no deadline stays as it is. A deadline that is past becomes one millisecond, as a version before 7.0
    /// would have sent the time that the client asked for.
    #[must_use]
    pub fn relative(mut self, now: i64) -> Self {
        let arguments = &mut self.arguments;
        let name = arguments.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
        let (word, place, relative) = match (name.as_slice(), arguments.len()) {
            (b"SET", 5) if arguments[3] == b"PXAT" => (3, 4, "PX"),
            (b"PEXPIREAT", 3..) => (0, 2, "PEXPIRE"),
            _ => return self,
        };
        if let Some(deadline) = number::parse(&arguments[place]) {
            arguments[word] = relative.as_bytes().to_vec();
            arguments[place] = number::format(deadline.saturating_sub(now).max(1));
        }
        self
    }
}

/// The commands of one unit, with `MULTI` and `EXEC` around several, and a `SELECT` where the database changes from
/// the `selected` one.
pub fn stream(effects: &[Effect], selected: &mut Option<u8>) -> Vec<Vec<Vec<u8>>> {
    let Some(first) = effects.first() else { return Vec::new() };
    let mut commands = Vec::new();
    select(&mut commands, first.database, selected);
    if effects.len() > 1 {
        commands.push(vec![b"MULTI".to_vec()]);
    }
    for effect in effects {
        select(&mut commands, effect.database, selected);
        commands.push(effect.arguments.clone());
    }
    if effects.len() > 1 {
        commands.push(vec![b"EXEC".to_vec()]);
    }
    commands
}

fn select(commands: &mut Vec<Vec<Vec<u8>>>, database: u8, selected: &mut Option<u8>) {
    if *selected != Some(database) {
        *selected = Some(database);
        commands.push(vec![b"SELECT".to_vec(), number::format(i64::from(database))]);
    }
}
