//! The interface of getrandom 0.2, by way of getrandom 0.3.
//!
//! getrandom 0.2, which rand 0.8 stands on, asks Linux by a raw system call, which no simulator of the C library sees.
//! getrandom 0.3 asks the C library, where madsim answers from the seed of the run. With
//!
//! ```toml
//! [patch.crates-io]
//! getrandom = { path = "…/sim/madsim/getrandom" }
//! ```
//!
//! in the manifest of a workspace, every crate of it that asks getrandom 0.2 is deterministic on madsim.
//! `register_custom_getrandom!` is not here: it is for targets without a source of randomness.

use std::fmt;
use std::mem::MaybeUninit;
use std::num::NonZeroU32;

/// Fills a buffer with random bytes.
///
/// # Errors
/// What the system says.
pub fn getrandom(dest: &mut [u8]) -> Result<(), Error> {
    system::fill(dest).map_err(Error::of)
}

/// The same for a buffer that holds nothing yet.
///
/// # Errors
/// What the system says.
pub fn getrandom_uninit(dest: &mut [MaybeUninit<u8>]) -> Result<&mut [u8], Error> {
    system::fill_uninit(dest).map_err(Error::of)
}

/// Why there are no random bytes: a number of the operating system, or one from [`Error::INTERNAL_START`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(NonZeroU32);

impl Error {
    /// There is no source of randomness.
    pub const UNSUPPORTED: Self = Self(NonZeroU32::new(Self::INTERNAL_START).expect("it is not zero"));
    /// Something that should not happen.
    pub const UNEXPECTED: Self = Self(NonZeroU32::new(Self::INTERNAL_START + 2).expect("it is not zero"));
    /// Numbers below are the operating system's.
    pub const INTERNAL_START: u32 = 1 << 31;
    /// Numbers from here on are whoever made them.
    pub const CUSTOM_START: u32 = (1 << 31) + (1 << 30);

    fn of(error: system::Error) -> Self {
        let number = error.raw_os_error().and_then(|number| u32::try_from(number).ok());
        number.and_then(NonZeroU32::new).map_or(Self::UNEXPECTED, Self)
    }

    /// The number of the operating system, where it is one.
    pub fn raw_os_error(self) -> Option<i32> {
        i32::try_from(self.0.get()).ok()
    }

    /// The number.
    pub const fn code(self) -> NonZeroU32 {
        self.0
    }
}

impl From<NonZeroU32> for Error {
    fn from(code: NonZeroU32) -> Self {
        Self(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.raw_os_error() {
            Some(number) => std::io::Error::from_raw_os_error(number).fmt(f),
            None => write!(f, "no random bytes: error {:#x}", self.0),
        }
    }
}

#[cfg(feature = "std")]
impl std::error::Error for Error {}

#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        error.raw_os_error().map_or_else(|| Self::other(error), Self::from_raw_os_error)
    }
}
