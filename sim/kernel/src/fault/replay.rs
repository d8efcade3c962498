//! `replay`: an old packet of a link arrives again.

use serde::{Deserialize, Serialize};

use super::{
    Ability, Choice, Concrete, Done, Fault, Kind, Lasting, Leaf, Nodes, Range, Selectors, Stated, on_chosen_links,
    words,
};
use crate::time::Duration;

/// On each of these links the last datagram that was sent at least this long ago, and was not lost, arrives again, at
/// once. Nothing comes if there is none, or the link is cut. It happens once; a connection never says an old thing
/// again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Replay<L: Leaf = Nodes> {
    /// Which directed links.
    pub links: L::Links,
    /// How long ago the packet was sent at least.
    pub older_than: Duration,
    /// The kinds of message that may come again; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl<L: Leaf> Kind<L> for Replay<L> {
    const NAME: &'static str = "replay";
    super::on_links!();

    fn lasting(&self) -> Lasting {
        Lasting::Once
    }

    fn needs(&self) -> Option<Ability> {
        Some(Ability::Packets)
    }

    fn replays(&self) -> Option<Duration> {
        Some(self.older_than)
    }
}

impl Stated for Replay<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        let Self { older_than, kinds, .. } = self;
        on_chosen_links(choice, &self.links, |links| Replay { links, older_than: *older_than, kinds: kinds.clone() })
    }
}

impl Done for Replay {
    fn words(&self) -> String {
        let on = (words::links(&self.links), words::only(&self.kinds));
        format!("replay on {}{}: a packet older than {}", on.0, on.1, self.older_than)
    }

    /// It changes something if there is an old packet that the link lets pass.
    fn changes_links(&self) -> bool {
        false
    }

    fn ranges(&self) -> Vec<Range> {
        vec![Range::one(&["older_than"], self.older_than)]
    }
}
