//! How often beliefs, grants and effects came apart: the gauges of the system.

use splitbrain_kernel::system::Gauge;

macro_rules! figures {
    ($($(#[doc = $doc:literal])+ $field:ident,)+) => {
        /// RunFigures of a run.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct RunFigures {
            $($(#[doc = $doc])+ pub $field: u64,)+
        }

        impl RunFigures {
            /// The gauges, in the order of [`RunFigures::values`].
            pub const GAUGES: &'static [Gauge] = &[$(Gauge { name: stringify!($field), doc: concat!($($doc),+) },)+];

            /// The counts.
            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$field,)+]
            }
        }
    };
}

figures! {
    /// A chunk began to serve a target that another believed to serve still. By itself this does no harm.
    belief_overlaps,
    /// A write or read took effect under a session that its master had ended, before anybody replaced it.
    effects_after_expiry,
    /// The most sessions that lived at one master at a time.
    sessions_at_once,
}
