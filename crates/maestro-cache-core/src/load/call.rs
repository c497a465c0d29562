//! A call that found no value: what it needs to go on, if need be without its caller.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::budget::Budget;
use super::crew::{Crew, Idle};
use super::error::LoadError;
use super::flight::{Evidence, Fence, Flights};
use super::lead::Departure;
use super::led::Home;
use super::policy::LoadPolicy;
use crate::cache::Cache;
use crate::key::with_stored;
use crate::{
    CacheBackend, Claim, ClaimOver, ClaimRequest, Codec, Error, Expiry, Held, Keeping, LoadToken,
    Lookup, Publication, Result, Value,
};

pub(super) struct Call<L> {
    pub(super) loader: L,
    /// In a box, since it goes from hand to hand.
    pub(super) terms: Box<Terms>,
    pub(super) detach: Option<Detach<L>>,
}

/// All of a call but its loader.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) policy: LoadPolicy,
    pub(super) home: Home,
    pub(super) codec: Codec,
    pub(super) default_expiry: Expiry,
    /// The others of its batch, if it is part of one.
    pub(super) crew: Option<Arc<Crew>>,
}

/// Lets a load go on in the background. Gives everything back where there is no runtime to do it.
pub(super) type Detach<L> = fn(Call<L>, Departure) -> Option<(Call<L>, Departure)>;

/// A value that was live before.
#[derive(Clone)]
pub(super) struct Old {
    pub(super) bytes: Bytes,
    stale_for: Duration,
    /// When it had been stale for so long.
    seen: Instant,
}

impl Old {
    pub(super) fn new(value: Value, stale_for: Duration) -> Self {
        Self {
            bytes: value.into_bytes(),
            stale_for,
            seen: Instant::now(),
        }
    }
}

impl Terms {
    pub(super) fn new(cache: &Cache, key: &str, policy: LoadPolicy) -> Self {
        let shared = cache.shared();
        Self {
            policy,
            home: Home {
                backend: Arc::clone(shared.backend()),
                key: with_stored(cache.key_prefix(), key, |key| key.into()),
                timeout: cache.timeout(),
            },
            codec: cache.codec(),
            default_expiry: cache.default_expiry(),
            crew: None,
        }
    }

    pub(super) fn backend(&self) -> &dyn CacheBackend {
        &*self.home.backend
    }

    pub(super) fn flights(&self) -> &Flights {
        self.backend().flights()
    }

    pub(super) fn budget(&self) -> Budget {
        Budget::new(self.home.timeout, self.crew.clone())
    }

    /// One that is no more than that.
    pub(super) fn budget_of(&self, at_most: Duration) -> Budget {
        Budget::new(self.home.timeout.min(at_most), self.crew.clone())
    }

    /// To be held while it waits for what others do.
    pub(super) fn idle(&self) -> Option<Idle> {
        self.crew.as_ref().map(Crew::idle)
    }

    pub(super) async fn look_up(&self, budget: &mut Budget) -> Result<Lookup> {
        let look_for = self.policy.look_for();
        let ask = |context| self.backend().look_up(context, &self.home.key, look_for);
        match budget.spend(ask).await? {
            // Whether to load it again early, chance has decided once for this call.
            Lookup::Fresh { value, .. } => Ok(Lookup::Fresh { value, age: None }),
            found => Ok(found),
        }
    }

    pub(super) async fn claim(
        &self,
        budget: &mut Budget,
        token: LoadToken,
        over: ClaimOver,
    ) -> Result<Claim> {
        let key = &self.home.key;
        let Some(crew) = &self.crew else {
            let ask = |context| self.backend().claim(context, key, token, over);
            return budget.spend(ask).await;
        };
        let request = ClaimRequest {
            key: Arc::clone(key),
            token,
            over,
        };
        let ask = |context| crew.claims.ask(context, request);
        // In a box, or the future of a load on its own would be as large.
        Box::pin(budget.spend_together(ask)).await
    }

    pub(super) async fn publish(
        &self,
        budget: &mut Budget,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> Result<bool> {
        let key = &self.home.key;
        let Some(crew) = &self.crew else {
            let ask = |context| self.backend().publish(context, key, token, value, keeping);
            return budget.spend(ask).await;
        };
        let publication = Publication {
            key: Arc::clone(key),
            token,
            value,
            keeping,
        };
        let ask = |context| crew.publications.ask(context, publication);
        // In a box, or the future of a load on its own would be as large.
        Box::pin(budget.spend_together(ask)).await
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, bytes: &Bytes) -> Option<T> {
        self.codec.decode(bytes).ok()
    }

    /// The old value, if it is not too old to be served while another one is loaded.
    pub(super) fn while_revalidating<T: DeserializeOwned>(&self, old: Option<&Old>) -> Option<T> {
        self.serve(old, self.policy.while_revalidating)
    }

    /// The old value, if it is not too old to be served in place of an error.
    pub(super) fn instead_of_error<T: DeserializeOwned>(&self, old: Option<&Old>) -> Option<T> {
        self.serve(old, self.policy.if_error.within)
    }

    /// What somebody gets who waited for a load that failed: what was invalidated meanwhile is not served.
    pub(super) fn after_failure<T: DeserializeOwned>(
        &self,
        old: Option<&Old>,
        error: LoadError,
        fence: Fence,
    ) -> Result<T, LoadError> {
        match fence {
            Fence::Intact => self.instead_of_error(old).ok_or(error),
            Fence::Broken => Err(error),
        }
    }

    /// How long to wait for a new value, and the old one, if that may be served afterwards.
    pub(super) fn after_soft_timeout<T: DeserializeOwned>(
        &self,
        old: Option<&Old>,
    ) -> Option<(Duration, T)> {
        let after = self.policy.soft_timeout?;
        // It is served no earlier than that.
        let within = self.policy.stale_window().saturating_sub(after);
        Some((after, self.serve(old, within)?))
    }

    fn serve<T: DeserializeOwned>(&self, old: Option<&Old>, within: Duration) -> Option<T> {
        let is_of_use = |old: &&Old| old.stale_for < within.saturating_sub(old.seen.elapsed());
        self.decode(&old.filter(is_of_use)?.bytes)
    }

    /// Tells of trouble with the cache, which the caller does not see.
    pub(super) fn note(&self, while_it: &'static str, error: &Error) {
        self.flights().counts().note_trouble();
        tracing::debug!(
            target: "maestro_cache",
            backend = self.backend().name(),
            kind = ?error.kind(),
            "the cache was of no help while it {while_it}; the value is loaded all the same"
        );
    }
}

/// What a lookup told of a key that has no live value.
pub(super) struct Sight {
    /// The value could not be read, and is to be replaced.
    pub(super) unreadable: Option<Bytes>,
    pub(super) old: Option<Old>,
    /// None if the key could not be looked up.
    pub(super) held: Option<Option<Held>>,
}

impl Sight {
    pub(super) const IN_TROUBLE: Self = Self {
        unreadable: None,
        old: None,
        held: None,
    };

    pub(super) fn unreadable(value: Value) -> Self {
        Self {
            unreadable: Some(value.into_bytes()),
            old: None,
            held: Some(None),
        }
    }

    pub(super) fn missing(held: Option<Held>) -> Self {
        Self {
            unreadable: None,
            old: None,
            held: Some(held),
        }
    }

    pub(super) fn stale(value: Value, stale_for: Duration, held: Option<Held>) -> Self {
        Self {
            unreadable: None,
            old: Some(Old::new(value, stale_for)),
            held: Some(held),
        }
    }

    pub(super) fn is_in_trouble(&self) -> bool {
        self.held.is_none()
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.held, Some(Some(_)))
    }

    pub(super) fn is_backing_off(&self) -> bool {
        matches!(self.held, Some(Some(Held::BackingOff)))
    }

    pub(super) fn evidence(&self) -> Evidence {
        match self.held {
            None => Evidence::None,
            Some(Some(Held::Loading(token))) => Evidence::Seen(Some(token)),
            Some(Some(Held::BackingOff) | None) => Evidence::Seen(None),
        }
    }
}
