//! Stands for a library that knows nothing of splitbrain: bytes go in, bytes come out, and somebody calls `tick`.

/// A member that follows the one with the lowest number of which it has heard.
#[derive(Debug)]
pub(crate) struct Library {
    own: u16,
    members: u16,
    lowest: u16,
    outgoing: Vec<(u16, Vec<u8>)>,
}

impl Library {
    pub(crate) const fn new(own: u16, members: u16) -> Self {
        Self { own, members, lowest: own, outgoing: Vec::new() }
    }

    pub(crate) fn tick(&mut self) {
        let peers = (1..=self.members).filter(|peer| *peer != self.own);
        self.outgoing.extend(peers.map(|peer| (peer, self.lowest.to_le_bytes().to_vec())));
    }

    pub(crate) fn step(&mut self, bytes: &[u8]) {
        if let Ok(number) = bytes.try_into().map(u16::from_le_bytes) {
            self.lowest = self.lowest.min(number);
        }
    }

    pub(crate) const fn leader(&self) -> u16 {
        self.lowest
    }

    pub(crate) fn take_outgoing(&mut self) -> Vec<(u16, Vec<u8>)> {
        std::mem::take(&mut self.outgoing)
    }
}
