//! What the handle tells a backend about one call, besides its arguments.

use std::time::Duration;

/// What the handle tells the backend about a call besides its arguments: how long it may take.
///
/// It is passed to every method of [`CacheBackend`](crate::CacheBackend) by value. More may be
/// added to it later without a change of the trait.
///
/// # Examples
///
/// ```
/// use maestro_cache_core::CallContext;
/// use std::time::{Duration, Instant};
///
/// // What a backend does at the start of a call.
/// fn deadline(context: CallContext) -> Instant {
///     Instant::now() + context.timeout()
/// }
///
/// let context = CallContext::new(Duration::from_secs(1));
/// assert!(deadline(context) > Instant::now());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallContext {
    timeout: Duration,
}

impl CallContext {
    /// The context of a call that has to be over after `timeout`.
    #[must_use]
    #[inline]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// The total time the call may take: waiting for a connection, connecting and retrying
    /// included. It starts when the backend's method is called.
    #[must_use]
    #[inline]
    pub fn timeout(self) -> Duration {
        self.timeout
    }

    /// The same for a caller who may wait no longer than that.
    #[inline]
    pub(crate) fn at_most(self, timeout: Option<Duration>) -> Self {
        match timeout {
            Some(timeout) => Self::new(self.timeout.min(timeout)),
            None => self,
        }
    }
}
