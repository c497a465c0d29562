//! A backend that fails or stalls on command.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use futures_util::FutureExt;
use maestro_cache_core::{
    Bytes, CacheBackend, CacheFuture, CallContext, Claim, ClaimOver, ClaimRequest, Error,
    ErrorKind, Expiry, Flights, Keeping, LoadToken, LookFor, Lookup, Outcome, Pattern, Publication,
    Result, SetWhen, TimeToLive, Value,
};
use tokio::sync::watch;

/// A backend around another that fails or stalls when a test tells it to, and counts its calls.
///
/// Clones share the mode and the count, so that a test keeps one and gives one away.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// use std::sync::Arc;
///
/// use maestro_cache_core::{Cache, Error, ErrorKind};
/// use maestro_cache_testkit::{FaultyBackend, ModelBackend};
///
/// let faulty = FaultyBackend::new(Arc::new(ModelBackend::new()));
/// let cache = Cache::new(faulty.clone());
/// faulty.fail_with(Error::new(ErrorKind::Unavailable, "the link is down"));
/// assert!(cache.get::<String>("key").await.is_err());
/// faulty.heal();
/// assert!(cache.get::<String>("key").await?.is_none());
/// assert_eq!(faulty.calls(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FaultyBackend {
    inner: Arc<dyn CacheBackend>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    faults: Mutex<Faults>,
    stalled: watch::Sender<bool>,
    calls: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Faults {
    slowness: Duration,
    claim_life: Option<Duration>,
    lost: Option<u64>,
    always: Option<Error>,
    next: VecDeque<Error>,
}

/// Whether a call that ran out of time may have changed something.
#[derive(Clone, Copy)]
enum Kind {
    Read,
    Write,
}

impl FaultyBackend {
    /// A backend that does what `inner` does, for now.
    #[must_use]
    pub fn new(inner: Arc<dyn CacheBackend>) -> Self {
        Self {
            inner,
            shared: Arc::new(Shared {
                faults: Mutex::default(),
                stalled: watch::Sender::new(false),
                calls: watch::Sender::new(0),
            }),
        }
    }

    /// Every call fails with this error from now on, without reaching the backend behind.
    pub fn fail_with(&self, error: Error) {
        self.faults().always = Some(error);
    }

    /// The next `calls` calls fail with this error, those after them do not.
    pub fn fail_next(&self, calls: usize, error: Error) {
        self.faults().next.extend(vec![error; calls]);
    }

    /// The call of this number, counted as by [`calls`](Self::calls), takes effect, and its answer is
    /// lost: it is [`ErrorKind::Timeout`].
    pub fn lose_answer_to(&self, call: u64) {
        self.faults().lost = Some(call);
    }

    /// Every call waits from now on: until [`heal`](Self::heal), and then it is done, or until its
    /// time is over, and then it is [`ErrorKind::Timeout`] and never done. A write whose time is
    /// over has [`Outcome::Unknown`], as one that was sent to a silent server.
    pub fn stall(&self) {
        self.shared.stalled.send_replace(true);
    }

    /// Every call takes so long from now on, and its deadline at most.
    pub fn slow_down(&self, by: Duration) {
        self.faults().slowness = by;
    }

    /// Claims are said to live so long from now on, so that loads renew theirs. They end no sooner for it.
    pub fn say_that_claims_live(&self, life: Duration) {
        self.faults().claim_life = Some(life);
    }

    /// Ends all faults; calls that wait go on.
    pub fn heal(&self) {
        let mut faults = self.faults();
        faults.slowness = Duration::ZERO;
        faults.always = None;
        faults.lost = None;
        faults.next.clear();
        drop(faults);
        self.shared.stalled.send_replace(false);
    }

    /// How many calls were made, those that failed included.
    #[must_use]
    pub fn calls(&self) -> u64 {
        *self.shared.calls.borrow()
    }

    /// Waits until this many calls were made since this backend was: the way for a test to know
    /// that a call is on its way before it does the next thing.
    pub async fn reached(&self, calls: u64) {
        let mut made = self.shared.calls.subscribe();
        // The sender lives as long as this backend, so that there is nothing but the count to end
        // the wait.
        let _ = made.wait_for(|made| *made >= calls).await;
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.shared
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call and tells the error that it has to answer with, if any.
    fn fault(&self) -> Option<Error> {
        self.shared.calls.send_modify(|calls| *calls += 1);
        let mut faults = self.faults();
        faults.next.pop_front().or_else(|| faults.always.clone())
    }

    /// Makes a call, or what the faults make of it. The call owns its arguments: a stalled one is
    /// made later, when those of the caller are gone.
    fn run<'a, T: Send + 'a>(
        &'a self,
        context: CallContext,
        kind: Kind,
        call: impl FnOnce(&'a dyn CacheBackend) -> CacheFuture<'a, T> + Send + 'a,
    ) -> CacheFuture<'a, T> {
        if let Some(error) = self.fault() {
            return error.into();
        }
        if self.faults().lost == Some(self.calls()) {
            return CacheFuture::pending(async move {
                drop(call(&*self.inner).await);
                Err(timed_out(kind))
            });
        }
        let slowness = self.faults().slowness;
        if !slowness.is_zero() {
            return CacheFuture::pending(async move {
                tokio::time::sleep(slowness.min(context.timeout())).await;
                if slowness >= context.timeout() {
                    return Err(timed_out(kind));
                }
                call(&*self.inner).await
            });
        }
        let mut stalled = self.shared.stalled.subscribe();
        if !*stalled.borrow() {
            return call(&*self.inner);
        }
        CacheFuture::pending(async move {
            let healed = stalled.wait_for(|stalled| !stalled).map(|_| ());
            match tokio::time::timeout(context.timeout(), healed).await {
                Ok(()) => call(&*self.inner).await,
                Err(_) => Err(timed_out(kind)),
            }
        })
    }
}

fn timed_out(kind: Kind) -> Error {
    let error = Error::new(
        ErrorKind::Timeout,
        "the stalled backend gave no answer in time",
    );
    match kind {
        Kind::Read => error,
        Kind::Write => error.with_outcome(Outcome::Unknown),
    }
}

#[deny(clippy::missing_trait_methods)]
impl CacheBackend for FaultyBackend {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn get<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        let key = key.to_owned();
        self.run(context, Kind::Read, move |inner| inner.get(context, &key))
    }

    fn get_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
    ) -> CacheFuture<'a, Vec<Option<Value>>> {
        let keys = owned(keys);
        self.run(context, Kind::Read, move |inner| {
            inner.get_many(context, &borrowed(&keys))
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
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| {
            inner.set(context, &key, value, expiry, when)
        })
    }

    fn set_many<'a>(
        &'a self,
        context: CallContext,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> CacheFuture<'a, ()> {
        let (keys, values): (Vec<String>, Vec<Bytes>) = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .unzip();
        self.run(context, Kind::Write, move |inner| {
            let entries: Vec<_> = keys.iter().map(String::as_str).zip(values).collect();
            inner.set_many(context, &entries, expiry)
        })
    }

    fn delete<'a>(&'a self, context: CallContext, keys: &[&str]) -> CacheFuture<'a, u64> {
        let keys = owned(keys);
        self.run(context, Kind::Write, move |inner| {
            inner.delete(context, &borrowed(&keys))
        })
    }

    fn exists<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, bool> {
        let key = key.to_owned();
        self.run(context, Kind::Read, move |inner| {
            inner.exists(context, &key)
        })
    }

    fn take<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| inner.take(context, &key))
    }

    fn compare_and_set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        let (key, expected) = (key.to_owned(), expected.to_owned());
        self.run(context, Kind::Write, move |inner| {
            inner.compare_and_set(context, &key, &expected, new, expiry)
        })
    }

    fn increment<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'a, i64> {
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| {
            inner.increment(context, &key, by, expiry_if_created)
        })
    }

    fn ttl<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, TimeToLive> {
        let key = key.to_owned();
        self.run(context, Kind::Read, move |inner| inner.ttl(context, &key))
    }

    fn set_expiry<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| {
            inner.set_expiry(context, &key, expiry)
        })
    }

    fn clear<'a>(&'a self, context: CallContext, pattern: &Pattern) -> CacheFuture<'a, u64> {
        let pattern = pattern.clone();
        self.run(context, Kind::Write, move |inner| {
            inner.clear(context, &pattern)
        })
    }

    fn flights(&self) -> &Flights {
        self.inner.flights()
    }

    fn claim_life(&self) -> Option<Duration> {
        self.faults().claim_life.or_else(|| self.inner.claim_life())
    }

    fn look_up<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        look_for: LookFor,
    ) -> CacheFuture<'a, Lookup> {
        let key = key.to_owned();
        self.run(context, Kind::Read, move |inner| {
            inner.look_up(context, &key, look_for)
        })
    }

    fn claim<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'a, Claim> {
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| {
            inner.claim(context, &key, token, over)
        })
    }

    fn renew<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
    ) -> CacheFuture<'a, bool> {
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| {
            inner.renew(context, &key, token)
        })
    }

    fn publish<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'a, bool> {
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| {
            inner.publish(context, &key, token, value, keeping)
        })
    }

    fn release<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'a, bool> {
        let key = key.to_owned();
        self.run(context, Kind::Write, move |inner| {
            inner.release(context, &key, token, back_off_millis)
        })
    }

    fn look_up_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
        look_for: LookFor,
    ) -> CacheFuture<'a, Vec<Result<Lookup>>> {
        let keys = owned(keys);
        self.run(context, Kind::Read, move |inner| {
            inner.look_up_many(context, &borrowed(&keys), look_for)
        })
    }

    fn claim_many(
        &self,
        context: CallContext,
        claims: Vec<ClaimRequest>,
    ) -> CacheFuture<'_, Vec<Result<Claim>>> {
        self.run(context, Kind::Write, move |inner| {
            inner.claim_many(context, claims)
        })
    }

    fn publish_many(
        &self,
        context: CallContext,
        publications: Vec<Publication>,
    ) -> CacheFuture<'_, Vec<Result<bool>>> {
        self.run(context, Kind::Write, move |inner| {
            inner.publish_many(context, publications)
        })
    }

    fn ping(&self, context: CallContext) -> CacheFuture<'_, ()> {
        self.run(context, Kind::Read, move |inner| inner.ping(context))
    }

    fn close(&self, context: CallContext) -> CacheFuture<'_, ()> {
        self.run(context, Kind::Write, move |inner| inner.close(context))
    }
}

fn owned(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

fn borrowed(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}
