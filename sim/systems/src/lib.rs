//! The systems that splitbrain simulates.
