//! splitbrain.
