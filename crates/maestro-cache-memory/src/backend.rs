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
    store: Arc<Store>,
    flights: Flights,
}

impl InMemoryCache {
    pub(crate) fn from_store(store: Arc<Store>) -> Self {
        Self {
            store,
            flights: Flights::new(),
        }
    }

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

    fn get<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        self.read(|store| store.get(key))
    }

    fn get_many<'a>(
        &'a self,
        _: CallContext,
        keys: &[&str],
    ) -> CacheFuture<'a, Vec<Option<Value>>> {
        self.read(|store| {
            let mut read = HashMap::with_capacity(keys.len());
            keys.iter()
                .map(|key| read.entry(*key).or_insert_with(|| store.get(key)).clone())
                .collect()
        })
    }

    fn set<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        value: Bytes,
        expiry: Expiry,
        when: SetWhen,
    ) -> CacheFuture<'a, bool> {
        self.write(|store| set(store, key, value, expiry, when))
    }

    fn set_many<'a>(
        &'a self,
        _: CallContext,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> CacheFuture<'a, ()> {
        self.write(|store| {
            for (key, value) in entries {
                store.weigh(key, value)?;
            }
            let places = entries.iter().enumerate();
            let last: HashMap<_, _> = places.map(|(at, (key, _))| (*key, at)).collect();
            for (at, (key, value)) in entries.iter().enumerate() {
                if last.get(key) == Some(&at) {
                    set(store, key, value.clone(), expiry, SetWhen::Always)?;
                }
            }
            Ok(())
        })
    }

    fn delete<'a>(&'a self, _: CallContext, keys: &[&str]) -> CacheFuture<'a, u64> {
        self.write(|store| {
            let distinct: HashSet<_> = keys.iter().collect();
            let remove = |removed, key: &&str| Ok(removed + u64::from(store.remove_live(key)?));
            distinct.into_iter().try_fold(0, remove)
        })
    }

    fn exists<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, bool> {
        self.read(|store| store.time_to_live(key) != TimeToLive::Missing)
    }

    fn take<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        self.write(|store| {
            store.update(key, |live, _| {
                let value = live.map(|entry| entry.value.clone());
                Ok((Change::REMOVE, value))
            })
        })
    }

    fn compare_and_set<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        self.write(|store| {
            let mut new = Some(Value::remembering(new));
            store.update(key, |live, now_millis| {
                let is_expected = live.is_some_and(|entry| *entry.value.bytes() == expected);
                let new = new.take_if(|_| is_expected);
                Ok(store_or_keep(new, expiry, now_millis))
            })
        })
    }

    fn increment<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'a, i64> {
        self.write(|store| {
            store.update(key, |live, now_millis| {
                let (former, deadline) = match live {
                    Some(entry) => (
                        canonical_integer(entry.value.bytes()).ok_or_else(not_an_integer)?,
                        entry.deadline,
                    ),
                    None => (0, Deadline::of(expiry_if_created, now_millis)),
                };
                let sum = former.checked_add(by).ok_or_else(overflow)?;
                let value = Value::remembering(sum.to_string().into());
                Ok((Change::Store(Entry::new(value, deadline)), sum))
            })
        })
    }

    fn ttl<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, TimeToLive> {
        self.read(|store| store.time_to_live(key))
    }

    fn set_expiry<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        self.write(|store| {
            store.update(key, |live, now_millis| {
                let deadline = Deadline::of(expiry, now_millis);
                // A stale entry is none, and whoever says when it is gone wants it gone.
                let Some(entry) = live else {
                    return Ok((Change::REMOVE, false));
                };
                if deadline.is_never() && entry.deadline.is_never() {
                    return Ok((Change::Keep, false));
                }
                // The same value, with what was decoded from it.
                let entry = Entry::new(entry.value.clone(), deadline);
                Ok((Change::Store(entry), true))
            })
        })
    }

    fn clear<'a>(&'a self, context: CallContext, pattern: &Pattern) -> CacheFuture<'a, u64> {
        CacheFuture::pending(clear(&self.store, context, pattern.clone()))
    }

    fn flights(&self) -> &Flights {
        &self.flights
    }

    fn claim_life(&self) -> Option<Duration> {
        None
    }

    fn look_up<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        look_for: LookFor,
    ) -> CacheFuture<'a, Lookup> {
        self.write(|store| store.look_up(key, look_for))
    }

    fn claim<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'a, Claim> {
        self.write(|store| claim(store, key, token, over))
    }

    fn renew<'a>(&'a self, _: CallContext, key: &str, token: LoadToken) -> CacheFuture<'a, bool> {
        let holds = |found: Found<'_>| (Change::Keep, leases::holds(&found, token));
        self.write(|store| store.lease(key, holds))
    }

    fn publish<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'a, bool> {
        self.write(|store| publish(store, key, token, value, keeping))
    }

    fn release<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'a, bool> {
        let release = |found: Found<'_>| leases::release(&found, token, back_off_millis);
        self.write(|store| store.lease(key, release))
    }

    fn look_up_many<'a>(
        &'a self,
        _: CallContext,
        keys: &[&str],
        look_for: LookFor,
    ) -> CacheFuture<'a, Vec<Result<Lookup>>> {
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

fn set(store: &Store, key: &str, value: Bytes, expiry: Expiry, when: SetWhen) -> Result<bool> {
    let mut value = Some(Value::remembering(value));
    store.update(key, |live, now_millis| {
        let value = value.take_if(|_| when == SetWhen::Always || live.is_none());
        Ok(store_or_keep(value, expiry, now_millis))
    })
}

/// Stores the value if there is one, and says whether there is. What is not stored stays with the
/// caller, and is dropped where no lock is held.
fn store_or_keep(value: Option<Value>, expiry: Expiry, now_millis: u64) -> (Change, bool) {
    match value {
        Some(value) => {
            let deadline = Deadline::of(expiry, now_millis);
            (Change::Store(Entry::new(value, deadline)), true)
        }
        None => (Change::Keep, false),
    }
}

/// What Redis' `INCRBY` takes for an integer: digits without a leading zero, behind a minus sign
/// at most. Whatever does not come back as it was is not canonical.
fn canonical_integer(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let integer: i64 = text.parse().ok()?;
    (integer.to_string() == text).then_some(integer)
}

fn not_an_integer() -> Error {
    Error::new(
        ErrorKind::NotAnInteger,
        "the stored value is not the decimal text of a 64-bit integer; counters are made by \
         `increment` or by `set` with an integer",
    )
}

fn overflow() -> Error {
    Error::new(
        ErrorKind::Overflow,
        "the sum is beyond the 64 bits of a counter; `set` it anew",
    )
}
