//! The trait that a backend implements, in bytes.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::{
    CacheFuture, CallContext, Claim, ClaimOver, ClaimRequest, Expiry, Flights, Keeping, LoadToken,
    LookFor, Lookup, Pattern, Publication, Result, TimeToLive, Value,
};

/// When a write takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetWhen {
    /// Always; value and expiry are replaced.
    Always,
    /// Only if there is no live entry; an entry that is there keeps its value and its expiry.
    Absent,
}

/// A place that stores bytes under keys: what the author of a backend implements.
///
/// The handle has done its part before a method here is called: keys carry their prefix and are
/// not empty, values are bytes, expiries are checked and no default is left to apply. A backend
/// never alters a key, never looks into a value except as `increment` and `compare_and_set` demand
/// it, and never logs one.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// use maestro_cache_core::{Bytes, CacheBackend, CallContext, Expiry, SetWhen, Value};
/// use maestro_cache_testkit::ModelBackend; // also the shortest example of an implementation
/// use std::time::Duration;
///
/// // What `cache.set_bytes("key", "value")` amounts to, on a handle with the prefix `myservice:`.
/// let (key, value) = ("myservice:key", Bytes::from_static(b"value"));
/// let context = CallContext::new(Duration::from_secs(1));
/// let backend = ModelBackend::new();
/// let stored = backend.set(context, key, value.clone(), Expiry::Never, SetWhen::Always).await?;
/// assert!(stored);
/// assert_eq!(backend.get(context, key).await?.map(Value::into_bytes), Some(value));
/// # Ok(())
/// # }
/// ```
///
/// # The contract
///
/// *Redis' semantics where Redis has them*, spelt out on each method. On every one of them:
///
/// - **Per key, linearizable.** Each call takes effect at one instant between its start and its
///   end. A read-modify-write never loses a concurrent write. A batch is one operation on each
///   of its keys, also on one that it names twice.
/// - **Expired is gone.** At `now >= deadline` an entry is missing for every method and is counted
///   by none.
/// - **A miss is no error, an error is no miss.** What went wrong is `Err`, never `None`, zero or
///   `false`.
/// - **In time.** The future resolves within [`CallContext::timeout`], if need be with
///   [`ErrorKind::Timeout`](crate::ErrorKind::Timeout); a failed write says by its
///   [`Outcome`](crate::Outcome) whether it may have happened.
/// - **Cancellation.** A future that is dropped leaks nothing and disturbs no other call.
/// - **Loads are unseen.** Neither a claim nor a value that is only of use to loads any more is seen by
///   another method than those of loads, and every write or removal of a key ends its claim.
/// - **Closed is closed.** After [`close`](CacheBackend::close) every other method answers
///   [`Error::closed`](crate::Error::closed), for empty batches too.
/// - **Nothing before the first poll, or all of it.** A method may do its work at once and return
///   [`CacheFuture::ready`]: the handle calls it only when its own future is polled.
///
/// The crate `maestro-cache-testkit` turns all of this into one named test a promise; see
/// `docs/adding-a-backend.md`. Methods that are added later come with a default.
pub trait CacheBackend: fmt::Debug + Send + Sync + 'static {
    /// A short name in lower case for errors, spans and health checks, such as `redis`.
    fn name(&self) -> &'static str;

    /// The live value of the key.
    fn get<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>>;

    /// The live values of the keys, in the order asked for, one for each, duplicates repeated.
    fn get_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
    ) -> CacheFuture<'a, Vec<Option<Value>>>;

    /// Stores the value, its expiry replacing the former one. True if it was stored; false only
    /// with [`SetWhen::Absent`], over a live entry, which stays as it is.
    fn set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        value: Bytes,
        expiry: Expiry,
        when: SetWhen,
    ) -> CacheFuture<'a, bool>;

    /// Stores all entries with the same expiry; of entries with the same key the last one wins.
    fn set_many<'a>(
        &'a self,
        context: CallContext,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> CacheFuture<'a, ()>;

    /// Removes the keys and counts the live entries that were removed.
    fn delete<'a>(&'a self, context: CallContext, keys: &[&str]) -> CacheFuture<'a, u64>;

    /// True if there is a live entry. May count as use for an eviction order.
    fn exists<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, bool>;

    /// Removes the entry and returns its value, atomically.
    fn take<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>>;

    /// Stores the new value and expiry if the live value equals `expected` byte for byte,
    /// atomically. False if it does not or if there is none; then nothing changes.
    fn compare_and_set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool>;

    /// Adds to the decimal integer that is stored and returns the sum, atomically. The remaining
    /// time to live stays. A missing entry counts as 0 and is created with `expiry_if_created`.
    ///
    /// [`ErrorKind::NotAnInteger`](crate::ErrorKind::NotAnInteger) unless the value is the
    /// canonical decimal text of an `i64`, [`ErrorKind::Overflow`](crate::ErrorKind::Overflow) if
    /// the sum is not an `i64`; in both cases nothing changes.
    fn increment<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'a, i64>;

    /// The remaining time of the entry. May count as use for an eviction order.
    fn ttl<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, TimeToLive>;

    /// Changes the expiry and leaves the value alone. With [`Expiry::AfterMillis`]: true if there
    /// is a live entry. With [`Expiry::Never`]: true if there was an expiry to remove.
    fn set_expiry<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool>;

    /// Removes every entry that the pattern selects and counts the live ones among them.
    ///
    /// No selected entry that was there before the call is left after it; one that is written
    /// meanwhile may go or stay. A stored key is selected if [`Pattern::selects`] says so.
    fn clear<'a>(&'a self, context: CallContext, pattern: &Pattern) -> CacheFuture<'a, u64>;

    /// The loads that are under way in this process, which all handles on this backend share.
    fn flights(&self) -> &Flights;

    /// For how long a claim holds that is not renewed. None if it holds until it is released, where
    /// whoever claims cannot end without that, as within one process.
    fn claim_life(&self) -> Option<Duration>;

    /// What there is under the key for a load: a live value, a stale one, and who is at it.
    ///
    /// Who is at a key without a live value has to be said whatever is looked for: a claim that is not seen
    /// is broken, and nobody joins its load any more.
    ///
    /// Neither a stale value nor a claim is seen by any other method.
    fn look_up<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        look_for: LookFor,
    ) -> CacheFuture<'a, Lookup>;

    /// Claims the key for a load, unless there is a live value or somebody else has claimed it.
    ///
    /// The claim ends with every write or removal of the key, also where there was nothing to remove,
    /// with every `set_expiry` and `clear` that concern it, and when a stale value that it was made
    /// over is gone: whoever comes next may claim it again.
    fn claim<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'a, Claim>;

    /// Lets the claim hold for another [`claim_life`](CacheBackend::claim_life). False if it does not
    /// hold any more.
    fn renew<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
    ) -> CacheFuture<'a, bool>;

    /// Stores what was loaded, and ends the claim, if it still holds. False if it does not; then
    /// nothing changes.
    fn publish<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'a, bool>;

    /// Ends the claim, if it still holds, and leaves what is stored as it is. False if it does not
    /// hold any more. With a back-off, nobody can claim the key for so many milliseconds, as long as
    /// there is a stale value to be served.
    fn release<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'a, bool>;

    /// [`look_up`](CacheBackend::look_up) for each of the keys, at the same time.
    ///
    /// Each has an answer of its own, in the order of the keys; an error of the call says that nothing is
    /// known of any. What [`get_many`](CacheBackend::get_many) shows as missing may be missing here.
    ///
    /// The default makes a call for each key. A backend that is far away had better ask for all of them in
    /// one message, and one of several servers should know what those say that answer, whatever becomes
    /// of the others.
    fn look_up_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
        look_for: LookFor,
    ) -> CacheFuture<'a, Vec<Result<Lookup>>> {
        let keys: Vec<Box<str>> = keys.iter().map(|key| (*key).into()).collect();
        for_each(context, keys, move |context, key| {
            self.look_up(context, &key, look_for)
        })
    }

    /// [`claim`](CacheBackend::claim) for each of the keys, at the same time and each with an answer of its
    /// own, in their order. The default asks for each of them.
    fn claim_many(
        &self,
        context: CallContext,
        claims: Vec<ClaimRequest>,
    ) -> CacheFuture<'_, Vec<Result<Claim>>> {
        for_each(context, claims, |context, each| {
            self.claim(context, &each.key, each.token, each.over)
        })
    }

    /// [`publish`](CacheBackend::publish) for each of the keys, at the same time and each with an answer of
    /// its own, in their order. The default asks for each of them.
    fn publish_many(
        &self,
        context: CallContext,
        publications: Vec<Publication>,
    ) -> CacheFuture<'_, Vec<Result<bool>>> {
        for_each(context, publications, |context, each| {
            self.publish(context, &each.key, each.token, each.value, each.keeping)
        })
    }

    /// Answers if the backend is able to serve.
    fn ping(&self, context: CallContext) -> CacheFuture<'_, ()>;

    /// Ends the backend for all who share it, and releases what it holds. May be called again.
    fn close(&self, context: CallContext) -> CacheFuture<'_, ()>;
}

/// A shared backend is a backend: two handles may be built over one, and a test may keep it.
#[deny(clippy::missing_trait_methods)]
impl<B: CacheBackend + ?Sized> CacheBackend for Arc<B> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn get<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        (**self).get(context, key)
    }

    fn get_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
    ) -> CacheFuture<'a, Vec<Option<Value>>> {
        (**self).get_many(context, keys)
    }

    fn set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        value: Bytes,
        expiry: Expiry,
        when: SetWhen,
    ) -> CacheFuture<'a, bool> {
        (**self).set(context, key, value, expiry, when)
    }

    fn set_many<'a>(
        &'a self,
        context: CallContext,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> CacheFuture<'a, ()> {
        (**self).set_many(context, entries, expiry)
    }

    fn delete<'a>(&'a self, context: CallContext, keys: &[&str]) -> CacheFuture<'a, u64> {
        (**self).delete(context, keys)
    }

    fn exists<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, bool> {
        (**self).exists(context, key)
    }

    fn take<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, Option<Value>> {
        (**self).take(context, key)
    }

    fn compare_and_set<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        (**self).compare_and_set(context, key, expected, new, expiry)
    }

    fn increment<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        by: i64,
        expiry_if_created: Expiry,
    ) -> CacheFuture<'a, i64> {
        (**self).increment(context, key, by, expiry_if_created)
    }

    fn ttl<'a>(&'a self, context: CallContext, key: &str) -> CacheFuture<'a, TimeToLive> {
        (**self).ttl(context, key)
    }

    fn set_expiry<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        (**self).set_expiry(context, key, expiry)
    }

    fn clear<'a>(&'a self, context: CallContext, pattern: &Pattern) -> CacheFuture<'a, u64> {
        (**self).clear(context, pattern)
    }

    fn flights(&self) -> &Flights {
        (**self).flights()
    }

    fn claim_life(&self) -> Option<Duration> {
        (**self).claim_life()
    }

    fn look_up<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        look_for: LookFor,
    ) -> CacheFuture<'a, Lookup> {
        (**self).look_up(context, key, look_for)
    }

    fn claim<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        over: ClaimOver,
    ) -> CacheFuture<'a, Claim> {
        (**self).claim(context, key, token, over)
    }

    fn renew<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
    ) -> CacheFuture<'a, bool> {
        (**self).renew(context, key, token)
    }

    fn publish<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> CacheFuture<'a, bool> {
        (**self).publish(context, key, token, value, keeping)
    }

    fn release<'a>(
        &'a self,
        context: CallContext,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> CacheFuture<'a, bool> {
        (**self).release(context, key, token, back_off_millis)
    }

    fn look_up_many<'a>(
        &'a self,
        context: CallContext,
        keys: &[&str],
        look_for: LookFor,
    ) -> CacheFuture<'a, Vec<Result<Lookup>>> {
        (**self).look_up_many(context, keys, look_for)
    }

    fn claim_many(
        &self,
        context: CallContext,
        claims: Vec<ClaimRequest>,
    ) -> CacheFuture<'_, Vec<Result<Claim>>> {
        (**self).claim_many(context, claims)
    }

    fn publish_many(
        &self,
        context: CallContext,
        publications: Vec<Publication>,
    ) -> CacheFuture<'_, Vec<Result<bool>>> {
        (**self).publish_many(context, publications)
    }

    fn ping(&self, context: CallContext) -> CacheFuture<'_, ()> {
        (**self).ping(context)
    }

    fn close(&self, context: CallContext) -> CacheFuture<'_, ()> {
        (**self).close(context)
    }
}

/// So many calls of a default are under way at once, so that there is room for others.
const AT_ONCE: usize = 512;

/// Makes a call for each, all of them within the time of one.
fn for_each<'a, Q: Send + 'a, A: Send + 'a>(
    context: CallContext,
    questions: Vec<Q>,
    ask: impl Fn(CallContext, Q) -> CacheFuture<'a, A> + Send + 'a,
) -> CacheFuture<'a, Vec<Result<A>>> {
    let began = Instant::now();
    let calls = stream::iter(questions).map(move |question| {
        let left = context.timeout().saturating_sub(began.elapsed());
        ask(CallContext::new(left), question)
    });
    CacheFuture::pending(async move { Ok(calls.buffered(AT_ONCE).collect().await) })
}
