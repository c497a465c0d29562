//! Deadlines, and the clock that decides which of them have passed: monotonic, or moved by hand in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use maestro_cache_core::Expiry;

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

/// The end of the clock, which a test can move too far: so early that every deadline still fits into 64
/// bits and none is [`Deadline::NEVER`].
const LAST_MILLIS: u64 = Expiry::MAX_MILLIS;

/// The time of a store, in milliseconds since its start.
#[derive(Debug)]
pub(crate) enum Clock {
    /// Never jumps, unlike the time of day. Its start, by the precise clock and by the coarse one.
    Monotonic(Instant, i64),
    Manual(ManualClock),
}

impl Clock {
    pub(crate) fn monotonic() -> Self {
        // Read first: a start that is too early only makes deadlines look nearer.
        let coarse_start = coarse_secs().unwrap_or(0);
        Self::Monotonic(Instant::now(), coarse_start)
    }

    pub(crate) fn now_millis(&self) -> u64 {
        let now = match self {
            Self::Monotonic(start, _) => millis_since(*start),
            Self::Manual(clock) => clock.now_millis(),
        };
        now.min(LAST_MILLIS)
    }

    /// Whether the deadline has passed, to the millisecond, and cheaply where it is far off.
    #[inline]
    pub(crate) fn has_passed(&self, deadline: Deadline) -> bool {
        if deadline.is_never() {
            return false;
        }
        match self {
            Self::Monotonic(_, coarse_start) if is_far(deadline, *coarse_start) => false,
            _ => deadline.has_passed(self.now_millis()),
        }
    }
}

/// Whether the deadline certainly lies ahead, on a clock that the coarse one has seen start.
#[inline]
fn is_far(deadline: Deadline, coarse_start: i64) -> bool {
    // A second more, for the fractions that the coarse clock leaves out.
    let latest = coarse_secs().map(|now| now - coarse_start + MAX_LAG_SECS + 1);
    let latest = latest.and_then(|secs| u64::try_from(secs).ok()?.checked_mul(1_000));
    latest.is_some_and(|latest_millis| !deadline.has_passed(latest_millis))
}

/// How far the coarse clock may lag behind. A tick of the kernel is 10 milliseconds at most; the rest is
/// for a machine whose ticks are late.
const MAX_LAG_SECS: i64 = 10;

/// The seconds at the kernel's last tick, for a quarter of what the precise time costs.
#[cfg(target_os = "linux")]
#[inline]
fn coarse_secs() -> Option<i64> {
    use rustix::time::{ClockId, clock_gettime};

    Some(clock_gettime(ClockId::MonotonicCoarse).tv_sec)
}

#[cfg(not(target_os = "linux"))]
fn coarse_secs() -> Option<i64> {
    None
}

/// When an entry is gone: a millisecond of the store's clock, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(u64);

impl Deadline {
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The deadline of an entry that is written now with this expiry.
    pub(crate) fn of(expiry: Expiry, now_millis: u64) -> Self {
        match expiry {
            Expiry::Never => Self::NEVER,
            // Both are half of the range at most, so this is not `NEVER`.
            Expiry::AfterMillis(millis) => Self(now_millis.saturating_add(millis.get())),
        }
    }

    /// The deadline that is later by so many milliseconds.
    pub(crate) fn put_off(self, by_millis: u64) -> Self {
        if self.is_never() {
            return self;
        }
        Self(self.0.saturating_add(by_millis).min(u64::MAX - 1))
    }

    /// The time until then.
    pub(crate) fn left(self, now_millis: u64) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now_millis))
    }

    /// The millisecond; that of `NEVER` does not come.
    pub(crate) fn at_millis(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) fn is_never(self) -> bool {
        self == Self::NEVER
    }

    #[inline]
    pub(crate) fn has_passed(self, now_millis: u64) -> bool {
        now_millis >= self.0
    }
}
