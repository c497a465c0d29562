//! The answer of a health check.

use std::time::Duration;

use crate::Error;

/// The answer of [`Cache::health_check`](crate::Cache::health_check): is the backend there, how
/// fast did it answer, and if not, why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// The name of the backend, such as `redis`.
    pub backend: &'static str,
    /// How long the check took.
    pub latency: Duration,
    /// Why the backend is not healthy; `None` if it is.
    pub error: Option<Error>,
}

impl Health {
    /// True if the backend answered within the deadline.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.error.is_none()
    }
}
