//! The backend: the contract's operations over the store.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{
    CacheBackend, CacheFuture, CallContext, Claim, ClaimOver, ClaimRequest, Error, ErrorKind,
    Expiry, Flights, Keeping, LoadToken, LookFor, Lookup, Pattern, Publication, Result, SetWhen,
    TimeToLive, Value,
};

use crate::cell::{Change, Entry, Found};
use crate::clear::clear;
use crate::clock::Deadline;
use crate::leases;
use crate::store::Store;

/// A cache in the memory of this process.
///
/// Clones share the entries. Give one to [`Cache::new`](maestro_cache_core::Cache::new); the
/// methods here are for what a handle does not show.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// use maestro_cache_core::Cache;
/// use maestro_cache_memory::InMemoryCache;
///
/// let backend = InMemoryCache::builder().max_entries(500).build()?;
/// let cache = Cache::new(backend.clone());
/// cache.set("greeting", "hello").await?;
/// assert_eq!(backend.entry_count(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Guarantees
///
/// - **Bound**: by entries, and if asked for by bytes. Expired entries go first, then the least
///   recently used one. Overwriting evicts nothing, unless by bytes, where the new value is larger.
///   A cache of up to 1,024 entries is exact for calls that follow one another: the bound holds
///   after each call, and the least recently used entry goes first. A larger one keeps its
///   bound within moka's maintenance, and approximates the order: the use of an entry counts again
///   once an eighth of `max_entries` was inserted since. `exists` and `ttl` may count as use.
/// - **Time**: to the millisecond, on a monotonic clock. An expired entry is never seen, and its
///   memory is released without traffic, usually within a second.
/// - **Concurrency**: all operations on a key follow one another; a read sees a whole write or none.
/// - **Drop**: the `Drop` of a value must not call the cache, as with moka.
/// - **No runtime**: every call but `clear` answers at once. `clear` looks at every key, then lets
///   other tasks run between its removals; it ends at the deadline. Nothing here needs Tokio.
/// - **Close**: entries are released in the background, usually within a second.
#[derive(Clone)]
pub struct InMemoryCache {
    pub(crate) store: Arc<Store>,
    pub(crate) flights: Flights,
}

impl InMemoryCache {
    /// How many entries are stored, counting expired ones that were not released yet.
    #[must_use]
    pub fn entry_count(&self) -> u64 {
        self.store.entry_count()
    }

    fn write<T>(&self, write: impl FnOnce(&Store) -> Result<T>) -> CacheFuture<'_, T> {
        CacheFuture::ready(self.store.check_open().and_then(|()| write(&self.store)))
    }

    fn read<T>(&self, read: impl FnOnce(&Store) -> T) -> CacheFuture<'_, T> {
        CacheFuture::ready(self.store.check_open().map(|()| read(&self.store)))
    }
}

impl fmt::Debug for InMemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryCache")
            .field("entry_count", &self.entry_count())
            .finish_non_exhaustive()
    }
}

// A batch that names a key twice touches it once: for one key, a batch is one operation.
#[deny(clippy::missing_trait_methods)]
impl CacheBackend for InMemoryCache {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn get(&self, _: CallContext, key: &str) -> CacheFuture<'_, Option<Value>> {
        self.read(|store| store.get(key))
    }

    fn get_many(&self, _: CallContext, keys: &[&str]) -> CacheFuture<'_, Vec<Option<Value>>> {
        self.read(|store| {
            let mut read = HashMap::with_capacity(keys.len());
            keys.iter()
                .map(|key| read.entry(*key).or_insert_with(|| store.get(key)).clone())
                .collect()
        })
    }

    fn set(
        &self,
        _: CallContext,
        key: &str,
        value: Bytes,
        expiry: Expiry,
        when: SetWhen,
    ) -> CacheFuture<'_, bool> {
        let is_wanted = |live: Option<&Entry>| when == SetWhen::Always || live.is_none();
        self.write(|store| set_if(store, key, value, expiry, is_wanted))
    }

    fn set_many(
        &self,
        _: CallContext,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> CacheFuture<'_, ()> {
        self.write(|store| {
            for (key, value) in entries {
                store.weigh(key, value)?;
            }
            let places = entries.iter().enumerate();
            let last: HashMap<_, _> = places.map(|(at, (key, _))| (*key, at)).collect();
            for (at, (key, value)) in entries.iter().enumerate() {
                if last.get(key) == Some(&at) {
                    set_if(store, key, value.clone(), expiry, |_| true)?;
                }
            }
            Ok(())
        })
    }

    fn delete(&self, _: CallContext, keys: &[&str]) -> CacheFuture<'_, u64> {
        self.write(|store| {
            let distinct: HashSet<_> = keys.iter().collect();
            let remove = |removed, key: &&str| Ok(removed + u64::from(store.remove_live(key)?));
            distinct.into_iter().try_fold(0, remove)
        })
    }

    fn exists(&self, _: CallContext, key: &str) -> CacheFuture<'_, bool> {
        self.read(|store| store.time_to_live(key) != TimeToLive::Missing)
    }

    fn take(&self, _: CallContext, key: &str) -> CacheFuture<'_, Option<Value>> {
        self.write(|store| {
            store.update(key, |live, _| {
                Ok((Change::Remove(None), live.map(|entry| entry.value.clone())))
            })
        })
    }

    fn compare_and_set(
        &self,
        _: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'_, bool> {
        let is_expected = |live: &Entry| *live.value.bytes() == expected;
        self.write(|store| {
            set_if(store, key, new, expiry, |live| {
                live.is_some_and(is_expected)
            })
        })
    }

    fn increment(
        &self,
        _: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'_, i64> {
        self.write(|store| {
            store.update(key, |live, now_millis| {
                let (former, deadline) = match live {
                    Some(entry) => (integer(entry.value.bytes())?, entry.deadline),
                    None => (0, Deadline::of(expiry_if_created, now_millis)),
                };
                let sum = former.checked_add(by).ok_or_else(overflow)?;
                let value = Value::remembering(sum.to_string().into());
                Ok((Change::Store(Entry::new(value, deadline)), sum))
            })
        })
    }

    fn ttl(&self, _: CallContext, key: &str) -> CacheFuture<'_, TimeToLive> {
        self.read(|store| store.time_to_live(key))
    }

    fn set_expiry(&self, _: CallContext, key: &str, expiry: Expiry) -> CacheFuture<'_, bool> {
        self.write(|store| {
            store.update(key, |live, now_millis| {
                // A stale entry is none, and whoever says when it is gone wants it gone.
                let Some(entry) = live else {
                    return Ok((Change::Remove(None), false));
                };
                let deadline = Deadline::of(expiry, now_millis);
                if deadline.is_never() && entry.deadline.is_never() {
                    return Ok((Change::Keep, false));
                }
                // The same value, with what was decoded from it.
                let entry = Entry::new(entry.value.clone(), deadline);
                Ok((Change::Store(entry), true))
            })
        })
    }

    fn clear(&self, context: CallContext, pattern: &Pattern) -> CacheFuture<'_, u64> {
        CacheFuture::pending(clear(&self.store, context, pattern.clone()))
    }

    fn flights(&self) -> &Flights {
        &self.flights
    }

    fn claim_life(&self) -> Option<Duration> {
        None
    }

    fn look_up(&self, _: CallContext, key: &str, look_for: LookFor) -> CacheFuture<'_, Lookup> {
        self.write(|store| store.look_up(key, look_for))
    }

    fn claim(
        &self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'_, Claim> {
        self.write(|store| claim(store, key, token, over))
    }

    fn renew(&self, _: CallContext, key: &str, token: LoadToken) -> CacheFuture<'_, bool> {
        let holds = |found: Found<'_>| (Change::Keep, leases::holds(&found, token));
        self.write(|store| store.lease(key, holds))
    }

    fn publish(
        &self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'_, bool> {
        self.write(|store| publish(store, key, token, value, keeping))
    }

    fn release(
        &self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'_, bool> {
        let release = |found: Found<'_>| leases::release(&found, token, back_off_millis);
        self.write(|store| store.lease(key, release))
    }

    fn look_up_many(
        &self,
        _: CallContext,
        keys: &[&str],
        look_for: LookFor,
    ) -> CacheFuture<'_, Vec<Result<Lookup>>> {
        let look_up = |key: &&str| self.store.look_up(key, look_for);
        self.read(|_| keys.iter().map(look_up).collect())
    }

    fn claim_many(
        &self,
        _: CallContext,
        requests: Vec<ClaimRequest>,
    ) -> CacheFuture<'_, Vec<Result<Claim>>> {
        let claim = |each: ClaimRequest| claim(&self.store, &each.key, each.token, each.over);
        self.read(|_| requests.into_iter().map(claim).collect())
    }

    fn publish_many(
        &self,
        _: CallContext,
        publications: Vec<Publication>,
    ) -> CacheFuture<'_, Vec<Result<bool>>> {
        let publish = |each: Publication| {
            publish(&self.store, &each.key, each.token, each.value, each.keeping)
        };
        self.read(|_| publications.into_iter().map(publish).collect())
    }

    fn ping(&self, _: CallContext) -> CacheFuture<'_, ()> {
        self.read(|_| ())
    }

    fn close(&self, _: CallContext) -> CacheFuture<'_, ()> {
        self.store.close();
        CacheFuture::ready(Ok(()))
    }
}

fn claim(store: &Store, key: &str, token: LoadToken, over: ClaimOver) -> Result<Claim> {
    store.lease(key, |found| leases::acquire(&found, token, over))
}

fn publish(
    store: &Store,
    key: &str,
    token: LoadToken,
    value: Bytes,
    keeping: Keeping,
) -> Result<bool> {
    let mut value = Some(Value::remembering(value));
    store.lease(key, |found| {
        leases::publish(&found, token, &mut value, keeping)
    })
}

/// Stores the value if the condition holds for the live entry, and says whether it does. What is not
/// stored stays outside of the closure, and is dropped where no lock is held.
fn set_if(
    store: &Store,
    key: &str,
    value: Bytes,
    expiry: Expiry,
    condition: impl FnOnce(Option<&Entry>) -> bool,
) -> Result<bool> {
    let mut value = Some(Value::remembering(value));
    store.update(key, |live, now_millis| {
        let Some(value) = value.take_if(|_| condition(live)) else {
            return Ok((Change::Keep, false));
        };
        let entry = Entry::new(value, Deadline::of(expiry, now_millis));
        Ok((Change::Store(entry), true))
    })
}

/// What Redis' `INCRBY` takes for an integer: digits without a leading zero, behind a minus sign
/// at most. Whatever does not come back as it was is none.
fn integer(bytes: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let integer = text.parse().ok();
    let canonical = integer.filter(|integer: &i64| integer.to_string() == text);
    canonical.ok_or_else(|| {
        Error::new(
            ErrorKind::NotAnInteger,
            "the stored value is not the decimal text of a 64-bit integer; counters are made by \
             `increment` or by `set` with an integer",
        )
    })
}

fn overflow() -> Error {
    Error::new(
        ErrorKind::Overflow,
        "the sum is beyond the 64 bits of a counter; `set` it anew",
    )
}
