//! Descriptor numbers, which are reused, and the open file descriptions behind them, which are not.

use std::collections::BTreeMap;
use std::fmt;

use splitbrain_kernel::serde::{Deserialize, Serialize};

use super::errno::Errno;

/// A descriptor number: the lowest that is free when it is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct Fd(pub u32);

/// An open file description, counted over the whole run: what tells two uses of one number apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(crate = "splitbrain_kernel::serde")]
pub struct DescriptionId(pub u32);

impl fmt::Display for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The descriptor table of a process.
///
/// - The next number is the lowest that is free.
#[derive(Clone, Debug)]
pub struct Table {
    open: BTreeMap<Fd, DescriptionId>,
    limit: u32,
}

impl Table {
    /// An empty table of at most this many descriptors.
    pub const fn new(limit: u32) -> Self {
        Self { open: BTreeMap::new(), limit }
    }

    /// A number for a description.
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn open(&mut self, description: DescriptionId) -> Result<Fd, Errno> {
        let fd = self.lowest_free()?;
        self.open.insert(fd, description);
        Ok(fd)
    }

    /// The number that the next description would get.
    ///
    /// # Errors
    /// [`Errno::TooManyDescriptors`].
    pub fn lowest_free(&self) -> Result<Fd, Errno> {
        let free = (0..self.limit).map(Fd).find(|fd| !self.open.contains_key(fd));
        free.ok_or(Errno::TooManyDescriptors)
    }

    /// Frees a number. Returns the description that it stood for.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`].
    pub fn close(&mut self, fd: Fd) -> Result<DescriptionId, Errno> {
        self.open.remove(&fd).ok_or(Errno::BadDescriptor)
    }

    /// What a number stands for.
    ///
    /// # Errors
    /// [`Errno::BadDescriptor`].
    pub fn get(&self, fd: Fd) -> Result<DescriptionId, Errno> {
        self.open.get(&fd).copied().ok_or(Errno::BadDescriptor)
    }

    /// Every open number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Fd, DescriptionId)> {
        self.open.iter().map(|(fd, description)| (*fd, *description))
    }

    /// How many numbers are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given_out_again() {
        let mut table = Table::new(3);
        for number in 0..3 {
            assert_eq!(table.open(DescriptionId(number)), Ok(Fd(number)));
        }
        assert_eq!(table.open(DescriptionId(3)), Err(Errno::TooManyDescriptors));
        assert_eq!(table.close(Fd(1)), Ok(DescriptionId(1)));
        assert_eq!(table.close(Fd(1)), Err(Errno::BadDescriptor));
        assert_eq!(table.open(DescriptionId(4)), Ok(Fd(1)));
        assert_eq!(table.get(Fd(1)), Ok(DescriptionId(4)));
    }
}
