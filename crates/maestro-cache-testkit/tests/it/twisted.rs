//! A backend that breaks the contract in one way of many.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maestro_cache_core::{
    Bytes, CacheBackend, CacheFuture, CallContext, Claim, ClaimOver, ErrorKind, Expiry, Flights,
    Keeping, LoadToken, LookFor, Lookup, Pattern, SetWhen, TimeToLive, Value,
};
use maestro_cache_testkit::{Fixture, ModelBackend};

/// One way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    IncrementResetsTheTtl,
    IncrementTakesNoTtlAtCreation,
    IncrementLosesUpdates,
    IncrementCountsTextAsZero,
    SetManyForgetsTheTtl,
    SetManyLetsTheFirstWin,
    GetManyDropsDuplicates,
    AddChangesTheTtl,
    CompareAndSetKeepsTheTtl,
    CompareAndSetIsNotAtomic,
    TakeIsNotAtomic,
    DeleteCountsTheExpired,
    PersistIsAlwaysTrue,
    TtlIsInSeconds,
    ClearCountsOneMore,
    ClearReadsThePrefixAsAPattern,
    ClearRemovesTheBarePrefix,
    ReadsAreStale,
    CloseIsForgotten,
    EmptyBatchesIgnoreClose,
    KeysEndAtNul,
    EmptyValuesAreMisses,
    TimeoutsAreMisses,
    DeadlinesAreForgotten,
}

/// A key and what was read of it.
type Seen = (String, Option<Value>);

/// The trivially correct backend, made wrong.
#[derive(Clone)]
pub(crate) struct Twisted {
    inner: ModelBackend,
    twist: Option<Twist>,
    written: Arc<Mutex<HashSet<String>>>,
    former: Arc<Mutex<Option<Seen>>>,
}

impl fmt::Debug for Twisted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Twisted({:?})", self.twist)
    }
}

impl Twisted {
    pub(crate) fn new(twist: Twist) -> Self {
        Self {
            twist: Some(twist),
            ..Self::straight()
        }
    }

    /// Nothing is wrong with this one. It has the methods that every backend has to have, and no other.
    fn straight() -> Self {
        Self {
            inner: ModelBackend::new(),
            twist: None,
            written: Arc::default(),
            former: Arc::default(),
        }
    }

    fn is(&self, twist: Twist) -> bool {
        self.twist == Some(twist)
    }

    fn key<'a>(&self, key: &'a str) -> &'a str {
        if self.is(Twist::KeysEndAtNul) {
            key.split('\0').next().unwrap_or_default()
        } else {
            key
        }
    }
}

impl CacheBackend for Twisted {
    fn name(&self) -> &'static str {
        "twisted"
    }

    fn get<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        let key = self.key(key).to_owned();
        CacheFuture::pending(async move {
            if context.timeout().is_zero() {
                match self.twist {
                    Some(Twist::TimeoutsAreMisses) => return Ok(None),
                    Some(Twist::DeadlinesAreForgotten) => std::future::pending().await,
                    _ => {}
                }
            }
            let mut value = self.inner.get(context, &key).await?;
            if self.is(Twist::EmptyValuesAreMisses) {
                value = value.filter(|value| !value.bytes().is_empty());
            }
            if self.is(Twist::ReadsAreStale) {
                let seen = Some((key.clone(), value.clone()));
                let former = std::mem::replace(&mut *self.former.lock().unwrap(), seen);
                value = former
                    .filter(|(former_key, _)| *former_key == key)
                    .map_or(value, |(_, former)| former);
            }
            Ok(value)
        })
    }

    fn get_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
    ) -> CacheFuture<'a, Vec<Option<Value>>> {
        if self.is(Twist::EmptyBatchesIgnoreClose) && keys.is_empty() {
            return Ok(Vec::new()).into();
        }
        let mut seen = HashSet::new();
        let keys: Vec<_> = keys
            .iter()
            .map(|key| self.key(key))
            .filter(|key| seen.insert(*key) || !self.is(Twist::GetManyDropsDuplicates))
            .collect();
        self.inner.get_many(context, &keys)
    }

    fn set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        value: Bytes,
        expiry: Expiry,
        when: SetWhen,
    ) -> CacheFuture<'a, bool> {
        let key = self.key(key).to_owned();
        self.written.lock().unwrap().insert(key.clone());
        CacheFuture::pending(async move {
            let stored = self.inner.set(context, &key, value, expiry, when).await?;
            if self.is(Twist::AddChangesTheTtl) && !stored {
                self.inner.set_expiry(context, &key, expiry).await?;
            }
            Ok(stored)
        })
    }

    fn set_many<'a>(
        &'a self,
        context: CallContext,
        entries: &[(&str, Bytes)],
        mut expiry: Expiry,
    ) -> CacheFuture<'a, ()> {
        if self.is(Twist::EmptyBatchesIgnoreClose) && entries.is_empty() {
            return Ok(()).into();
        }
        if self.is(Twist::SetManyForgetsTheTtl) {
            expiry = Expiry::Never;
        }
        let mut entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| (self.key(key), value.clone()))
            .collect();
        if self.is(Twist::SetManyLetsTheFirstWin) {
            entries.reverse();
        }
        let keys = entries.iter().map(|(key, _)| (*key).to_owned());
        self.written.lock().unwrap().extend(keys);
        self.inner.set_many(context, &entries, expiry)
    }

    fn delete<'a>(&'a self, context: CallContext, keys: &[&str]) -> CacheFuture<'a, u64> {
        let mut written = self.written.lock().unwrap();
        let counted = keys.iter().filter(|key| written.remove(**key)).count();
        let keys: Vec<_> = keys.iter().map(|key| self.key(key).to_owned()).collect();
        CacheFuture::pending(async move {
            let keys: Vec<_> = keys.iter().map(String::as_str).collect();
            let removed = self.inner.delete(context, &keys).await?;
            Ok(if self.is(Twist::DeleteCountsTheExpired) {
                counted.try_into().unwrap()
            } else {
                removed
            })
        })
    }

    fn exists<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, bool> {
        self.inner.exists(context, self.key(key))
    }

    fn take<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        let key = self.key(key).to_owned();
        if !self.is(Twist::TakeIsNotAtomic) {
            return self.inner.take(context, &key);
        }
        CacheFuture::pending(async move {
            let value = self.inner.get(context, &key).await?;
            std::thread::yield_now();
            tokio::task::yield_now().await;
            self.inner.delete(context, &[&key]).await?;
            Ok(value)
        })
    }

    fn compare_and_set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        let (key, expected) = (self.key(key).to_owned(), expected.to_owned());
        CacheFuture::pending(async move {
            if self.is(Twist::CompareAndSetIsNotAtomic) {
                let value = self.inner.get(context, &key).await?;
                std::thread::yield_now();
                tokio::task::yield_now().await;
                if value.is_none_or(|value| *value.bytes() != expected) {
                    return Ok(false);
                }
                let always = SetWhen::Always;
                return self.inner.set(context, &key, new, expiry, always).await;
            }
            let ttl = self.inner.ttl(context, &key).await?;
            let swap = self
                .inner
                .compare_and_set(context, &key, &expected, new, expiry);
            let swapped = swap.await?;
            if let (TimeToLive::Left(left), Some(Twist::CompareAndSetKeepsTheTtl)) =
                (ttl, self.twist)
            {
                let former = Expiry::after(left)?;
                self.inner.set_expiry(context, &key, former).await?;
            }
            Ok(swapped)
        })
    }

    fn increment<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'a, i64> {
        let key = self.key(key).to_owned();
        CacheFuture::pending(async move {
            match self.twist {
                Some(Twist::IncrementResetsTheTtl) => {
                    let sum = self.inner.increment(context, &key, by, expiry_if_created);
                    let sum = sum.await?;
                    let set = self.inner.set_expiry(context, &key, expiry_if_created);
                    set.await?;
                    Ok(sum)
                }
                Some(Twist::IncrementTakesNoTtlAtCreation) => {
                    let increment = self.inner.increment(context, &key, by, Expiry::Never);
                    increment.await
                }
                Some(Twist::IncrementLosesUpdates) => {
                    let ttl = self.inner.ttl(context, &key).await?;
                    let value = self.inner.get(context, &key).await?;
                    std::thread::yield_now();
                    tokio::task::yield_now().await;
                    let value = value.map(|value| value.bytes().clone());
                    let text = value.as_deref().unwrap_or(b"0");
                    let sum = std::str::from_utf8(text).unwrap().parse::<i64>().unwrap() + by;
                    let expiry = match ttl {
                        TimeToLive::Missing => expiry_if_created,
                        TimeToLive::NoExpiry => Expiry::Never,
                        TimeToLive::Left(left) => Expiry::after(left)?,
                    };
                    let (new, always) = (sum.to_string().into(), SetWhen::Always);
                    self.inner.set(context, &key, new, expiry, always).await?;
                    Ok(sum)
                }
                Some(Twist::IncrementCountsTextAsZero) => {
                    let increment = self.inner.increment(context, &key, by, expiry_if_created);
                    match increment.await {
                        Err(error) if error.kind() == ErrorKind::NotAnInteger => Ok(by),
                        other => other,
                    }
                }
                _ => {
                    let increment = self.inner.increment(context, &key, by, expiry_if_created);
                    increment.await
                }
            }
        })
    }

    fn ttl<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, TimeToLive> {
        let ttl = self.inner.ttl(context, self.key(key));
        CacheFuture::pending(async move {
            Ok(match ttl.await? {
                TimeToLive::Left(left) if self.is(Twist::TtlIsInSeconds) => {
                    TimeToLive::Left(Duration::from_secs(left.as_secs()))
                }
                other => other,
            })
        })
    }

    fn set_expiry<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        let key = self.key(key).to_owned();
        CacheFuture::pending(async move {
            let changed = self.inner.set_expiry(context, &key, expiry).await?;
            if self.is(Twist::PersistIsAlwaysTrue) && expiry == Expiry::Never {
                return self.inner.exists(context, &key).await;
            }
            Ok(changed)
        })
    }

    fn clear<'a>(&'a self, context: CallContext, pattern: &Pattern) -> CacheFuture<'a, u64> {
        let pattern = match self.twist {
            Some(Twist::ClearReadsThePrefixAsAPattern) => {
                // What joining prefix and pattern without an escape amounts to.
                let unescaped = pattern.as_str().replace("\\*", "*");
                Pattern::parse(&unescaped).unwrap()
            }
            Some(Twist::ClearRemovesTheBarePrefix) => Pattern::parse(pattern.as_str()).unwrap(),
            _ => pattern.clone(),
        };
        CacheFuture::pending(async move {
            let removed = self.inner.clear(context, &pattern).await?;
            Ok(removed + u64::from(self.is(Twist::ClearCountsOneMore)))
        })
    }

    fn flights(&self) -> &Flights {
        self.inner.flights()
    }

    fn claim_life(&self) -> Option<Duration> {
        self.inner.claim_life()
    }

    fn look_up<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        look_for: LookFor,
    ) -> CacheFuture<'a, Lookup> {
        self.inner.look_up(context, self.key(key), look_for)
    }

    fn claim<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'a, Claim> {
        self.inner.claim(context, self.key(key), token, over)
    }

    fn renew<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
    ) -> CacheFuture<'a, bool> {
        self.inner.renew(context, self.key(key), token)
    }

    fn publish<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'a, bool> {
        self.inner
            .publish(context, self.key(key), token, value, keeping)
    }

    fn release<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'a, bool> {
        self.inner
            .release(context, self.key(key), token, back_off_millis)
    }

    fn ping(&self, context: CallContext) -> CacheFuture<'_, ()> {
        self.inner.ping(context)
    }

    fn close(&self, context: CallContext) -> CacheFuture<'_, ()> {
        if self.is(Twist::CloseIsForgotten) {
            return Ok(()).into();
        }
        self.inner.close(context)
    }
}

impl Fixture for Twisted {
    fn backend(&self) -> Arc<dyn CacheBackend> {
        Arc::new(self.clone())
    }

    fn advance<'a>(
        &'a self,
        _prefix: &'a str,
        by: Duration,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move { self.inner.advance_clock(by) })
    }
}

/// What is found wrong with the others is their twist, and the methods that have a default need no more.
mod straight {
    use maestro_cache_testkit::conformance;

    use super::Twisted;

    conformance!(Twisted::straight());
}
