//! Settings for the backend.

use std::fmt;
use std::time::Duration;

use maestro_cache_core::Result;

use crate::RedisCache;
#[cfg(feature = "tls")]
use crate::RedisTls;
use crate::connection::Credentials;
use crate::settings::{Options, Settings};

/// Settings for a [`RedisCache`]; made by [`RedisCache::builder`].
///
/// # Examples
///
/// ```
/// use maestro_cache_redis::RedisCache;
///
/// let backend = RedisCache::builder("redis://localhost:6379/0")
///     .connections(4)
///     .build()?;
/// # Ok::<(), maestro_cache_core::Error>(())
/// ```
#[must_use = "a builder builds nothing until `build` is called"]
pub struct RedisCacheBuilder {
    url: String,
    options: Options,
    #[cfg(feature = "tls")]
    default_tls: Option<RedisTls>,
}

impl RedisCacheBuilder {
    /// How many connections there are unless the builder or the URL says otherwise.
    pub const DEFAULT_CONNECTIONS: usize = 2;
    /// The most connections that may be asked for.
    pub const MAX_CONNECTIONS: usize = 64;
    /// How long connecting may take unless the builder or the URL says otherwise.
    pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
    /// How many calls may be under way unless the builder or the URL says otherwise.
    pub const DEFAULT_MAX_IN_FLIGHT: usize = 10_000;

    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            options: Options::default(),
            #[cfg(feature = "tls")]
            default_tls: None,
        }
    }

    /// The number of connections that all callers share, 1 to [`Self::MAX_CONNECTIONS`]; 2 by
    /// default. Of a cluster, those to each node. Goes before `connections` in the URL.
    ///
    /// It is not the number of calls that can be under way: any number of them shares one
    /// connection. More than one keeps small answers from waiting behind a large one.
    pub fn connections(mut self, connections: usize) -> Self {
        self.options.connections = Some(connections);
        self
    }

    /// How long making a connection may take, 10 ms to 60 s; one second by default. Goes before
    /// `connect_timeout` in the URL.
    ///
    /// It is also the measure of patience with a connection that is there: after half of it without
    /// an answer that is owed, another connection is made, and takes its place if the old one is still
    /// silent by then. A server that regularly takes longer to answer needs more; a large value does not:
    /// it is waited for until the deadline of its call.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.options.connect_timeout = Some(connect_timeout);
        self
    }

    /// How many calls may be under way at once, at least 1; 10 000 by default. Further ones are
    /// refused at once with [`Rejected`](maestro_cache_core::ErrorKind::Rejected), so that a slow
    /// server does not fill the memory of the service with calls. Goes before `max_in_flight` in
    /// the URL.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.options.max_in_flight = Some(calls);
        self
    }

    /// Who one is on the sentinels of a `redis-sentinel://` URL, whose own user info is for the
    /// master. An empty user is the default user. Goes before `sentinel_user` and
    /// `sentinel_password` in the URL.
    pub fn sentinel_login(mut self, user: &str, password: &str) -> Self {
        self.options.sentinel_login = Some(Credentials {
            user: (!user.is_empty()).then(|| user.to_owned()),
            password: Some(password.to_owned()),
        });
        self
    }

    /// Whom to trust and who one is, for a `rediss://` URL. Goes before the settings of TLS in the
    /// URL, all of them.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: RedisTls) -> Self {
        self.options.tls = Some(tls);
        self
    }

    /// Whom to trust and who one is, unless the URL says so itself. For settings that stand beside
    /// the URL, as in the environment: they are no error where the URL is not encrypted.
    #[cfg(feature = "tls")]
    pub fn default_tls(mut self, tls: RedisTls) -> Self {
        self.default_tls = Some(tls);
        self
    }

    /// The backend. Nothing is connected yet: that happens upon the first call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](maestro_cache_core::ErrorKind::Config) if the URL or the number of
    /// connections is wrong; the text names the remedy and never the URL, which may hold a
    /// password.
    pub fn build(self) -> Result<RedisCache> {
        let settings = Settings::new(
            &self.url,
            self.options,
            #[cfg(feature = "tls")]
            self.default_tls,
        )?;
        RedisCache::with_settings(settings)
    }
}

impl fmt::Debug for RedisCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password, also where it is malformed and cannot be taken apart.
        f.debug_struct("RedisCacheBuilder")
            .field("connections", &self.options.connections)
            .finish_non_exhaustive()
    }
}
