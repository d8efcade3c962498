//! A node or none, as a plan can hold it: `#[serde(with = "splitbrain_kernel::id::or_none")]` on the field of an order
//! or an operation. TOML has no word for nothing, and would lose it.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

use super::NodeId;

/// What stands where there is no node.
const NONE: &str = "none";

/// Writes it; in digests as any `Option`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(node: &Option<NodeId>, serializer: S) -> Result<S::Ok, S::Error> {
    match node {
        _ if !serializer.is_human_readable() => node.serialize(serializer),
        Some(node) => serializer.collect_str(node),
        None => serializer.serialize_str(NONE),
    }
}

/// Reads it.
///
/// # Errors
/// A text that is neither `none` nor a node.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NodeId>, D::Error> {
    if !deserializer.is_human_readable() {
        return Option::deserialize(deserializer);
    }
    match &*String::deserialize(deserializer)? {
        NONE => Ok(None),
        name => name.parse().map(Some).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::NodeId;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    enum Order {
        Follow(#[serde(with = "super")] Option<NodeId>),
    }

    #[test]
    fn none_is_a_word() {
        for (order, text) in [(None, r#"{"Follow":"none"}"#), (Some(NodeId::server(2)), r#"{"Follow":"s2"}"#)] {
            let order = Order::Follow(order);
            assert_eq!(serde_json::to_string(&order).expect("JSON"), text);
            assert_eq!(serde_json::from_str::<Order>(text).expect("an order"), order);
        }
        assert!(serde_json::from_str::<Order>(r#"{"Follow":"nobody"}"#).is_err());
        assert!(serde_json::from_str::<Order>(r#"{"Follow":null}"#).is_err());
    }
}
