//! Settings for a handle.

use std::sync::Arc;
use std::time::Duration;

use super::{Cache, Shared};
use crate::{CacheBackend, Codec, Error, ErrorKind, Expiry, LoadPolicy, Result, Ttl};

/// Settings for a [`Cache`]; made by [`Cache::builder`].
///
/// # Examples
///
/// ```
/// use maestro_cache_core::{Cache, Codec};
/// use std::time::Duration;
///
/// # let backend = maestro_cache_testkit::ModelBackend::new();
/// let cache = Cache::builder(backend)
///     .key_prefix("myservice:")
///     .default_ttl(Duration::from_secs(900))
///     .codec(Codec::Json)
///     .build()?;
/// assert_eq!(cache.codec(), Codec::Json);
/// # Ok::<(), maestro_cache_core::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder builds nothing until `build` is called"]
pub struct CacheBuilder {
    backend: Arc<dyn CacheBackend>,
    prefix: String,
    default_ttl: Ttl,
    codec: Codec,
    timeout: Duration,
    load_policy: LoadPolicy,
}

impl CacheBuilder {
    /// How long entries live if neither the write nor the handle says: one hour.
    pub const DEFAULT_TTL: Duration = Duration::from_secs(3600);
    /// The total time of a call unless the handle says otherwise: one second.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

    /// [`Self::DEFAULT_TTL`], as a backend is told it.
    const DEFAULT_EXPIRY: Expiry = match std::num::NonZeroU64::new(3_600_000) {
        Some(millis) => Expiry::AfterMillis(millis),
        None => Expiry::Never,
    };

    pub(super) fn new(backend: impl CacheBackend) -> Self {
        Self {
            backend: Arc::new(backend),
            prefix: String::new(),
            default_ttl: Ttl::Default,
            codec: Codec::default(),
            timeout: Self::DEFAULT_TIMEOUT,
            load_policy: LoadPolicy::new(),
        }
    }

    /// What stands before every key: `prefix` + key, plain concatenation. Empty by default.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long entries live that are written without a word about it; one hour by default.
    /// [`Ttl::Never`] lets them live until they are deleted or evicted.
    pub fn default_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.default_ttl = ttl.into();
        self
    }

    /// The format of values; MessagePack by default.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// The total time that a call may take; one second by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How values are loaded unless a call says otherwise; see [`LoadPolicy`].
    pub fn load_policy(mut self, policy: LoadPolicy) -> Self {
        self.load_policy = policy;
        self
    }

    /// The handle. Nothing is connected yet, and no server has to be up.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if the default time to live is zero or too long, or the timeout zero.
    pub fn build(self) -> Result<Cache> {
        if self.timeout.is_zero() {
            return Err(Error::new(
                ErrorKind::Config,
                "a timeout of zero lets no call succeed; give calls some time, 1 second is the \
                 default",
            ));
        }
        if let Err(source) = self.default_ttl.resolve(Self::DEFAULT_EXPIRY) {
            return Err(Error::new(
                ErrorKind::Config,
                "the default time to live has to be more than zero and at most i64::MAX \
                 milliseconds; use `Ttl::Never` for entries that do not expire",
            )
            .with_source(source));
        }
        Ok(self.into_cache())
    }

    /// The handle, its settings known to be right.
    pub(super) fn into_cache(self) -> Cache {
        let default_expiry = self
            .default_ttl
            .resolve(Self::DEFAULT_EXPIRY)
            .unwrap_or(Self::DEFAULT_EXPIRY);
        Cache {
            shared: Arc::new(Shared {
                backend: self.backend,
                prefix: self.prefix.into(),
                default_expiry,
                codec: self.codec,
                timeout: self.timeout,
                load_policy: self.load_policy,
            }),
        }
    }
}
