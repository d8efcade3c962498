//! What a script may use: steps, memory, and room on the stack of the thread that carries it out.
//!
//! The limits multiply nothing: all that is done counts in one sum of steps, all that is made in one of bytes, and all
//! that nests in one depth.

use super::interpreter::{Evaluated, Thrown};

/// How many steps a script may take. Redis lets a script run for ever, and refuses others after five seconds.
pub(super) const STEPS_MAX: u64 = 5_000_000;

/// How many bytes the strings and tables of a script may take.
pub(super) const BYTES_MAX: usize = 64 * 1024 * 1024;

/// How deep blocks, expressions and calls may nest in one another while they are carried out. Each takes room on the
/// stack, up to five kilobytes in a build that is not optimized: all of them have to fit the two megabytes of a thread.
const DEPTH_MAX: usize = 300;

/// How many things of one kind a step handles.
const THINGS_A_STEP: usize = 4;

/// How many bytes of two texts a step compares.
const BYTES_A_STEP: usize = 64;

/// What a script has used so far.
#[derive(Debug, Default)]
pub(super) struct Budget {
    steps: u64,
    bytes: usize,
    depth: usize,
}

impl Budget {
    /// Counts steps, and bytes that are allocated.
    pub(super) fn spend(&mut self, steps: u64, bytes: usize) -> Evaluated<()> {
        self.steps = self.steps.saturating_add(steps);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.steps > STEPS_MAX {
            return Err(Thrown::Stopped(format!("ERR the script took more than {STEPS_MAX} steps")));
        }
        self.fits(0)
    }

    /// Counts the steps of handling so many things of one kind.
    pub(super) fn handle(&mut self, things: usize) -> Evaluated<()> {
        self.spend((things / THINGS_A_STEP) as u64, 0)
    }

    /// Counts the steps of comparing so many bytes.
    pub(super) fn compare(&mut self, bytes: usize) -> Evaluated<()> {
        self.spend((bytes / BYTES_A_STEP) as u64, 0)
    }

    /// Counts bytes that are allocated in any case: the next step finds out whether they are too many.
    pub(super) fn allocate(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Bytes that are of use no more.
    pub(super) fn free(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }

    /// Whether so many bytes may still be allocated.
    pub(super) fn fits(&self, bytes: usize) -> Evaluated<()> {
        if bytes > self.bytes_left() || self.bytes > BYTES_MAX {
            return Err(Thrown::Stopped(format!("ERR the script took more than {BYTES_MAX} bytes")));
        }
        Ok(())
    }

    /// How many bytes the script may still take.
    pub(super) fn bytes_left(&self) -> usize {
        BYTES_MAX.saturating_sub(self.bytes)
    }

    /// Counts so many levels around what follows. [`Self::leave`] takes them off, unless the script is stopped.
    pub(super) fn enter(&mut self, levels: usize) -> Evaluated<()> {
        self.depth += levels;
        if self.depth > DEPTH_MAX {
            return Err(Thrown::Stopped(format!("ERR the script nests calls and expressions deeper than {DEPTH_MAX}")));
        }
        Ok(())
    }

    /// What was inside of so many levels has ended.
    pub(super) fn leave(&mut self, levels: usize) {
        self.depth -= levels;
    }
}
