//! Settings for the backend.

use std::fmt;

use maestro_cache_core::Result;

use crate::RedisCache;
use crate::settings::Settings;

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
    connections: Option<usize>,
}

impl RedisCacheBuilder {
    /// How many connections there are unless the builder or the URL says otherwise.
    pub const DEFAULT_CONNECTIONS: usize = 2;
    /// The most connections that may be asked for.
    pub const MAX_CONNECTIONS: usize = 64;

    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            connections: None,
        }
    }

    /// The number of connections that all callers share, 1 to [`Self::MAX_CONNECTIONS`]; 2 by
    /// default. Goes before `connections` in the URL.
    ///
    /// It is not the number of calls that can be under way: any number of them shares one
    /// connection. More than one keeps small answers from waiting behind a large one.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = Some(connections);
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
        let settings = Settings::new(&self.url, self.connections)?;
        RedisCache::with_settings(settings)
    }
}

impl fmt::Debug for RedisCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may hold a password, also where it is malformed and cannot be taken apart.
        f.debug_struct("RedisCacheBuilder")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}
