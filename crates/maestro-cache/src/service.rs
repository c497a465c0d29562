//! The factory that services call: a cache from the environment, with the code's word on top.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Duration;

use maestro_cache_core::{Cache, CacheBuilder, Codec, Error, ErrorKind, Result, Ttl};

use crate::backends::{self, Settings};
use crate::environment::Environment;

static GLOBAL: OnceLock<Cache> = OnceLock::new();

/// Makes the cache of a service: which backend, where, and how, as its environment says.
///
/// Which variables there are stands under [configure](crate#configure). Making a cache connects to
/// nothing and needs no runtime; wrong settings fail here and not at the first call.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache::Result<()> {
/// use maestro_cache::CacheService;
///
/// let cache = CacheService::from_env()?;
/// cache.set("greeting", "hello").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct CacheService;

impl CacheService {
    /// The cache that the environment describes; without a word from it, one in memory.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache::CacheService;
    ///
    /// // Nothing is set here.
    /// let cache = CacheService::from_env()?;
    /// assert_eq!(cache.backend_name(), "memory");
    /// # Ok::<(), maestro_cache::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the variable and the remedy.
    pub fn from_env() -> Result<Cache> {
        Self::builder().build()
    }

    /// The cache at this URL, the rest as the environment says.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache::CacheService;
    ///
    /// let cache = CacheService::from_url("memory://?max_entries=500")?;
    /// assert_eq!(cache.backend_name(), "memory");
    /// # Ok::<(), maestro_cache::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`]: an unknown scheme, one whose feature is off, or a setting that is
    /// not understood. The URL itself is never shown.
    pub fn from_url(url: impl Into<String>) -> Result<Cache> {
        Self::builder().url(url).build()
    }

    /// Settings by code, on top of the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache::CacheService;
    ///
    /// // This program's keys stay apart from everybody else's, whatever the environment says.
    /// let cache = CacheService::builder().key_prefix("qf:").build()?;
    /// assert_eq!(cache.key_prefix(), "qf:");
    /// # Ok::<(), maestro_cache::Error>(())
    /// ```
    pub fn builder() -> CacheServiceBuilder {
        CacheServiceBuilder::default()
    }

    /// The cache of the whole process: made from the environment when it is first asked for, or
    /// what [`set_global`](CacheService::set_global) was given before.
    ///
    /// For programs where handing a [`Cache`] to whoever needs one is not worth it. Tests do
    /// better with a cache of their own.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache::CacheService;
    ///
    /// let cache = CacheService::global()?;
    /// assert!(std::ptr::eq(cache, CacheService::global()?));
    /// # Ok::<(), maestro_cache::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](CacheService::from_env); the next call tries again.
    pub fn global() -> Result<&'static Cache> {
        if let Some(cache) = GLOBAL.get() {
            return Ok(cache);
        }
        let cache = Self::from_env()?;
        // Of two first callers one cache is kept; the other has not connected to anything.
        Ok(GLOBAL.get_or_init(|| cache))
    }

    /// Makes this cache the one that [`global`](CacheService::global) returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache::CacheService;
    ///
    /// // First thing in `main`, before anything asks for it.
    /// let cache = CacheService::builder().key_prefix("qf:").build()?;
    /// CacheService::set_global(cache)?;
    /// assert_eq!(CacheService::global()?.key_prefix(), "qf:");
    /// # Ok::<(), maestro_cache::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] if there is a global cache already: whoever holds it keeps it.
    pub fn set_global(cache: Cache) -> Result<()> {
        GLOBAL.set(cache).map_err(|_| {
            Error::new(
                ErrorKind::Config,
                "the process has a global cache already; call `set_global` once, before anything \
                 calls `global`",
            )
        })
    }
}

/// Settings for a cache, on top of the environment; made by [`CacheService::builder`].
///
/// What is set here goes before the environment, an empty prefix included; what is not set is as
/// the environment says, and where that is silent, as stands under [configure](crate#configure).
///
/// # Examples
///
/// ```
/// use maestro_cache::CacheService;
/// use std::time::Duration;
///
/// let cache = CacheService::builder()
///     .url("memory://")
///     .key_prefix("qf:")
///     .default_ttl(Duration::from_secs(900))
///     .build()?;
/// assert_eq!(cache.key_prefix(), "qf:");
/// # Ok::<(), maestro_cache::Error>(())
/// ```
#[derive(Default)]
#[must_use = "a builder builds nothing until `build` is called"]
pub struct CacheServiceBuilder {
    url: Option<String>,
    key_prefix: Option<String>,
    default_ttl: Option<Ttl>,
    codec: Option<Codec>,
    timeout: Option<Duration>,
    max_entries: Option<u64>,
    environment: Option<Vec<(OsString, OsString)>>,
}

impl CacheServiceBuilder {
    /// Where the cache is: `memory://`, `redis://host:port/db` and the others that stand under
    /// [configure](crate#configure). Instead of `MAESTRO_CACHE_URL`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// What stands before every key. Instead of `MAESTRO_CACHE_PREFIX`, also if it is empty.
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = Some(prefix.into());
        self
    }

    /// How long entries live that are written without a word about it. Instead of
    /// `MAESTRO_CACHE_TTL`, unless it is [`Ttl::Default`], which leaves that its word.
    pub fn default_ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.default_ttl = Some(ttl.into()).filter(|ttl| *ttl != Ttl::Default);
        self
    }

    /// The format of values. Instead of `MAESTRO_CACHE_CODEC`.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
        self
    }

    /// The total time that a call may take. Instead of `MAESTRO_CACHE_TIMEOUT`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many entries a cache in memory keeps. Instead of `MAESTRO_CACHE_MAX_SIZE` and of
    /// `max_entries` in a `memory://` URL; of no meaning on Redis, which has a bound of its own.
    pub fn max_entries(mut self, max_entries: u64) -> Self {
        self.max_entries = Some(max_entries);
        self
    }

    /// These variables in place of those of the process, for tests and for programs that keep
    /// their settings elsewhere.
    pub fn environment(
        mut self,
        pairs: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        let pairs = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        self.environment = Some(pairs.collect());
        self
    }

    /// The cache. Connects to nothing and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], naming the setting and the remedy.
    pub fn build(self) -> Result<Cache> {
        let environment = match self.environment {
            Some(pairs) => Environment::read(pairs),
            None => Environment::read(std::env::vars_os()),
        }?;
        let settings = Settings {
            max_entries_by_environment: environment.max_entries,
            max_entries_by_code: self.max_entries,
            tls: environment.tls,
        };
        let backend = match self.url.or(environment.url) {
            Some(url) => backends::from_url(&url, settings),
            None => backends::without_url(settings),
        }?;
        Cache::builder(backend)
            .key_prefix(
                self.key_prefix
                    .or(environment.key_prefix)
                    .unwrap_or_default(),
            )
            .default_ttl(
                self.default_ttl
                    .or(environment.default_ttl)
                    .unwrap_or_default(),
            )
            .codec(self.codec.or(environment.codec).unwrap_or_default())
            .timeout(
                self.timeout
                    .or(environment.timeout)
                    .unwrap_or(CacheBuilder::DEFAULT_TIMEOUT),
            )
            .build()
    }
}

impl std::fmt::Debug for CacheServiceBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL and the environment may hold a password.
        f.debug_struct("CacheServiceBuilder")
            .field("key_prefix", &self.key_prefix)
            .field("default_ttl", &self.default_ttl)
            .field("codec", &self.codec)
            .field("timeout", &self.timeout)
            .field("max_entries", &self.max_entries)
            .finish_non_exhaustive()
    }
}
