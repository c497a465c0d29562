//! The clients that are set beside each other.

use std::time::Duration;

use maestro_cache_core::{Cache, Error, ErrorKind, Outcome};
use maestro_cache_redis::RedisCache;
use redis::AsyncCommands;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

/// A client of Redis. The others have their defaults, with which most programs use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The backend of this workspace.
    Maestro,
    /// `ConnectionManager` of redis-rs.
    ConnectionManager,
    /// The pool of `deadpool-redis`, a checkout for each call.
    Deadpool,
}

/// A client at work.
#[derive(Clone)]
pub(crate) enum Connected {
    Maestro(Cache),
    ConnectionManager(ConnectionManager),
    Deadpool(deadpool_redis::Pool),
}

/// A call that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    /// False if the client says that nothing was changed. Others than ours never say so.
    pub(crate) may_have_happened: bool,
}

/// How many calls our client may have in flight: those of the load and one for the health, so that
/// one that is not given back soon has others rejected.
const CALLS: usize = crate::load::TASKS + 1;

impl Client {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Maestro, Self::ConnectionManager, Self::Deadpool];

    /// What it is called in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Maestro => "maestro-cache",
            Self::ConnectionManager => "`ConnectionManager`",
            Self::Deadpool => "`deadpool-redis`",
        }
    }

    /// Connects to nothing yet.
    pub(crate) fn build(self, url: &str, deadline: Duration) -> Connected {
        match self {
            Self::Maestro => Connected::Maestro(
                Cache::builder(
                    RedisCache::builder(url)
                        .max_in_flight(CALLS)
                        .build()
                        .unwrap(),
                )
                .timeout(deadline)
                .build()
                .unwrap(),
            ),
            Self::ConnectionManager => {
                let client = redis::Client::open(url).unwrap();
                let config = ConnectionManagerConfig::new();
                let manager = ConnectionManager::new_lazy_with_config(client, config).unwrap();
                Connected::ConnectionManager(manager)
            }
            Self::Deadpool => {
                let config = deadpool_redis::Config::from_url(url);
                let runtime = Some(deadpool_redis::Runtime::Tokio1);
                Connected::Deadpool(config.create_pool(runtime).unwrap())
            }
        }
    }
}

impl Connected {
    pub(crate) async fn set(&mut self, key: &str, value: &str) -> Result<(), Failure> {
        match self {
            Self::Maestro(cache) => cache
                .set_bytes(key, value.as_bytes().to_vec())
                .await
                .map_err(Failure::of),
            Self::ConnectionManager(manager) => {
                manager.set(key, value).await.map_err(|_| Failure::other())
            }
            Self::Deadpool(pool) => {
                let mut connection = pool.get().await.map_err(|_| Failure::before())?;
                connection
                    .set(key, value)
                    .await
                    .map_err(|_| Failure::other())
            }
        }
    }

    pub(crate) async fn get(&mut self, key: &str) -> Result<Option<String>, Failure> {
        match self {
            Self::Maestro(cache) => {
                let bytes = cache.get_bytes(key).await.map_err(Failure::of)?;
                Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
            }
            Self::ConnectionManager(manager) => {
                manager.get(key).await.map_err(|_| Failure::other())
            }
            Self::Deadpool(pool) => {
                let mut connection = pool.get().await.map_err(|_| Failure::before())?;
                connection.get(key).await.map_err(|_| Failure::other())
            }
        }
    }

    pub(crate) async fn increment(&mut self, key: &str) -> Result<(), Failure> {
        match self {
            Self::Maestro(cache) => cache.increment(key, 1).await.map(drop).map_err(Failure::of),
            Self::ConnectionManager(manager) => {
                let sum: Result<i64, _> = manager.incr(key, 1).await;
                sum.map(drop).map_err(|_| Failure::other())
            }
            Self::Deadpool(pool) => {
                let mut connection = pool.get().await.map_err(|_| Failure::before())?;
                let sum: Result<i64, _> = connection.incr(key, 1).await;
                sum.map(drop).map_err(|_| Failure::other())
            }
        }
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        match self {
            Self::Maestro(cache) => Some(cache),
            _ => None,
        }
    }
}

impl Failure {
    fn of(error: Error) -> Self {
        Self {
            kind: error.kind(),
            may_have_happened: error.outcome() != Outcome::NotApplied,
        }
    }

    fn other() -> Self {
        Self {
            kind: ErrorKind::Backend,
            may_have_happened: true,
        }
    }

    /// Before there was a connection.
    fn before() -> Self {
        Self {
            kind: ErrorKind::Unavailable,
            may_have_happened: false,
        }
    }
}
