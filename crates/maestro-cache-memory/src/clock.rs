//! The clock that decides what has expired: monotonic, or moved by hand in tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use maestro_cache_core::Expiry;

use crate::sync::{AtomicU64, Ordering};

/// A clock that a test moves: it stands still otherwise, or runs as real time does.
///
/// Clones are the same clock. Give one to
/// [`InMemoryCacheBuilder::clock`](crate::InMemoryCacheBuilder::clock) and keep the other.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// use maestro_cache_core::Cache;
/// use maestro_cache_memory::{InMemoryCache, ManualClock};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let cache = Cache::new(InMemoryCache::builder().clock(clock.clone()).build()?);
/// cache.set("session", &7).ttl(Duration::from_secs(60)).await?;
///
/// clock.advance(Duration::from_millis(59_999));
/// assert!(cache.exists("session").await?);
/// clock.advance(Duration::from_millis(1));
/// assert!(!cache.exists("session").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    moved_millis: Arc<AtomicU64>,
    running_since: Option<Instant>,
}

impl ManualClock {
    /// A clock that stands still until it is moved.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock that runs as real time does, and can be moved ahead of it.
    #[must_use]
    pub fn running() -> Self {
        Self {
            running_since: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// Lets time pass, in whole milliseconds; a started one counts as whole.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let add = |now: u64| Some(now.saturating_add(by));
        // The closure never declines, so neither does this.
        let _ = self
            .moved_millis
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }

    fn now_millis(&self) -> u64 {
        let moved = self.moved_millis.load(Ordering::SeqCst);
        moved.saturating_add(self.running_since.map_or(0, millis_since))
    }
}

fn millis_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Where a clock ends that a test moves too far: so early that every deadline still fits into 64 bits, and
/// none is the one that does not come.
const LAST_MILLIS: u64 = Expiry::MAX_MILLIS;

/// What the store asks for the time, in milliseconds since some start.
#[derive(Debug)]
pub(crate) enum Clock {
    /// Never jumps, unlike the time of day.
    Monotonic(Instant),
    Manual(ManualClock),
}

impl Clock {
    pub(crate) fn monotonic() -> Self {
        Self::Monotonic(Instant::now())
    }

    pub(crate) fn now_millis(&self) -> u64 {
        let now = match self {
            Self::Monotonic(start) => millis_since(*start),
            Self::Manual(clock) => clock.now_millis(),
        };
        now.min(LAST_MILLIS)
    }
}
