//! Replies as bytes: where one ends, and what it holds where bytes may differ.

/// A reply, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wire {
    /// A number, a line, an error, a bulk: everything without parts, as its bytes.
    Leaf(Vec<u8>),
    /// Its sign, and its parts.
    Parts(u8, Vec<Self>),
}

/// The first reply of these bytes and its length, if it is whole.
pub(crate) fn reply(bytes: &[u8]) -> Option<(Wire, usize)> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &bytes[1..end];
    let number = || std::str::from_utf8(line).ok()?.parse::<i64>().ok();
    match bytes[0] {
        b'$' | b'=' | b'!' => {
            let whole = usize::try_from(number()?).map_or(end + 2, |length| end + 2 + length + 2);
            (bytes.len() >= whole).then(|| (Wire::Leaf(bytes[..whole].to_vec()), whole))
        }
        sign @ (b'*' | b'~' | b'>' | b'%') => {
            let Ok(count) = usize::try_from(number()?) else {
                return Some((Wire::Leaf(bytes[..end + 2].to_vec()), end + 2));
            };
            let count = if sign == b'%' { count * 2 } else { count };
            let mut at = end + 2;
            let mut parts = Vec::new();
            for _ in 0..count {
                let (part, length) = reply(&bytes[at..])?;
                parts.push(part);
                at += length;
            }
            Some((Wire::Parts(sign, parts), at))
        }
        _ => Some((Wire::Leaf(bytes[..end + 2].to_vec()), end + 2)),
    }
}

impl Wire {
    /// The number, if it is one.
    pub(crate) fn number(&self) -> Option<i64> {
        let Self::Leaf(bytes) = self else { return None };
        std::str::from_utf8(bytes.strip_prefix(b":")?).ok()?.trim_end().parse().ok()
    }

    /// The parts, in pairs and sorted: the fields of a hash.
    pub(crate) fn pairs(&self) -> Option<Vec<Vec<Self>>> {
        let Self::Parts(_, parts) = self else { return None };
        let mut pairs: Vec<Vec<Self>> = parts.chunks(2).map(<[Self]>::to_vec).collect();
        pairs.sort();
        Some(pairs)
    }

    /// The reply without the numbers of the connections in its greetings.
    pub(crate) fn without_ids(&self) -> Self {
        let Self::Parts(sign, parts) = self else { return self.clone() };
        let name = Self::Leaf(b"$2\r\nid\r\n".to_vec());
        let others = (0..parts.len()).filter(|at| *at == 0 || parts[*at - 1] != name);
        Self::Parts(*sign, others.map(|at| parts[at].without_ids()).collect())
    }

    /// The parts of a greeting without the number of the connection.
    pub(crate) fn without_id(&self) -> Option<Vec<Self>> {
        let Self::Parts(_, parts) = self else { return None };
        let id = parts.iter().position(|part| *part == Self::Leaf(b"$2\r\nid\r\n".to_vec()))?;
        Some([&parts[..=id], &parts[id + 2..]].concat())
    }

    /// The milliseconds since 1970 that seconds and microseconds in two bulks make.
    pub(crate) fn moment(&self) -> Option<i64> {
        let Self::Parts(_, parts) = self else { return None };
        let number = |part: &Self| -> Option<i64> {
            let Self::Leaf(bytes) = part else { return None };
            std::str::from_utf8(bytes).ok()?.trim_end().rsplit_once("\r\n")?.1.parse().ok()
        };
        let [seconds, microseconds] = &parts[..] else { return None };
        let microseconds = number(microseconds).filter(|part| (0..1_000_000).contains(part))?;
        Some(number(seconds)? * 1000 + microseconds / 1000)
    }

    /// The parts, sorted.
    pub(crate) fn sorted(&self) -> Option<Vec<Self>> {
        let Self::Parts(_, parts) = self else { return None };
        let mut parts = parts.clone();
        parts.sort();
        Some(parts)
    }
}

/// A request as an array of bulks.
pub(crate) fn request(arguments: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        bytes.extend_from_slice(argument);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
