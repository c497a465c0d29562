//! Who finds no value: joining the load of somebody else, or becoming the one who loads.

use std::future::{Future, ready};
use std::pin::Pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::budget::Budget;
use super::call::{Call, Detach, Sight};
use super::error::LoadError;
use super::flight::{Boarding, Evidence, Landing, Leader, Moment, Told};
use super::lead::{Condition, Departure, Errand, lead};
use super::led::{Led, Waiting};
use super::loader::Loader;
use super::nesting::loads_under_way;
use crate::{ClaimOver, Error, ErrorKind, Lookup, Result, Ttl};

/// Less than that, Tokio's timer does not tell apart.
const TICK: Duration = Duration::from_millis(1);

/// A load on its way.
pub(super) type Loading<'a, T> = Pin<Box<dyn Future<Output = Result<T, LoadError>> + Send + 'a>>;

/// Loads the value, or gets it from whoever does, in the time that the policy gives it. So much of it was
/// spent on looking the key up.
pub(super) fn load<'a, L: Loader + 'a>(
    call: Call<L>,
    since: Moment,
    found: Result<Lookup>,
    spent: Duration,
) -> Loading<'a, L::Value> {
    if let Err(error) = check(&call, &found) {
        return Box::pin(ready(Err(error.into())));
    }
    let Some(after) = call.terms.policy.timeout else {
        return Box::pin(board(call, since, found, spent));
    };
    let left = after.saturating_sub(spent);
    // The lookup was given no longer than that.
    if found.is_err() && spent >= TICK && left < TICK {
        return Box::pin(ready(Err(LoadError::TimedOut)));
    }
    let loading = Box::pin(board(call, since, found, spent));
    Box::pin(async move {
        let loaded = timeout(left, loading).await;
        loaded.unwrap_or(Err(LoadError::TimedOut))
    })
}

/// What is wrong with the call itself.
fn check<L: Loader>(call: &Call<L>, found: &Result<Lookup>) -> Result<()> {
    let policy = call.terms.policy;
    policy.check()?;
    policy.ttl.resolve(call.terms.default_expiry)?;
    if let Some(negative) = policy.negative_ttl {
        Ttl::After(negative).resolve(call.terms.default_expiry)?;
    }
    if let Err(error) = found
        && error.kind() == ErrorKind::InvalidKey
    {
        return Err(error.clone());
    }
    let has_timer =
        policy.timeout.is_some() || (policy.soft_timeout.is_some() && call.detach.is_some());
    if has_timer && Handle::try_current().is_err() {
        return Err(no_timer());
    }
    Ok(())
}

fn no_timer() -> Error {
    Error::new(
        ErrorKind::Config,
        "a time-out needs Tokio's runtime; load from within one, or leave the time-out out",
    )
}

async fn board<'a, L: Loader + 'a>(
    call: Call<L>,
    mut since: Moment,
    mut found: Result<Lookup>,
    spent: Duration,
) -> Result<L::Value, LoadError> {
    let inside = loads_under_way();
    let mut budget = call.terms.budget();
    budget.take(spent);
    loop {
        let sight = match found {
            Ok(Lookup::Fresh { value, age }) => match call.terms.decode(value.bytes()) {
                Some(value) => {
                    if age.is_some() {
                        refresh(call, since, Sight::missing(None), ClaimOver::Live);
                    }
                    return Ok(value);
                }
                None => Sight::unreadable(value),
            },
            Ok(Lookup::Stale {
                value,
                stale_for,
                held,
            }) => Sight::stale(value, stale_for, held),
            Ok(Lookup::Missing { held }) => Sight::missing(held),
            Err(error) => {
                call.terms.note("looked it up", &error);
                Sight::IN_TROUBLE
            }
        };
        if call.detach.is_some()
            && let Some(value) = call.terms.while_revalidating(sight.old.as_ref())
        {
            if !sight.is_held() {
                refresh(call, since, sight, ClaimOver::Gap);
            }
            return Ok(value);
        }
        if sight.is_backing_off()
            && let Some(value) = call.terms.instead_of_error(sight.old.as_ref())
        {
            return Ok(value);
        }
        let flights = call.terms.flights();
        let waiter = match flights.board(&call.terms.home.key, since, sight.evidence(), &inside) {
            Boarding::Circular => return Err(LoadError::Circular),
            Boarding::Lead(leader) => {
                let departure = departure(&call, leader, sight, Errand::Answer, budget);
                return depart(call, departure).await;
            }
            Boarding::Wait(waiter) => waiter,
        };
        flights.counts().note_joined();
        let waiting = Waiting::new(waiter, call.terms.home.clone());
        let idle = call.terms.idle();
        let told = match call.terms.after_soft_timeout(sight.old.as_ref()) {
            Some((after, value)) if call.detach.is_some() => match timeout(after, waiting).await {
                Ok(told) => told,
                Err(_) => return Ok(value),
            },
            _ => waiting.await,
        };
        drop(idle);
        match told {
            Told::Landed(Landing::Value(bytes)) => {
                if let Some(value) = call.terms.decode(&bytes) {
                    return Ok(value);
                }
                // Somebody loaded another type, or in another codec, under the same key.
            }
            // One batch knows of another that there is none.
            Told::Landed(Landing::LeftOut) if call.terms.crew.is_some() => {
                return Err(LoadError::LeftOut);
            }
            Told::Landed(Landing::Unshared | Landing::LeftOut) => {}
            // One after the other would take them as long as all together.
            Told::Landed(Landing::Unshareable) => {
                let leader = flights.lead_alone(&call.terms.home.key, &inside);
                let sight = Sight {
                    old: sight.old,
                    ..Sight::IN_TROUBLE
                };
                let departure = departure(&call, leader, sight, Errand::Answer, budget);
                return depart(call, departure).await;
            }
            Told::Landed(Landing::Failed(error, fence)) => {
                return call.terms.after_failure(sight.old.as_ref(), error, fence);
            }
            Told::TakeOver(leader) => {
                let departure = departure(&call, leader, sight, Errand::Answer, budget);
                return depart(call, departure).await;
            }
        }
        // What that load stored may be of use; if not, this call has a turn of its own.
        since = call.terms.flights().now();
        found = call.terms.look_up(&mut budget).await;
    }
}

fn departure<L: Loader>(
    call: &Call<L>,
    leader: Leader,
    sight: Sight,
    errand: Errand,
    budget: Budget,
) -> Departure {
    let cache = if sight.is_in_trouble() {
        Condition::InTrouble
    } else {
        Condition::Fine
    };
    Departure {
        led: Led::new(leader, call.terms.home.clone()),
        errand,
        over: sight
            .unreadable
            .map_or(ClaimOver::Gap, ClaimOver::Unreadable),
        old: sight.old,
        cache,
        budget,
    }
}

/// Has the value loaded in the background, unless somebody is at it already.
fn refresh<L: Loader>(call: Call<L>, since: Moment, sight: Sight, over: ClaimOver) {
    let Some(detach) = call.detach else {
        return;
    };
    let evidence = match over {
        // Who is at a live value was not said, and any load of it will do.
        ClaimOver::Live => Evidence::None,
        ClaimOver::Gap | ClaimOver::Unreadable(_) => sight.evidence(),
    };
    let flights = call.terms.flights();
    // Whoever runs in here does not wait for what goes on in the background.
    match flights.board(&call.terms.home.key, since, evidence, &[]) {
        Boarding::Lead(leader) => {
            let budget = call.terms.budget();
            let departure = Departure {
                over,
                ..departure(&call, leader, sight, Errand::Refresh, budget)
            };
            // Without a runtime there is no background, and whoever finds nothing will load.
            drop(detach(call, departure));
        }
        Boarding::Wait(waiter) => drop(Waiting::new(waiter, call.terms.home.clone())),
        Boarding::Circular => {}
    }
}

/// Loads the value: here, or in the background where the caller has an old one and does not want to
/// wait for long. In a box, since most callers only wait for what another one loads.
fn depart<'a, L: Loader + 'a>(call: Call<L>, departure: Departure) -> Loading<'a, L::Value> {
    let soft = call.terms.after_soft_timeout(departure.old.as_ref());
    match (soft, call.detach) {
        (Some((after, value)), Some(detach)) => {
            Box::pin(lead_for_a_while(call, departure, detach, after, value))
        }
        _ => Box::pin(lead(call, departure)),
    }
}

/// Has the value loaded in the background, and waits for it so long.
async fn lead_for_a_while<L: Loader>(
    call: Call<L>,
    mut departure: Departure,
    detach: Detach<L>,
    after: Duration,
    value: L::Value,
) -> Result<L::Value, LoadError> {
    let Some(waiting) = departure.waiting() else {
        return lead(call, departure).await;
    };
    let terms = call.terms.clone();
    let old = departure.old.clone();
    if let Some((call, departure)) = detach(call, departure) {
        drop(waiting);
        return lead(call, departure).await;
    }
    match timeout(after, waiting).await {
        Ok(Told::Landed(Landing::Value(bytes))) => Ok(terms.decode(&bytes).unwrap_or(value)),
        Ok(Told::Landed(Landing::Failed(error, fence))) => {
            terms.after_failure(old.as_ref(), error, fence)
        }
        // The task that had the loader is gone, so this is for somebody else who waits.
        Ok(Told::TakeOver(leader)) => {
            drop(Led::new(leader, terms.home));
            Ok(value)
        }
        // There is something to be served.
        Ok(Told::Landed(Landing::Unshared | Landing::Unshareable | Landing::LeftOut)) | Err(_) => {
            Ok(value)
        }
    }
}
