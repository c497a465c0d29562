//! How long an entry lives: as users ask for it, as backends are told it, and as it is reported.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// How long a written entry shall live, as a caller asks for it.
///
/// A [`Duration`] converts into it, so that `.ttl(Duration::from_secs(60))` reads as it should.
/// Clocks tick in milliseconds: anything finer is rounded up to the next one.
///
/// # Examples
///
/// ```
/// use maestro_cache_core::Ttl;
/// use std::time::Duration;
///
/// let an_hour = Duration::from_secs(3600);
/// assert_eq!(Ttl::from(an_hour), Ttl::After(an_hour));
/// assert_eq!(Ttl::default(), Ttl::Default);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// The default of the handle.
    #[default]
    Default,
    /// This long from now. Zero and more than `i64::MAX` milliseconds are `InvalidTtl`.
    After(Duration),
    /// Until it is deleted, overwritten or evicted.
    Never,
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl Ttl {
    /// What a backend is told, `default` standing in for [`Ttl::Default`].
    pub(crate) fn resolve(self, default: Expiry) -> Result<Expiry> {
        match self {
            Self::Default => Ok(default),
            Self::After(duration) => Expiry::after(duration),
            Self::Never => Ok(Expiry::Never),
        }
    }
}

/// How long an entry shall live, as a backend is told: checked, in whole milliseconds, and with no
/// default left to apply.
///
/// # Examples
///
/// ```
/// use maestro_cache_core::Expiry;
/// use std::num::NonZeroU64;
/// use std::time::Duration;
///
/// // What is finer than a millisecond is rounded up to one.
/// let expiry = Expiry::after(Duration::from_micros(1))?;
/// assert_eq!(expiry, Expiry::AfterMillis(NonZeroU64::MIN));
/// assert!(Expiry::after(Duration::ZERO).is_err());
/// # Ok::<(), maestro_cache_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// No expiry.
    Never,
    /// Gone once this many milliseconds have passed. At most [`Expiry::MAX_MILLIS`].
    AfterMillis(NonZeroU64),
}

impl Expiry {
    /// The longest time to live, in milliseconds: what Redis' signed 64 bits can hold.
    pub const MAX_MILLIS: u64 = i64::MAX as u64;

    /// An expiry after `duration`, rounded up to whole milliseconds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTtl`] if it is zero or longer than [`Expiry::MAX_MILLIS`].
    pub fn after(duration: Duration) -> Result<Self> {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        if millis == 0 {
            return Err(Error::new(
                ErrorKind::InvalidTtl,
                "a time to live of zero would store nothing; use `Ttl::Never` for an entry that \
                 does not expire, or `delete` to remove one",
            ));
        }
        u64::try_from(millis)
            .ok()
            .filter(|millis| *millis <= Self::MAX_MILLIS)
            .and_then(NonZeroU64::new)
            .map(Self::AfterMillis)
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidTtl,
                    "a time to live of more than i64::MAX milliseconds is too long; use \
                     `Ttl::Never` for an entry that does not expire",
                )
            })
    }
}

/// What [`Cache::ttl`](crate::Cache::ttl) tells of an entry's remaining time.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
/// use maestro_cache_core::{TimeToLive, Ttl};
/// use std::time::Duration;
///
/// assert_eq!(cache.ttl("key").await?, TimeToLive::Missing);
/// cache.set("key", &1).ttl(Ttl::Never).await?;
/// assert_eq!(cache.ttl("key").await?, TimeToLive::NoExpiry);
/// cache.expire("key", Duration::from_secs(60)).await?;
/// assert!(matches!(cache.ttl("key").await?, TimeToLive::Left(left) if left.as_secs() >= 59));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeToLive {
    /// There is no such entry.
    Missing,
    /// The entry is there and does not expire.
    NoExpiry,
    /// The entry is there and expires after this long, to the millisecond. Never zero.
    Left(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(duration: Duration) -> Option<u64> {
        match Expiry::after(duration) {
            Ok(Expiry::AfterMillis(millis)) => Some(millis.get()),
            Ok(Expiry::Never) => panic!("a duration never means no expiry"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidTtl);
                None
            }
        }
    }

    #[test]
    fn durations_are_rounded_up_to_milliseconds_and_refused_at_both_ends() {
        assert_eq!(millis(Duration::ZERO), None);
        assert_eq!(millis(Duration::from_nanos(1)), Some(1));
        assert_eq!(millis(Duration::from_micros(1_500)), Some(2));
        assert_eq!(millis(Duration::from_millis(499)), Some(499));
        assert_eq!(
            millis(Duration::from_millis(Expiry::MAX_MILLIS)),
            Some(Expiry::MAX_MILLIS)
        );
        assert_eq!(millis(Duration::from_millis(Expiry::MAX_MILLIS + 1)), None);
        assert_eq!(millis(Duration::MAX), None);
    }

    #[test]
    fn only_the_default_looks_at_the_handle() {
        let default = Expiry::after(Duration::from_secs(5)).unwrap();
        assert_eq!(Ttl::Default.resolve(default).unwrap(), default);
        assert_eq!(Ttl::Never.resolve(default).unwrap(), Expiry::Never);
        assert_eq!(
            Ttl::After(Duration::from_secs(1)).resolve(default).unwrap(),
            Expiry::after(Duration::from_secs(1)).unwrap()
        );
    }
}
