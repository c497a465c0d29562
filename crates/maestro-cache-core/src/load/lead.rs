//! Whoever loads a value: claims its key, runs the loader, stores what it returns, and tells all who
//! wait.

use std::future::{Future, pending, poll_fn};
use std::num::NonZeroU64;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use super::budget::Budget;
use super::call::{Call, Old, Terms};
use super::error::LoadError;
use super::flight::{Fence, Landing};
use super::led::{Led, Waiting};
use super::loaded::{Load, Word, is_zero};
use super::loader::Loader;
use super::nesting::within;
use crate::{Claim, ClaimOver, Expiry, Keeping, LoadToken, LookFor, Lookup, Outcome, Result, Ttl};

/// How often a key is claimed anew whose value cannot be read and was replaced by another one like it.
const MOST_UNREADABLE: u32 = 3;

/// Before looking whether another process has loaded the value; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A load that can begin.
pub(super) struct Departure {
    pub(super) led: Led,
    pub(super) errand: Errand,
    pub(super) over: ClaimOver,
    pub(super) old: Option<Old>,
    pub(super) cache: Condition,
    /// What is left of the time that the cache may take.
    pub(super) budget: Budget,
}

/// What the value is loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// To be returned to whoever asked.
    Answer,
    /// To be stored, and to be had by those who ask later.
    Refresh,
}

/// Whether the cache could be asked when the value was looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Fine,
    InTrouble,
}

impl Departure {
    pub(super) fn waiting(&mut self) -> Option<Waiting> {
        self.led.waiting()
    }
}

/// Lets a load go on in a task of its own.
pub(super) fn detach<L>(call: Call<L>, departure: Departure) -> Option<(Call<L>, Departure)>
where
    L: Loader + 'static,
    L::Value: 'static,
{
    let Ok(runtime) = Handle::try_current() else {
        return Some((call, departure));
    };
    runtime.spawn(async move {
        // Those who wait are told, and the value has been stored.
        drop(lead(call, departure).await);
    });
    None
}

/// Loads the value. What that needs stands in one place, and not in each future that uses it.
pub(super) fn lead<L: Loader>(
    call: Call<L>,
    departure: Departure,
) -> impl Future<Output = Result<L::Value, LoadError>> + Send {
    let Call { loader, terms, .. } = call;
    let Departure {
        led,
        errand,
        over,
        old,
        cache,
        budget,
    } = departure;
    let mut lead = Lead {
        terms,
        led,
        token: None,
        old,
        took: None,
        budget,
    };
    async move {
        match cache {
            Condition::Fine => match lead.claim(over).await {
                Claimed::Under(token) => lead.token = Some(token),
                // Nobody would get to see it.
                Claimed::Not if errand == Errand::Refresh && !lead.led.is_awaited() => {
                    lead.led.land(Landing::Unshared);
                    return Err(LoadError::LeftOut);
                }
                Claimed::Not => {}
                // A value was there when this was asked. Some of those who wait may have come after it
                // was removed again, and look for themselves.
                Claimed::Refused(value) => {
                    lead.led.land(Landing::Unshared);
                    return Ok(value);
                }
            },
            // Whoever led this load before may have left a claim, under which nothing will be stored.
            Condition::InTrouble => {
                if let Some(token) = lead.led.token() {
                    lead.terms.home.let_go(token);
                }
            }
        }
        match lead.run(loader).await {
            Ok(loaded) => lead.end_with(loaded).await,
            Err(LoadError::LeftOut) => lead.end_left_out().await,
            Err(error) => lead.end_without(error).await,
        }
    }
}

/// A load, from its claim to its end.
struct Lead {
    terms: Box<Terms>,
    led: Led,
    token: Option<LoadToken>,
    old: Option<Old>,
    took: Option<Duration>,
    budget: Budget,
}

/// What came of claiming a key.
enum Claimed<T> {
    Under(LoadToken),
    /// The value is loaded all the same, and not stored.
    Not,
    /// There is this: a value that was stored meanwhile, or an old one, and the source has just failed.
    Refused(T),
}

impl Lead {
    /// Claims the key. Where another process has, this waits until it has loaded the value or is gone.
    async fn claim<T: DeserializeOwned>(&mut self, mut over: ClaimOver) -> Claimed<T> {
        let Self {
            terms, led, budget, ..
        } = self;
        if let Some(token) = led.token() {
            // Who led this load before had claimed the key, and this is the same load.
            let ask = |context| terms.backend().renew(context, &terms.home.key, token);
            if let Ok(true) = budget.spend(ask).await {
                return Claimed::Under(token);
            }
            terms.home.let_go(token);
        }
        let token = LoadToken::new();
        // Before it is granted: whoever leaves in the middle lets go of what is granted afterwards.
        led.ask_for(token);
        let mut unreadable = 0;
        let mut waits_since = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let found = match terms.claim(budget, token, over.clone()).await {
                Ok(Claim::Granted) => return Claimed::Under(token),
                Ok(Claim::Refused(found)) => found,
                Err(error) => {
                    terms.note("claimed it", &error);
                    // It may have been granted, and nobody would know of it.
                    if error.outcome() != Outcome::NotApplied {
                        terms.home.let_go(token);
                    }
                    return Claimed::Not;
                }
            };
            match found {
                Lookup::Fresh { value, .. } => match terms.decode(value.bytes()) {
                    Some(decoded) => return Claimed::Refused(decoded),
                    None if unreadable == MOST_UNREADABLE => return Claimed::Not,
                    None => {
                        unreadable += 1;
                        over = ClaimOver::Unreadable(value.into_bytes());
                        continue;
                    }
                },
                Lookup::Stale {
                    value,
                    stale_for,
                    held: Some(crate::Held::BackingOff),
                } => {
                    let old = Old::new(value, stale_for);
                    let value = terms.instead_of_error(Some(&old));
                    return value.map_or(Claimed::Not, Claimed::Refused);
                }
                Lookup::Stale { .. } | Lookup::Missing { .. } => {}
            }
            let waits_since = waits_since.get_or_insert_with(Instant::now);
            if waits_since.elapsed() >= terms.policy.wait_for_others
                || Handle::try_current().is_err()
            {
                return Claimed::Not;
            }
            let idle = terms.idle();
            sleep(pause).await;
            drop(idle);
            pause = LONGEST_PAUSE.min(2 * pause);
            // To wait for others is part of loading. What the cache takes for it is not held against it.
            *budget = terms.budget();
        }
    }

    /// Runs the loader, and keeps the claim alive meanwhile.
    async fn run<L: Loader>(&mut self, loader: L) -> Result<Load<L::Value>, LoadError> {
        let Self {
            terms, led, token, ..
        } = self;
        led.begin(*token);
        terms.flights().counts().note_load();
        // To ask for the time takes some, and few want to know.
        let began = terms.policy.refresh_early.map(|_| Instant::now());
        let call = led.call();
        let mut loading = pin!(loader.load());
        let mut keeping_alive = pin!(keep_alive(terms, *token));
        let loaded = poll_fn(|context| {
            let poll = || within(call, || loading.as_mut().poll(context));
            if let Poll::Ready(loaded) = led.run(poll) {
                return Poll::Ready(loaded);
            }
            // It never ends by itself.
            let _: Poll<()> = keeping_alive.as_mut().poll(context);
            Poll::Pending
        })
        .await;
        self.took = began.map(|began| began.elapsed());
        loaded
    }

    async fn end_with<T>(&mut self, loaded: Load<T>) -> Result<T, LoadError>
    where
        T: Serialize + DeserializeOwned,
    {
        match loaded.word.zero_keeps_nothing() {
            Word::Store(value, ttl) => {
                let landing = match self.terms.codec.encode(&value) {
                    Ok(bytes) => {
                        let ttl = ttl.or_else(|| self.ttl_of_nothing(&bytes));
                        self.publish(bytes.clone(), ttl).await;
                        Landing::Value(bytes)
                    }
                    Err(error) => {
                        self.terms.note("encoded it", &error);
                        self.release(None).await;
                        Landing::Unshareable
                    }
                };
                self.led.land(landing);
                Ok(value)
            }
            Word::Transient(value) => {
                self.release(None).await;
                let bytes = self.terms.codec.encode(&value);
                self.led
                    .land(bytes.map_or(Landing::Unshareable, Landing::Value));
                Ok(value)
            }
            Word::NotModified(ttl) => match self.what_is_there().await {
                Some((value, bytes)) => {
                    if ttl.is_some_and(is_zero) {
                        self.release(None).await;
                    } else {
                        self.publish(bytes.clone(), ttl).await;
                    }
                    self.led.land(Landing::Value(bytes));
                    Ok(value)
                }
                None => self.end_without(LoadError::NothingToKeep).await,
            },
        }
    }

    /// The value that the loader says is still right: the one that is stored now, and not one that this
    /// call saw before it had claimed the key.
    async fn what_is_there<T: DeserializeOwned>(&mut self) -> Option<(T, Bytes)> {
        let home = &self.terms.home;
        let ask = |context| {
            let look_for = LookFor::FreshOrStale;
            home.backend.look_up(context, &home.key, look_for)
        };
        let value = match self.budget.spend(ask).await {
            Ok(Lookup::Fresh { value, .. } | Lookup::Stale { value, .. }) => value.into_bytes(),
            Ok(Lookup::Missing { .. }) => return None,
            Err(error) => {
                self.terms.note("looked for what is not modified", &error);
                self.old.take()?.bytes
            }
        };
        Some((self.terms.decode(&value)?, value))
    }

    /// Nothing is known of the value, so those who wait find out for themselves.
    async fn end_left_out<T>(&mut self) -> Result<T, LoadError> {
        self.release(None).await;
        self.led.land(Landing::LeftOut);
        Err(LoadError::LeftOut)
    }

    async fn end_without<T: DeserializeOwned>(&mut self, error: LoadError) -> Result<T, LoadError> {
        self.terms.flights().counts().note_failure();
        let old = self.old.take();
        let is_of_use = self.terms.instead_of_error::<T>(old.as_ref()).is_some();
        let back_off = longest(self.terms.policy.if_error.back_off).filter(|_| is_of_use);
        let fence = self.release(back_off).await;
        self.led.land(Landing::Failed(error.clone(), fence));
        self.terms.after_failure(old.as_ref(), error, fence)
    }

    /// How long it is known that there is nothing, if that is what was loaded.
    fn ttl_of_nothing(&self, value: &[u8]) -> Option<Ttl> {
        let ttl = self.terms.policy.negative_ttl?;
        self.terms.codec.is_null(value).then_some(Ttl::After(ttl))
    }

    /// Stores what was loaded, unless something came in between.
    async fn publish(&mut self, value: Bytes, ttl: Option<Ttl>) {
        let Some(token) = self.token.take() else {
            return;
        };
        let keeping = match self.keeping(ttl) {
            Ok(keeping) => keeping,
            Err(error) => {
                self.terms.note("was told how long to keep it", &error);
                self.token = Some(token);
                self.release(None).await;
                return;
            }
        };
        let publish = self.terms.publish(&mut self.budget, token, value, keeping);
        match publish.await {
            Ok(true) => {}
            Ok(false) => self.terms.flights().counts().note_not_kept(),
            Err(error) => {
                self.terms.note("stored it", &error);
                // Nothing is left to be claimed if it was stored all the same.
                self.terms.home.let_go(token);
            }
        }
    }

    fn keeping(&self, ttl: Option<Ttl>) -> Result<Keeping> {
        let policy = &self.terms.policy;
        let expiry = ttl.unwrap_or(policy.ttl);
        let expiry = policy.jittered(expiry.resolve(self.terms.default_expiry)?);
        let stale_millis = longest(policy.stale_window());
        Ok(Keeping {
            expiry,
            stale_millis,
            cost: self.took,
        })
    }

    /// Ends the claim, and tells whether it still held.
    async fn release(&mut self, back_off: Option<NonZeroU64>) -> Fence {
        let Some(token) = self.token.take() else {
            return Fence::Intact;
        };
        let home = &self.terms.home;
        let ask = |context| home.backend.release(context, &home.key, token, back_off);
        match self.budget.spend(ask).await {
            Ok(false) => Fence::Broken,
            Ok(true) => Fence::Intact,
            Err(error) => {
                self.terms.note("released it", &error);
                Fence::Intact
            }
        }
    }
}

/// Renews the claim three times as often as needed, however long each renewal takes. Never ready.
async fn keep_alive(terms: &Terms, token: Option<LoadToken>) {
    let (Some(token), Some(life)) = (token, terms.backend().claim_life()) else {
        return pending().await;
    };
    if Handle::try_current().is_err() {
        return pending().await;
    }
    let period = life / 3;
    let mut due = interval_at(Instant::now() + period, period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let ask = |context| terms.backend().renew(context, &terms.home.key, token);
        // One that is broken stays broken. What went wrong otherwise may be well the next time.
        if let Ok(false) = terms.budget_of(period).spend(ask).await {
            return pending().await;
        }
    }
}

/// So many milliseconds, or as many as there can be. None if there is nothing to count.
fn longest(duration: Duration) -> Option<NonZeroU64> {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    NonZeroU64::new(millis.min(Expiry::MAX_MILLIS))
}
