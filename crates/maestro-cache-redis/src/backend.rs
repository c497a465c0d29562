//! The backend: every operation as a Redis command.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{
    CacheBackend, CacheFuture, CallContext, Claim, ClaimOver, ClaimRequest, Error, Expiry, Flights,
    Keeping, LoadToken, LookFor, Lookup, Pattern, Publication, Result, SetWhen, TimeToLive, Value,
};

use crate::RedisCacheBuilder;
use crate::call::{Deadline, too_late};
use crate::commands;
use crate::deployment::Deployment;
use crate::found::live;
use crate::in_flight::InFlight;
use crate::keys::Keys;
use crate::mark;
use crate::ops::KeyTarget;
use crate::scripts;
use crate::settings::Settings;

/// A cache on Redis: on one server, on a cluster, or on the master that sentinels name.
///
/// It connects upon the first call, and anew whenever the connection is lost; building it neither
/// blocks nor needs the server to be up. All callers share a few connections and pipeline over
/// them. Clones share everything.
///
/// # Examples
///
/// ```
/// use maestro_cache_core::Cache;
/// use maestro_cache_redis::RedisCache;
///
/// let backend = RedisCache::new("redis://localhost:6379/0")?;
/// let cache = Cache::builder(backend).key_prefix("myservice:").build()?;
/// # Ok::<(), maestro_cache_core::Error>(())
/// ```
///
/// # URLs
///
/// | server | URL |
/// |---|---|
/// | TCP | `redis://[[user]:password@]host[:port][/db][?connections=n]` |
/// | unix socket | `redis+unix:///path[?db=n&user=name&password=secret&connections=n]`, or `unix://` |
/// | cluster (feature `cluster`) | `redis-cluster://[[user]:password@]host[:port][,host[:port]…]`, or `redis+cluster://` |
/// | sentinels (feature `sentinel`) | `redis-sentinel://[[user]:password@]host[:port][,host[:port]…]/service[/db]`, or `redis+sentinel://` |
/// | any but the socket, over TLS (feature `tls`) | `rediss` in place of `redis` |
///
/// The port is 6379 unless said otherwise, 26379 for a sentinel, the database 0. Special characters of users, passwords
/// and paths are percent-encoded. `pass` may be written for `password`. Anything else is an error.
///
/// # Guarantees
///
/// - **Deadline**: a call takes no longer than its [`CallContext::timeout`], connecting and a retry
///   included.
/// - **Retries**: `get`, `get_many`, `exists`, `ttl`, `look_up`, `look_up_many` and `ping` are sent once more if the
///   connection breaks before the answer. What changes something never is, but for what
///   certainly did nothing: it was not sent, or refused by a replica, by a node without the key, or for a script
///   that the server did not know.
/// - **Outcome**: a write that fails says by [`Error::outcome`] whether it may have taken effect. A
///   refusal of the server never did, and neither did a call that got no connection or still waited to be
///   sent. What was handed to the client of redis-rs and lost is [`Unknown`](maestro_cache_core::Outcome::Unknown).
/// - **Cancellation**: a dropped future disturbs no other call, though they share a connection. What
///   was sent may still take effect.
/// - **Secrets**: neither the user, the password nor any value is ever shown, by `Debug`, by an
///   error or in the log.
/// - **Runtimes**: it needs a Tokio runtime with I/O and time. It may be used from several of them;
///   connections whose runtime is gone are made anew, as are those whose runtime is not driven any
///   more once a call over them took longer than its deadline.
///
/// # Loads
///
/// What loads know of a key stands in the key itself. A key that is being loaded for the first time
/// holds `null` and lives for three seconds, unless whoever loads it says again that it does. A value
/// that may be served when it is stale, or loaded again early, is there for longer than it is live.
/// Behind both stand 128 bytes of white space that say so. Whatever anybody writes there, also with
/// `SET`, `DEL` or `FLUSHDB` and without this library, ends the load: its result is not stored.
///
/// Services that read the key as JSON see the value, or `null` while there is none. They may read a
/// value that is stale here. Those that read another format than JSON have to use this library. A load
/// that keeps values as plain ones leaves nothing but the value, and so does every other write; only a
/// value that itself ends in such white space has some more of it behind, so that it comes back whole.
///
/// A server that is replaced by its replica may have forgotten what it was told last, a write that
/// ends a load among it.
///
/// # Differences that a server brings
///
/// Where a key holds a list or another type of Redis, reading it is
/// [`WrongType`](maestro_cache_core::ErrorKind::WrongType), but for `get_many`, and
/// `look_up_many` for fresh values, where [`MGET`](https://redis.io/docs/latest/commands/mget/) shows it as missing.
///
/// With rules for the user ([`ACL`](https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/)),
/// it needs `GET`, `GETDEL`, `GETRANGE`, `MGET`, `SET`, `UNLINK`, `EXISTS`, `INCRBY`, `PTTL`, `PEXPIRE`,
/// `PERSIST`, `SCAN`, `MULTI`, `EXEC`, `EVALSHA` and `EVAL`, for loads `SETRANGE`, `STRLEN` and `TIME`
/// as well, and `SELECT` for a database other than 0; on a cluster `CLUSTER|SLOTS`, `CLUSTER|NODES` and `ASKING` as well, and behind sentinels better
/// `ROLE`. Without `PING`, `health_check` asks whether it may run `GET`. A call that lacks its command
/// fails with [`PermissionDenied`](maestro_cache_core::ErrorKind::PermissionDenied).
#[derive(Clone)]
pub struct RedisCache {
    inner: Arc<Inner>,
}

struct Inner {
    deployment: Deployment,
    in_flight: InFlight,
    flights: Flights,
    is_closed: AtomicBool,
    name: Arc<str>,
    connections: usize,
}

impl RedisCache {
    /// A cache on the server that the URL names, with the defaults. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`Config`](maestro_cache_core::ErrorKind::Config) if the URL is wrong; the text names the remedy and never the URL,
    /// which may hold a password.
    pub fn new(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Settings for a cache on the server that the URL names.
    pub fn builder(url: &str) -> RedisCacheBuilder {
        RedisCacheBuilder::new(url)
    }

    pub(crate) fn with_settings(settings: Settings) -> Result<Self> {
        Ok(Self {
            inner: Arc::new(Inner {
                in_flight: InFlight::new(settings.max_in_flight),
                flights: Flights::new(),
                is_closed: AtomicBool::new(false),
                name: Arc::clone(&settings.name),
                connections: settings.connections,
                deployment: Deployment::new(settings)?,
            }),
        })
    }

    /// What can be said without the server: the cache is open, and what is sent is not too long.
    fn check(&self, lengths: impl IntoIterator<Item = usize>) -> Result<()> {
        if self.inner.is_closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        commands::fit(lengths)
    }

    /// When a call has to be over that is made now.
    fn begin(
        &self,
        context: CallContext,
        lengths: impl IntoIterator<Item = usize>,
    ) -> Result<Deadline> {
        self.check(lengths)?;
        if context.timeout().is_zero() {
            return Err(too_late());
        }
        Ok(Deadline::after(context.timeout()))
    }

    /// Does something about a key, within one deadline, unless it or a value is too long to be sent.
    fn on_key<'a, T, F>(
        &'a self,
        context: CallContext,
        key: &str,
        value_length: usize,
        act: impl FnOnce(KeyTarget<'a>) -> F + Send + 'a,
    ) -> CacheFuture<'a, T>
    where
        T: 'a,
        F: Future<Output = Result<T>> + Send + 'a,
    {
        let lengths = [key.len(), value_length];
        let key = Arc::from(key);
        self.within(context, lengths, move |deployment, deadline| {
            act(KeyTarget::new(deployment, deadline, key))
        })
    }

    /// Does something about keys, of which there is at least one, unless one is too long to be sent.
    fn on_keys<'a, T, F>(
        &'a self,
        context: CallContext,
        keys: &[&str],
        act: impl FnOnce(&'a Deployment, Deadline, Keys) -> F + Send + 'a,
    ) -> CacheFuture<'a, T>
    where
        T: Default + 'a,
        F: Future<Output = Result<T>> + Send + 'a,
    {
        let lengths = keys.iter().map(|key| key.len());
        if keys.is_empty() {
            // Without a key most commands would be refused.
            return self.check(lengths).map(|()| T::default()).into();
        }
        let keys = Keys::new(keys);
        self.within(context, lengths, move |deployment, deadline| {
            act(deployment, deadline, keys)
        })
    }

    /// Does what may take several requests, within one deadline, unless what is sent is too long.
    fn within<'a, T, F>(
        &'a self,
        context: CallContext,
        lengths: impl IntoIterator<Item = usize>,
        act: impl FnOnce(&'a Deployment, Deadline) -> F + Send + 'a,
    ) -> CacheFuture<'a, T>
    where
        T: 'a,
        F: Future<Output = Result<T>> + Send + 'a,
    {
        let deadline = match self.begin(context, lengths) {
            Ok(deadline) => deadline,
            Err(error) => return error.into(),
        };
        CacheFuture::pending(async move {
            let _permit = self.inner.in_flight.enter()?;
            act(&self.inner.deployment, deadline).await
        })
    }
}

impl CacheBackend for RedisCache {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn get<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        self.on_key(context, key, 0, KeyTarget::get)
    }

    fn get_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
    ) -> CacheFuture<'a, Vec<Option<Value>>> {
        self.on_keys(context, keys, |deployment, deadline, keys| async move {
            let found = deployment.find_live(deadline, &keys.all()).await;
            found.into_iter().map(|found| found.map(live)).collect()
        })
    }

    fn set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        value: Bytes,
        expiry: Expiry,
        when: SetWhen,
    ) -> CacheFuture<'a, bool> {
        self.on_key(context, key, mark::plain_length(&value), move |target| {
            target.set(value, expiry, when)
        })
    }

    fn set_many<'a>(
        &'a self,
        context: CallContext,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> CacheFuture<'a, ()> {
        let lengths = entries
            .iter()
            .flat_map(|(key, value)| [key.len(), mark::plain_length(value)]);
        if entries.is_empty() {
            return self.check(lengths).into();
        }
        let (keys, values): (Vec<&str>, Vec<Bytes>) = entries.iter().cloned().unzip();
        let keys = Keys::new(&keys);
        self.within(context, lengths, move |deployment, deadline| async move {
            let entries: Vec<_> = keys.all().into_iter().zip(values).collect();
            deployment.set_many(deadline, &entries, expiry).await
        })
    }

    fn delete<'a>(&'a self, context: CallContext, keys: &[&str]) -> CacheFuture<'a, u64> {
        // A key is removed once.
        let keys: BTreeSet<_> = keys.iter().copied().collect();
        let keys: Vec<_> = keys.into_iter().collect();
        self.on_keys(context, &keys, |deployment, deadline, keys| async move {
            deployment.delete(deadline, &keys.all()).await
        })
    }

    fn exists<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, bool> {
        self.on_key(context, key, 0, |target| async move {
            Ok(target.probe().await?.is_live())
        })
    }

    fn take<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        self.on_key(context, key, 0, KeyTarget::take)
    }

    fn compare_and_set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        let longest = expected.len().max(mark::plain_length(&new));
        let expected = Bytes::copy_from_slice(expected);
        self.on_key(context, key, longest, move |target| {
            target.compare_and_set(expected, new, expiry)
        })
    }

    fn increment<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'a, i64> {
        self.on_key(context, key, 0, move |target| {
            target.increment(by, expiry_if_created)
        })
    }

    fn ttl<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, TimeToLive> {
        self.on_key(context, key, 0, |target| async move {
            Ok(target.probe().await?.left)
        })
    }

    fn set_expiry<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        self.on_key(context, key, 0, move |target| target.set_expiry(expiry))
    }

    fn clear<'a>(&'a self, context: CallContext, pattern: &Pattern) -> CacheFuture<'a, u64> {
        let length = pattern.as_str().len();
        let pattern = pattern.clone();
        self.within(context, [length], move |deployment, deadline| async move {
            deployment.clear(deadline, &pattern).await
        })
    }

    fn flights(&self) -> &Flights {
        &self.inner.flights
    }

    fn claim_life(&self) -> Option<Duration> {
        Some(mark::CLAIM_LIFE)
    }

    fn look_up<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        look_for: LookFor,
    ) -> CacheFuture<'a, Lookup> {
        self.on_key(context, key, 0, move |target| target.look_up(look_for))
    }

    fn look_up_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
        look_for: LookFor,
    ) -> CacheFuture<'a, Vec<Result<Lookup>>> {
        self.on_keys(
            context,
            keys,
            move |deployment, deadline, keys| async move {
                let keys = keys.all();
                Ok(match look_for {
                    LookFor::Fresh => deployment.find_live(deadline, &keys).await,
                    LookFor::FreshOrStale => deployment.look_up_each(deadline, &keys).await,
                })
            },
        )
    }

    fn claim<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'a, Claim> {
        let length = scripts::unreadable(&over).len();
        self.on_key(context, key, length, move |target| {
            target.claim(token, over)
        })
    }

    fn claim_many(
        &self,
        context: CallContext,
        claims: Vec<ClaimRequest>,
    ) -> CacheFuture<'_, Vec<Result<Claim>>> {
        self.within(context, [], move |deployment, deadline| async move {
            Ok(deployment.claim_each(deadline, claims).await)
        })
    }

    fn renew<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
    ) -> CacheFuture<'a, bool> {
        self.on_key(context, key, 0, move |target| target.renew(token))
    }

    fn publish<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'a, bool> {
        // With its mark it must not be too long either.
        let length = value.len().saturating_add(mark::LENGTH);
        self.on_key(context, key, length, move |target| {
            target.publish(token, value, keeping)
        })
    }

    fn publish_many(
        &self,
        context: CallContext,
        publications: Vec<Publication>,
    ) -> CacheFuture<'_, Vec<Result<bool>>> {
        self.within(context, [], move |deployment, deadline| async move {
            Ok(deployment.publish_each(deadline, &publications).await)
        })
    }

    fn release<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'a, bool> {
        self.on_key(context, key, 0, move |target| {
            target.release(token, back_off_millis)
        })
    }

    fn ping(&self, context: CallContext) -> CacheFuture<'_, ()> {
        match self.begin(context, []) {
            Ok(deadline) => CacheFuture::pending(self.inner.deployment.ping(deadline)),
            Err(error) => error.into(),
        }
    }

    fn close(&self, _context: CallContext) -> CacheFuture<'_, ()> {
        self.inner.is_closed.store(true, Ordering::Release);
        self.inner.deployment.close();
        CacheFuture::ready(Ok(()))
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache")
            .field("address", &self.inner.name)
            .field("connections", &self.inner.connections)
            .finish()
    }
}
