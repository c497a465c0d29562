//! Leases: who may load a value, and store it.

use std::num::NonZeroU64;
use std::time::Duration;

use maestro_cache_core::{
    Age, Claim, ClaimOver, Expiry, Keeping, LoadToken, LookFor, Lookup, Value,
};

use crate::cell::{Change, Entry, Found, Lease, Loaded};
use crate::clock::Deadline;

/// What there is for a load.
pub(crate) fn look_up(found: &Found<'_>, look_for: LookFor) -> Lookup {
    let held = found.lease.map(Lease::as_held);
    match found.entry {
        Some(live) if found.live().is_some() => fresh(live, look_for, || found.now_millis),
        Some(stale) if look_for == LookFor::FreshOrStale => {
            let millis = found.now_millis.saturating_sub(stale.deadline.at_millis());
            Lookup::Stale {
                value: stale.value.clone(),
                stale_for: Duration::from_millis(millis),
                held,
            }
        }
        _ => Lookup::Missing { held },
    }
}

/// The same for a live entry.
#[inline]
pub(crate) fn fresh(live: &Entry, look_for: LookFor, now_millis: impl FnOnce() -> u64) -> Lookup {
    let value = live.value.clone();
    let age = match (look_for, &live.loaded) {
        (LookFor::FreshOrStale, Some(loaded)) => loaded.cost.map(|cost| Age {
            left: live.deadline.left(now_millis()),
            cost,
        }),
        _ => None,
    };
    Lookup::Fresh { value, age }
}

pub(crate) fn acquire(found: &Found<'_>, token: LoadToken, over: ClaimOver) -> (Change, Claim) {
    let may_be_leased = match (found.live(), over) {
        (None, _) => found.lease.is_none() || holds(found, token),
        (Some(_), ClaimOver::Gap) => false,
        (Some(live), ClaimOver::Live) => live.loaded.is_some() && found.lease.is_none(),
        (Some(live), ClaimOver::Unreadable(bytes)) => {
            if *live.value.bytes() == bytes {
                return (Change::Remove(Some(token)), Claim::Granted);
            }
            false
        }
    };
    if may_be_leased {
        let lease = Lease::Loading(token);
        return (set_lease(found, Some(lease)), Claim::Granted);
    }
    let refused = look_up(found, LookFor::FreshOrStale);
    (Change::Keep, Claim::Refused(refused))
}

/// Nobody backs off from a key without a value: there is nothing to be served meanwhile.
fn set_lease(found: &Found<'_>, lease: Option<Lease>) -> Change {
    match (found.entry, lease) {
        (Some(_), lease) => Change::Lease(lease),
        (None, Some(Lease::Loading(token))) => Change::Remove(Some(token)),
        (None, _) => Change::Remove(None),
    }
}

pub(crate) fn holds(found: &Found<'_>, token: LoadToken) -> bool {
    matches!(found.lease, Some(Lease::Loading(holder)) if holder == token)
}

/// The value is left with the caller if it is not stored, and dropped where no lock is held.
pub(crate) fn publish(
    found: &Found<'_>,
    token: LoadToken,
    value: &mut Option<Value>,
    keeping: Keeping,
) -> (Change, bool) {
    let Some(value) = value.take_if(|_| holds(found, token)) else {
        return (Change::Keep, false);
    };
    let deadline = Deadline::of(keeping.expiry, found.now_millis);
    let mut entry = Entry::new(value, deadline);
    if keeping.stale_millis.is_some() || keeping.cost.is_some() {
        let stale_millis = keeping.stale_millis.map_or(0, NonZeroU64::get);
        entry.loaded = Some(Box::new(Loaded {
            useless: deadline.put_off(stale_millis),
            cost: keeping.cost,
        }));
    }
    (Change::Store(entry), true)
}

pub(crate) fn release(
    found: &Found<'_>,
    token: LoadToken,
    back_off_millis: Option<NonZeroU64>,
) -> (Change, bool) {
    if !holds(found, token) {
        return (Change::Keep, false);
    }
    let lease = back_off_millis.map(|millis| Lease::BackingOff {
        until: Deadline::of(Expiry::AfterMillis(millis), found.now_millis),
    });
    (set_lease(found, lease), true)
}
