//! What the suite needs from a backend under test.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::CacheBackend;

/// What the suite needs from a backend under test: the backend, and a way to let time pass.
///
/// Time is moved and not slept through, so that the suite is quick and never depends on how loaded
/// a machine is.
///
/// # Examples
///
/// ```
/// use std::pin::Pin;
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use maestro_cache_core::CacheBackend;
/// use maestro_cache_testkit::{Fixture, ModelBackend};
///
/// struct ModelFixture(ModelBackend);
///
/// impl Fixture for ModelFixture {
///     fn backend(&self) -> Arc<dyn CacheBackend> {
///         Arc::new(self.0.clone())
///     }
///
///     fn advance<'a>(
///         &'a self,
///         _prefix: &'a str,
///         by: Duration,
///     ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
///         Box::pin(async move { self.0.advance_clock(by) })
///     }
/// }
/// ```
pub trait Fixture: Send + Sync + 'static {
    /// The backend. Asked for once in each case, which makes a fixture of its own.
    fn backend(&self) -> Arc<dyn CacheBackend>;

    /// Lets `by` pass for the entries whose stored key starts with `prefix`: by moving a clock by
    /// hand, or by moving their deadlines nearer. Entries behind other prefixes may age as well,
    /// unless other tests use them.
    ///
    /// # Panics
    ///
    /// If it cannot, so that the test which asked for it fails.
    fn advance<'a>(
        &'a self,
        prefix: &'a str,
        by: Duration,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

impl fmt::Debug for dyn Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fixture")
    }
}
