//! Memory between one run and the next.

use std::hint::black_box;
use std::sync::Once;

/// More than a run takes, and less than the 32 MiB that glibc allows: see [`keep`].
const BLOCK_BYTES: usize = 16 << 20;

/// Has the allocator keep the memory that a run gives back, for the run after it.
///
/// glibc returns the end of its heap to the system once more of it is free than its threshold, at first 128 KiB. A run
/// gives back more than that, so the pages of each run would be mapped anew: a tenth of the time of Raft with clients.
/// When a large block is freed, glibc raises the threshold to twice its size (mallopt(3), "dynamic mmap threshold").
/// No page of the block is ever touched. To an allocator without such a rule the block means nothing.
pub(super) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| drop(black_box(Vec::<u8>::with_capacity(BLOCK_BYTES))));
}
