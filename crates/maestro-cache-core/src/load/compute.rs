//! `get_or_compute`: what a caller writes, and the way of a hit.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::board::{Loading, load};
use super::call::{Call, Detach, Terms};
use super::counts::LoadCounts;
use super::error::LoadError;
use super::flight::Moment;
use super::lead;
use super::loader::Loader;
use super::overrides::Overrides;
use super::policy::{LoadPolicy, RefreshEarly, StaleIfError};
use crate::cache::{Cache, Running, Started};
use crate::{Lookup, Operation, Result, Ttl};

impl Cache {
    /// The value of the key, and where there is none, the one that `loader` computes, which is then
    /// stored.
    ///
    /// However many ask at the same time, in this process or in others, the value is computed once,
    /// and all of them get it. The loader runs within the call of one of them, so it may borrow; if
    /// that call is dropped, another one goes on with its own loader. What is written or removed while the value
    /// is computed wins: those who asked get the loaded value, and the cache does not keep it. An error
    /// of the loader goes to all who wait, and is not stored.
    ///
    /// Nothing that is wrong with the cache is in the way of a value: if it cannot be asked, the
    /// loader runs, still once for all who ask in this process at the same time. A stored value that
    /// is not a `T` counts as none, and is replaced.
    ///
    /// What the loader returns says how long it is kept, by [`ttl`](GetOrCompute::ttl) here, by
    /// a [`Load`](crate::Load) that it returns, or by the handle. `docs/loads.md` tells which
    /// [policy](LoadPolicy) answers what.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), maestro_cache_core::LoadError> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use std::time::Duration;
    ///
    /// async fn name_of(id: u64) -> std::io::Result<String> {
    ///     Ok(format!("the name of {id}, from the database"))
    /// }
    ///
    /// let name = cache
    ///     .get_or_compute("user:7:name", || name_of(7))
    ///     .ttl(Duration::from_secs(60))
    ///     .await?;
    /// assert_eq!(cache.get("user:7:name").await?, Some(name));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`LoadError::Loader`] with the loader's own error, [`LoadError::Panicked`] if the loader panicked
    /// for another caller, [`LoadError::TimedOut`] if there is a [`timeout`](GetOrCompute::timeout),
    /// [`LoadError::Circular`] for a loader that asks for the value that it loads, and
    /// [`LoadError::Cache`] for an empty key or a policy that cannot be.
    ///
    /// # Panics
    ///
    /// A panic of the loader reaches its caller. The key can be loaded again at once.
    ///
    /// # Cancellation
    ///
    /// A call that is dropped leaves its load to another one that waits; without one, nothing is left of
    /// it.
    pub fn get_or_compute<'a, L: Loader>(&'a self, key: &'a str, loader: L) -> GetOrCompute<'a, L> {
        GetOrCompute {
            cache: self,
            key,
            loader,
            overrides: Overrides::default(),
            detach: None,
        }
    }

    /// What became of the loads of this process, over the backend of this handle.
    #[must_use]
    pub fn load_counts(&self) -> LoadCounts {
        self.shared().backend().flights().read_counts()
    }
}

/// A call of [`Cache::get_or_compute`], which does nothing until it is awaited.
#[must_use = "nothing is looked up until it is awaited"]
#[allow(missing_debug_implementations)] // The loader has none.
pub struct GetOrCompute<'a, L> {
    cache: &'a Cache,
    key: &'a str,
    loader: L,
    overrides: Overrides,
    detach: Option<Detach<L>>,
}

impl<L: Loader> GetOrCompute<'_, L> {
    /// Another policy than that of the handle.
    pub fn policy(mut self, policy: LoadPolicy) -> Self {
        self.overrides = Overrides::policy(policy);
        self
    }

    /// As [`LoadPolicy::ttl`].
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.overrides = self.overrides.ttl(ttl.into());
        self
    }

    /// As [`LoadPolicy::jitter`].
    pub fn jitter(self, at_most: Duration) -> Self {
        self.and(|policy| policy.jitter(at_most))
    }

    /// As [`LoadPolicy::negative_ttl`].
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.overrides = self.overrides.negative_ttl(ttl);
        self
    }

    /// As [`LoadPolicy::stale_if_error`].
    pub fn stale_if_error(self, stale: impl Into<StaleIfError>) -> Self {
        self.and(|policy| policy.stale_if_error(stale))
    }

    /// As [`LoadPolicy::timeout`].
    pub fn timeout(self, after: Duration) -> Self {
        self.and(|policy| policy.timeout(after))
    }

    /// As [`LoadPolicy::wait_for_others`].
    pub fn wait_for_others(self, at_most: Duration) -> Self {
        self.and(|policy| policy.wait_for_others(at_most))
    }
}

/// What may go on without the caller, on Tokio's runtime: the loader borrows nothing.
impl<L> GetOrCompute<'_, L>
where
    L: Loader + 'static,
    L::Value: 'static,
{
    /// Lets the policy of the handle load in the background, where it asks for that.
    pub fn in_background(mut self) -> Self {
        self.detach = Some(lead::detach);
        self
    }

    /// As [`LoadPolicy::stale_while_revalidate`].
    pub fn stale_while_revalidate(self, stale: Duration) -> Self {
        self.and(|policy| policy.stale_while_revalidate(stale))
            .in_background()
    }

    /// As [`LoadPolicy::soft_timeout`].
    pub fn soft_timeout(self, after: Duration) -> Self {
        self.and(|policy| policy.soft_timeout(after))
            .in_background()
    }

    /// As [`LoadPolicy::refresh_early`].
    pub fn refresh_early(self, refresh: RefreshEarly) -> Self {
        self.and(|policy| policy.refresh_early(refresh))
            .in_background()
    }
}

impl<L> GetOrCompute<'_, L> {
    fn and(mut self, change: impl FnOnce(LoadPolicy) -> LoadPolicy) -> Self {
        self.overrides = self
            .overrides
            .and(self.cache.shared().load_policy(), change);
        self
    }

    /// The policy, but for how long values live.
    #[inline]
    fn policy_but_for_ttls(&self) -> &LoadPolicy {
        self.overrides
            .but_for_ttls(self.cache.shared().load_policy())
    }

    /// A live value that is there. One that is due to be loaded again goes the long way.
    #[inline]
    fn served<T: DeserializeOwned>(&self, found: &Result<Lookup>) -> Option<T> {
        let Ok(Lookup::Fresh { value, age }) = found else {
            return None;
        };
        if age.is_some_and(|age| self.policy_but_for_ttls().is_due(age)) {
            return None;
        }
        self.cache.codec().decode(value.bytes()).ok()
    }
}

impl<'a, L: Loader + 'a> IntoFuture for GetOrCompute<'a, L> {
    type Output = Result<L::Value, LoadError>;
    type IntoFuture = Computing<'a, L, L::Value>;

    fn into_future(self) -> Self::IntoFuture {
        Computing {
            call: Some(self),
            state: State::Begun,
        }
    }
}

/// A [`GetOrCompute`] on its way to a `T`.
///
/// Its type names the value by itself, and not as what the loader loads: to see that this can be sent to
/// another thread, the compiler need not look at the loader's error, where it takes a `'static` for
/// [any lifetime](https://github.com/rust-lang/rust/issues/110338) and would refuse a boxed error.
#[must_use = "a future does nothing until it is awaited"]
#[allow(missing_debug_implementations)] // The loader has none.
pub struct Computing<'a, L, T> {
    /// There until it is loaded or over. It stays where it is for as long as it can: a hit is so quick that
    /// moving it about is much of what it costs.
    call: Option<GetOrCompute<'a, L>>,
    state: State<'a, T>,
}

type Finish = fn(Lookup) -> Result<Lookup>;

enum State<'a, T> {
    Begun,
    LookingUp(Moment, Instant, Running<'a, Lookup, Finish>),
    Loading(Loading<'a, T>),
    Over,
}

// Nothing is pinned in place: the call is only moved out, and the rest is `Unpin`.
impl<L, T> Unpin for Computing<'_, L, T> {}

impl<'a, L, T> Future for Computing<'a, L, T>
where
    L: Loader<Value = T> + 'a,
    T: DeserializeOwned,
{
    type Output = Result<T, LoadError>;

    #[allow(clippy::panic)] // Only for a caller who polls on after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (since, found, spent) = match (&mut this.state, &this.call) {
            (State::Loading(loading), _) => return loading.as_mut().poll(context),
            (State::LookingUp(since, began, running), _) => {
                let found = ready!(Pin::new(running).poll(context));
                (*since, found, began.elapsed())
            }
            (State::Begun, Some(call)) => {
                let shared = call.cache.shared();
                let since = shared.backend().flights().now();
                let policy = call.policy_but_for_ttls();
                let look_for = policy.look_for();
                let timeout = policy.timeout;
                let started = shared.start(
                    Operation::GetOrCompute,
                    Some(call.key),
                    |backend, context, key| {
                        backend.look_up(context.at_most(timeout), key, look_for)
                    },
                    Ok as Finish,
                );
                match started {
                    Started::Done(found) => (since, found, Duration::ZERO),
                    Started::Running(mut running) => match Pin::new(&mut running).poll(context) {
                        Poll::Ready(found) => (since, found, Duration::ZERO),
                        Poll::Pending => {
                            this.state = State::LookingUp(since, Instant::now(), running);
                            return Poll::Pending;
                        }
                    },
                }
            }
            (State::Begun | State::Over, _) => panic!("a load was polled after completion"),
        };
        this.state = State::Over;
        if let Some(value) = this.call.as_ref().and_then(|call| call.served(&found)) {
            return Poll::Ready(Ok(value));
        }
        let Some(call) = this.call.take() else {
            panic!("a load was polled after completion");
        };
        let mut loading = begin(call, since, found, spent);
        let polled = loading.as_mut().poll(context);
        if polled.is_pending() {
            this.state = State::Loading(loading);
        }
        polled
    }
}

#[cold] // Beside a hit it is long.
fn begin<'a, L: Loader + 'a>(
    call: GetOrCompute<'a, L>,
    since: Moment,
    found: Result<Lookup>,
    spent: Duration,
) -> Loading<'a, L::Value> {
    let policy = call.overrides.over(call.cache.shared().load_policy());
    let terms = Terms::new(call.cache, call.key, policy);
    let terms = Box::new(terms);
    let call = Call {
        loader: call.loader,
        terms,
        detach: call.detach,
    };
    load(call, since, found, spent)
}
