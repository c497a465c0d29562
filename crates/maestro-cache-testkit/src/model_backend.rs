//! A backend that is correct by being trivial: the reference model behind a lock.
//!
//! The suite is proved on it, and it stands in for a cache where a test wants one that hides
//! nothing.

use std::future::poll_fn;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use maestro_cache_core::{
    Bytes, CacheBackend, CacheFuture, CallContext, Claim, ClaimOver, ClaimRequest, Error, Expiry,
    Flights, Keeping, LoadToken, LookFor, Lookup, Pattern, Publication, Result, SetWhen,
    TimeToLive, Value,
};

use crate::{Fixture, Model};

/// A backend over the reference [`Model`]: every call under one lock, time that passes by itself
/// and that can be moved on by hand.
///
/// Clones share their entries. It is its own [`Fixture`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// use maestro_cache_core::Cache;
/// use maestro_cache_testkit::ModelBackend;
/// use std::time::Duration;
///
/// let backend = ModelBackend::new();
/// let cache = Cache::new(backend.clone());
/// cache.set("key", "value").await?;
/// backend.advance_clock(Duration::from_secs(3600));
/// assert!(!cache.exists("key").await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ModelBackend {
    state: Arc<Mutex<State>>,
    flights: Flights,
    answers: Answers,
}

/// When a call is answered that took effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answers {
    #[default]
    AtOnce,
    ATurnLater,
}

#[derive(Debug)]
struct State {
    model: Model,
    seen: Instant,
    closed: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            model: Model::new(),
            seen: Instant::now(),
            closed: false,
        }
    }
}

impl ModelBackend {
    /// An empty backend.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty backend whose answers come when others have had a turn, as those of a server do.
    #[must_use]
    pub fn remote() -> Self {
        Self {
            answers: Answers::ATurnLater,
            ..Self::default()
        }
    }

    /// Lets time pass for all entries.
    pub fn advance_clock(&self, by: Duration) {
        self.lock().model.advance(by);
    }

    /// Runs a call against the model, unless the backend was closed.
    fn call<'a, T: Send + 'a>(
        &self,
        call: impl FnOnce(&mut Model) -> Result<T>,
    ) -> CacheFuture<'a, T> {
        let answer = self.answer(call);
        match self.answers {
            Answers::AtOnce => answer.into(),
            Answers::ATurnLater => CacheFuture::pending(async move {
                let mut turns = 0..1;
                // Whichever executor this is, it has others to run first.
                poll_fn(|context| match turns.next() {
                    Some(_) => {
                        context.waker().wake_by_ref();
                        Poll::Pending
                    }
                    None => Poll::Ready(()),
                })
                .await;
                answer
            }),
        }
    }

    fn answer<T>(&self, call: impl FnOnce(&mut Model) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::closed());
        }
        // The model knows whole milliseconds; the rest of one is left for the next call.
        let passed = Duration::from_millis(
            u64::try_from(state.seen.elapsed().as_millis()).unwrap_or(u64::MAX),
        );
        state.seen += passed;
        state.model.advance(passed);
        call(&mut state.model)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A case that panics elsewhere leaves the model whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[deny(clippy::missing_trait_methods)]
impl CacheBackend for ModelBackend {
    fn name(&self) -> &'static str {
        "model"
    }

    fn get<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        self.call(|model| Ok(model.get(key).map(Value::new)))
    }

    fn get_many<'a>(
        &'a self,
        _: CallContext,
        keys: &[&str],
    ) -> CacheFuture<'a, Vec<Option<Value>>> {
        self.call(|model| {
            let values = model.get_many(keys).into_iter();
            Ok(values.map(|value| value.map(Value::new)).collect())
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
        self.call(|model| Ok(model.set(key, value, expiry, when)))
    }

    fn set_many<'a>(
        &'a self,
        _: CallContext,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> CacheFuture<'a, ()> {
        self.call(|model| {
            model.set_many(entries, expiry);
            Ok(())
        })
    }

    fn delete<'a>(&'a self, _: CallContext, keys: &[&str]) -> CacheFuture<'a, u64> {
        self.call(|model| Ok(model.delete(keys)))
    }

    fn exists<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, bool> {
        self.call(|model| Ok(model.exists(key)))
    }

    fn take<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        self.call(|model| Ok(model.take(key).map(Value::new)))
    }

    fn compare_and_set<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        self.call(|model| Ok(model.compare_and_set(key, expected, new, expiry)))
    }

    fn increment<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'a, i64> {
        self.call(|model| model.increment(key, by, expiry_if_created))
    }

    fn ttl<'a>(&'a self, _: CallContext, key: &str) -> CacheFuture<'a, TimeToLive> {
        self.call(|model| Ok(model.ttl(key)))
    }

    fn set_expiry<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        self.call(|model| Ok(model.set_expiry(key, expiry)))
    }

    fn clear<'a>(&'a self, _: CallContext, pattern: &Pattern) -> CacheFuture<'a, u64> {
        self.call(|model| Ok(model.clear(pattern)))
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
        self.call(|model| Ok(model.look_up(key, look_for)))
    }

    fn claim<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'a, Claim> {
        self.call(|model| Ok(model.claim(key, token, over)))
    }

    fn renew<'a>(&'a self, _: CallContext, key: &str, token: LoadToken) -> CacheFuture<'a, bool> {
        self.call(|model| Ok(model.holds(key, token)))
    }

    fn publish<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'a, bool> {
        self.call(|model| Ok(model.publish(key, token, value, keeping)))
    }

    fn release<'a>(
        &'a self,
        _: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'a, bool> {
        self.call(|model| Ok(model.release(key, token, back_off_millis)))
    }

    fn look_up_many<'a>(
        &'a self,
        _: CallContext,
        keys: &[&str],
        look_for: LookFor,
    ) -> CacheFuture<'a, Vec<Result<Lookup>>> {
        self.call(|model| {
            let found = keys.iter().map(|key| Ok(model.look_up(key, look_for)));
            Ok(found.collect())
        })
    }

    fn claim_many(
        &self,
        _: CallContext,
        claims: Vec<ClaimRequest>,
    ) -> CacheFuture<'_, Vec<Result<Claim>>> {
        self.call(|model| {
            let claimed = claims
                .into_iter()
                .map(|each| Ok(model.claim(&each.key, each.token, each.over)));
            Ok(claimed.collect())
        })
    }

    fn publish_many(
        &self,
        _: CallContext,
        publications: Vec<Publication>,
    ) -> CacheFuture<'_, Vec<Result<bool>>> {
        self.call(|model| {
            let published = publications
                .into_iter()
                .map(|each| Ok(model.publish(&each.key, each.token, each.value, each.keeping)));
            Ok(published.collect())
        })
    }

    fn ping(&self, _: CallContext) -> CacheFuture<'_, ()> {
        self.call(|_| Ok(()))
    }

    fn close(&self, _: CallContext) -> CacheFuture<'_, ()> {
        let mut state = self.lock();
        state.closed = true;
        state.model = Model::new();
        Ok(()).into()
    }
}

impl Fixture for ModelBackend {
    fn backend(&self) -> Arc<dyn CacheBackend> {
        Arc::new(self.clone())
    }

    fn advance<'a>(&'a self, _: &'a str, by: Duration) -> BoxFuture<'a, ()> {
        async move { self.advance_clock(by) }.boxed()
    }
}
