//! The handle that services hold.
//!
//! `run` is the one way every operation goes; `read`, `write` and `manage` are the operations, and
//! `command` is what the writes ask of the backend.

mod builder;
mod command;
mod manage;
mod read;
mod run;
mod write;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::CacheBuilder;
pub use command::{
    AddCommand, CompareAndSetCommand, IncrementCommand, SetCommand, SetManyCommand, WriteCommand,
};
pub(crate) use run::{Running, Started};
pub use write::{Write, WriteFuture};

use crate::{CacheBackend, Codec, Expiry, LoadPolicy};

/// The cache, as services hold it: typed, asynchronous, cheap to clone, the same on every backend.
///
/// It is what a service takes for dependency injection; which backend stands behind it is decided
/// where it is built. Every clone shares the backend, and so does every
/// [`namespace`](Cache::namespace).
///
/// # Examples
///
/// ```
/// use maestro_cache_core::{Cache, Result};
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// async fn rename(cache: &Cache, id: u64, name: &str) -> Result<()> {
///     let key = format!("user:{id}");
///     let user: Option<User> = cache.get(&key).await?;
///     if let Some(mut user) = user {
///         user.name = name.to_owned();
///         cache.set(&key, &user).ttl(Duration::from_secs(900)).await?;
///     }
///     Ok(())
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let cache = Cache::new(maestro_cache_testkit::ModelBackend::new());
/// # cache.set("user:7", &User { name: "Ada".to_owned() }).await?;
/// # rename(&cache, 7, "Grace").await?;
/// # let user: Option<User> = cache.get("user:7").await?;
/// # assert_eq!(user.map(|user| user.name).as_deref(), Some("Grace"));
/// # Ok(())
/// # }
/// ```
///
/// # Guarantees
///
/// - **Concurrency**: per key, all operations of all handles are linearizable.
/// - **Deadline**: no operation takes longer than [`timeout`](Cache::timeout); 1 second by default.
/// - **Cancellation**: dropping a future leaks nothing and disturbs no other call. A write that is
///   dropped may still take effect. Futures do nothing until they are polled.
/// - **Panics**: a panic in a value's `Serialize` or `Deserialize` reaches the caller, and leaves
///   the cache as it was.
///
/// # Errors
///
/// Besides what each operation names, all of them fail with [`Closed`](crate::ErrorKind::Closed)
/// after [`close`](Cache::close), those that name a key with
/// [`InvalidKey`](crate::ErrorKind::InvalidKey) if it is empty, and all may fail with
/// [`Timeout`](crate::ErrorKind::Timeout), [`Unavailable`](crate::ErrorKind::Unavailable) and the
/// other kinds that tell of trouble with a server.
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

/// What all clones of a handle have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    backend: Arc<dyn CacheBackend>,
    prefix: Box<str>,
    default_expiry: Expiry,
    codec: Codec,
    timeout: Duration,
    load_policy: LoadPolicy,
}

impl Cache {
    /// A handle over a backend with the defaults: no prefix, a time to live of one hour,
    /// MessagePack, a deadline of one second.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// use maestro_cache_core::Cache;
    /// use maestro_cache_testkit::ModelBackend; // or `InMemoryCache`, or `RedisCache`
    ///
    /// let cache = Cache::new(ModelBackend::new());
    /// cache.set("greeting", "hello").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(backend: impl CacheBackend) -> Self {
        CacheBuilder::new(backend).into_cache()
    }

    /// Settings for a handle over a backend.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache_core::{Cache, Ttl};
    /// use maestro_cache_testkit::ModelBackend; // or `InMemoryCache`, or `RedisCache`
    ///
    /// let cache = Cache::builder(ModelBackend::new())
    ///     .key_prefix("myservice:")
    ///     .default_ttl(Ttl::Never)
    ///     .build()?;
    /// assert_eq!(cache.key_prefix(), "myservice:");
    /// # Ok::<(), maestro_cache_core::Error>(())
    /// ```
    pub fn builder(backend: impl CacheBackend) -> CacheBuilder {
        CacheBuilder::new(backend)
    }

    /// A handle on the same backend whose keys have `prefix` behind the prefix of this one.
    ///
    /// What it stores and clears lies within this handle's keys. Closing either closes both.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// let tenant = cache.namespace("tenant-7:");
    /// tenant.set("plan", "free").await?;
    /// assert!(cache.exists("tenant-7:plan").await?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn namespace(&self, prefix: &str) -> Self {
        self.with(|shared| shared.prefix = [&*shared.prefix, prefix].concat().into())
    }

    /// The same handle with another deadline, for calls that are known to take longer, such as a
    /// [`clear`](Cache::clear) over millions of keys, or have less time than others. Zero leaves
    /// time for none that has to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use std::time::Duration;
    ///
    /// cache.with_timeout(Duration::from_secs(30)).clear("report:*").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        self.with(|shared| shared.timeout = timeout)
    }

    /// The same handle with another policy for [`get_or_compute`](Cache::get_or_compute).
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
    /// let rates = cache.with_load_policy(LoadPolicy::new().ttl(Duration::from_secs(60)));
    /// let rate = rates.get_or_compute("eur", || async { Ok::<_, std::io::Error>(1.1) }).await?;
    /// assert_eq!(rate, 1.1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_load_policy(&self, policy: LoadPolicy) -> Self {
        self.with(|shared| shared.load_policy = policy)
    }

    fn with(&self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = (*self.shared).clone();
        change(&mut shared);
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What stands before every key of this handle in the backend.
    #[must_use]
    pub fn key_prefix(&self) -> &str {
        &self.shared.prefix
    }

    /// How long entries live that are written without a word about it.
    #[must_use]
    pub fn default_expiry(&self) -> Expiry {
        self.shared.default_expiry
    }

    /// The format of values.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.shared.codec
    }

    /// The total time that a call may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.shared.timeout
    }

    /// How values are loaded unless a call says otherwise.
    pub fn load_policy(&self) -> LoadPolicy {
        self.shared.load_policy
    }

    /// The name of the backend, such as `redis`.
    #[must_use]
    pub fn backend_name(&self) -> &'static str {
        self.shared.backend.name()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    pub(crate) fn backend(&self) -> &Arc<dyn CacheBackend> {
        &self.backend
    }

    pub(crate) fn load_policy(&self) -> &LoadPolicy {
        &self.load_policy
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("backend", &self.shared.backend)
            .field("key_prefix", &self.shared.prefix)
            .field("default_expiry", &self.shared.default_expiry)
            .field("codec", &self.shared.codec)
            .field("timeout", &self.shared.timeout)
            .field("load_policy", &self.shared.load_policy)
            .finish()
    }
}
