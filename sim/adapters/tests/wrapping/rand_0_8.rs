//! A stream of the kernel as a generator of rand 0.8.

use rand_0_8 as rand;
use splitbrain::kernel::prelude::Rng;

// [the page begins here]
struct Bridge(Rng); // from ctx.rng().fork("library", life)

impl rand::RngCore for Bridge {
    fn next_u32(&mut self) -> u32 {
        (self.0.word() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0.word()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.word().to_le_bytes()[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
// [the page ends here]

#[test]
fn the_library_draws_from_the_stream() {
    use rand::Rng as _;
    use splitbrain::kernel::prelude::Seed;
    let stream = || Seed(1).stream("node", 1).fork("library", 0);
    let (mut bridge, mut own) = (Bridge(stream()), stream());
    assert_eq!(bridge.r#gen::<u64>(), own.word());
    let mut bytes = [0; 12];
    bridge.fill(&mut bytes);
    assert_eq!(bytes[..8], own.word().to_le_bytes());
}
