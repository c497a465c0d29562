//! What may be done about a value that is old, late or failing.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::{Age, Error, ErrorKind, Expiry, LoadToken, LookFor, Result, Ttl};

/// How loaded values are kept, and what is served when loading takes its time or fails.
///
/// One is part of each handle ([`Cache::with_load_policy`](crate::Cache::with_load_policy)), and each
/// call may change a copy of it. Without a word of yours: values live as long as the handle's others,
/// nothing stale is served, and a load may take as long as it likes.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), maestro_cache_core::LoadError> {
/// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
/// use maestro_cache_core::LoadPolicy;
/// use std::time::Duration;
///
/// let prices = cache.namespace("price:").with_load_policy(
///     LoadPolicy::new()
///         .ttl(Duration::from_secs(60))
///         .jitter(Duration::from_secs(6))
///         .stale_if_error(Duration::from_secs(3600)),
/// );
/// let price = prices.get_or_compute("7", || async { Ok::<_, std::io::Error>(995) }).await?;
/// assert_eq!(price, 995);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "it changes nothing until a handle is given it"]
pub struct LoadPolicy {
    pub(super) ttl: Ttl,
    pub(super) jitter: Duration,
    pub(super) negative_ttl: Option<Duration>,
    pub(super) while_revalidating: Duration,
    pub(super) if_error: StaleIfError,
    pub(super) soft_timeout: Option<Duration>,
    pub(super) timeout: Option<Duration>,
    pub(super) refresh_early: Option<RefreshEarly>,
    pub(super) wait_for_others: Duration,
}

/// For how long a value may be served in place of one whose load fails, and how long the source is then
/// left alone. Made from a [`Duration`], it backs off for 1 second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleIfError {
    pub(super) within: Duration,
    pub(super) back_off: Duration,
}

impl StaleIfError {
    /// Values that were live at most so long ago.
    #[must_use]
    pub fn within(stale: Duration) -> Self {
        Self {
            within: stale,
            back_off: Duration::from_secs(1),
        }
    }

    /// After a load that failed, the next one begins no earlier than that.
    #[must_use]
    pub fn back_off(mut self, back_off: Duration) -> Self {
        self.back_off = back_off;
        self
    }
}

impl From<Duration> for StaleIfError {
    fn from(stale: Duration) -> Self {
        Self::within(stale)
    }
}

/// How eagerly values are loaded again while they are live still, so that one caller does it before
/// all would have to wait: the later and the slower the load, the likelier. From *Optimal Probabilistic
/// Cache Stampede Prevention* (Vattani, Chierichetti, Lowenstein; VLDB 2015).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefreshEarly {
    pub(super) eagerness: f64,
}

impl RefreshEarly {
    /// The paper's beta: 1 is best where loads take about as long each time; more begins earlier.
    #[must_use]
    pub fn eagerness(beta: f64) -> Self {
        Self { eagerness: beta }
    }
}

impl Default for RefreshEarly {
    fn default() -> Self {
        Self::eagerness(1.0)
    }
}

impl Default for LoadPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl LoadPolicy {
    /// For how long a caller waits for a load in another process, unless told otherwise.
    pub const WAIT_FOR_OTHERS: Duration = Duration::from_secs(5);

    /// Values that live as long as the handle's others, and nothing stale.
    pub const fn new() -> Self {
        Self {
            ttl: Ttl::Default,
            jitter: Duration::ZERO,
            negative_ttl: None,
            while_revalidating: Duration::ZERO,
            if_error: StaleIfError {
                within: Duration::ZERO,
                back_off: Duration::ZERO,
            },
            soft_timeout: None,
            timeout: None,
            refresh_early: None,
            wait_for_others: Self::WAIT_FOR_OTHERS,
        }
    }

    /// How long a value lives.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = ttl.into();
        self
    }

    /// Each value lives up to so much shorter, at random, so that those that were loaded together do
    /// not expire together.
    pub fn jitter(mut self, at_most: Duration) -> Self {
        self.jitter = at_most;
        self
    }

    /// How long it is known that there is nothing, where what is loaded is `None`, or anything else that is
    /// null in the codec.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// A value that was live at most so long ago is served at once, while one caller in the fleet
    /// loads it anew in the background.
    pub fn stale_while_revalidate(mut self, stale: Duration) -> Self {
        self.while_revalidating = stale;
        self
    }

    /// A value that was live at most so long ago is served if loading fails.
    pub fn stale_if_error(mut self, stale: impl Into<StaleIfError>) -> Self {
        self.if_error = stale.into();
        self
    }

    /// Whoever could be served a stale value waits no longer than that for a new one. The load goes on.
    /// It says nothing without one of the two policies that keep stale values.
    pub fn soft_timeout(mut self, after: Duration) -> Self {
        self.soft_timeout = Some(after);
        self
    }

    /// Nobody waits longer than that: then it is [`TimedOut`](crate::LoadError::TimedOut), and one of
    /// those who still wait begins anew.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some(after);
        self
    }

    /// Values are loaded again before they expire, in the background, by one caller in the fleet.
    pub fn refresh_early(mut self, refresh: RefreshEarly) -> Self {
        self.refresh_early = Some(refresh);
        self
    }

    /// How long to wait for a load of the same key in another process; after that the value is loaded
    /// here too, and not stored. 5 seconds by default.
    pub fn wait_for_others(mut self, at_most: Duration) -> Self {
        self.wait_for_others = at_most;
        self
    }

    /// For how long a value may be of use after it was live.
    pub(super) fn stale_window(&self) -> Duration {
        self.while_revalidating.max(self.if_error.within)
    }

    #[inline] // It is on the way of each hit.
    pub(super) fn look_for(&self) -> LookFor {
        let keeps_old = !(self.while_revalidating.is_zero() && self.if_error.within.is_zero());
        if !keeps_old && self.refresh_early.is_none() {
            LookFor::Fresh
        } else {
            LookFor::FreshOrStale
        }
    }

    /// Whether a value of that age is to be loaded again, as chance has it.
    pub(super) fn is_due(&self, age: Age) -> bool {
        self.refresh_early.is_some_and(|refresh| {
            let ahead = age.cost.as_secs_f64() * refresh.eagerness * -chance().ln();
            age.left.as_secs_f64() <= ahead
        })
    }

    /// The expiry, shortened by chance.
    pub(super) fn jittered(&self, expiry: Expiry) -> Expiry {
        let Expiry::AfterMillis(millis) = expiry else {
            return expiry;
        };
        let less = self.jitter.as_millis() as f64 * (1.0 - chance());
        let left = millis.get().saturating_sub(less as u64);
        NonZeroU64::new(left).map_or(Expiry::AfterMillis(NonZeroU64::MIN), Expiry::AfterMillis)
    }

    pub(super) fn check(&self) -> Result<()> {
        let is_odd = |duration: Option<Duration>| duration.is_some_and(|it| it.is_zero());
        if is_odd(self.timeout) {
            return Err(invalid(
                "a time-out of zero lets no load succeed; leave it out for none",
            ));
        }
        if is_odd(self.negative_ttl) {
            return Err(invalid(
                "a negative time to live of zero would store nothing; load a `Load::transient` \
                 instead",
            ));
        }
        if let Some(refresh) = self.refresh_early
            && !(refresh.eagerness.is_finite() && refresh.eagerness > 0.0)
        {
            return Err(invalid(
                "the eagerness of early refreshes has to be more than zero",
            ));
        }
        Ok(())
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// More than zero, and one at most. Good enough to keep callers apart, and no more.
fn chance() -> f64 {
    let bits = LoadToken::new().number() >> 11;
    (bits as f64 + 1.0) / (1_u64 << 53) as f64
}
