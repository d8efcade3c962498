//! madsim's time as the kernel counts it: nanoseconds since the start of the run.

use madsim::time::TimeHandle;
use splitbrain_kernel::time::Instant;

/// True time, as madsim has it.
#[derive(Clone)]
pub(crate) struct TrueTime(TimeHandle);

impl TrueTime {
    /// That of the runtime that runs on this thread.
    pub(crate) fn current() -> Self {
        Self(TimeHandle::current())
    }

    /// The same; `None` where none runs.
    pub(crate) fn try_current() -> Option<Self> {
        TimeHandle::try_current().map(Self)
    }

    /// How long the run has lasted.
    pub(crate) fn now(&self) -> Instant {
        let elapsed = self.0.elapsed();
        Instant::from_nanos(elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()))
    }

    /// Comes back at this time or, where it is past, at the next turn of the task.
    ///
    /// madsim lengthens every sleep to a millisecond at least, as tokio does. A deadline that is set afterwards is
    /// taken as it is.
    pub(crate) async fn sleep_until(&self, at: Instant) {
        let start = self.0.now_instant() - self.0.elapsed();
        let deadline = start + std::time::Duration::from_nanos(at.as_nanos());
        let mut sleep = std::pin::pin!(self.0.sleep_until(deadline));
        sleep.as_mut().reset(deadline);
        sleep.await;
    }
}
