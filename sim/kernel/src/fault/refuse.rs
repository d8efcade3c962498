//! `refuse`: requests on links are answered by an error.

use serde::{Deserialize, Serialize};

use super::{Choice, Concrete, Done, Fault, Kind, Leaf, Nodes, Selectors, Stated, on_chosen_links, words};
use crate::id::Link;
use crate::network::Network;

/// Requests that are sent over these links are answered by an error, as by a proxy on the target's machine that takes
/// the server for overloaded. They never come to the target, not even as a second copy.
/// [`Message::refused`](crate::node::Message::refused) says which requests can be refused, and by which error;
/// everything else passes. If the machine is off or suspended, no error comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "L: Concrete")]
pub struct Refuse<L: Leaf = Nodes> {
    /// Which directed links, from who asks to who would answer.
    pub links: L::Links,
    /// The kinds of request that it applies to; all that can be refused if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl<L: Leaf> Kind<L> for Refuse<L> {
    const NAME: &'static str = "refuse";
    super::on_links!();

    fn refuses(&self) -> bool {
        true
    }
}

impl Stated for Refuse<Selectors> {
    fn choose(&self, choice: &mut impl Choice) -> Option<Vec<Fault>> {
        on_chosen_links(choice, &self.links, |links| Refuse { links, kinds: self.kinds.clone() })
    }
}

impl Done for Refuse {
    fn words(&self) -> String {
        format!("refuse requests on {}{}", words::links(&self.links), words::only(&self.kinds))
    }

    /// It changes something once it has refused a request.
    fn changes_links(&self) -> bool {
        false
    }

    fn start_link(&self, key: u32, network: &mut Network, link: Link, mask: u64) {
        network.refuse(key, link, mask);
    }
}
