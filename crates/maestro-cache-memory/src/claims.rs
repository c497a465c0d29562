//! Who may load a value, and store it.

use std::num::NonZeroU64;
use std::time::Duration;

use maestro_cache_core::{Age, Claim, ClaimOver, Expiry, Keeping, LoadToken, Lookup, Value};

use crate::entry::{Deadline, Entry, Loaded};
use crate::store::{Change, Found, Hold};

pub(crate) fn claim(found: Found<'_>, token: LoadToken, over: ClaimOver) -> (Change, Claim) {
    let hold = Hold::Loading {
        token,
        over_value: found.entry.is_some(),
    };
    if let Some(live) = found.live() {
        let may_be_claimed = match over {
            ClaimOver::Gap => false,
            ClaimOver::Live => live.loaded.is_some() && found.hold.is_none(),
            ClaimOver::Unreadable(bytes) => {
                if *live.value.bytes() == bytes {
                    let over_value = false;
                    let hold = Hold::Loading { token, over_value };
                    return (Change::RemoveAndHold(hold), Claim::Granted);
                }
                false
            }
        };
        if !may_be_claimed {
            let value = live.value.clone();
            let age = age(live, found.now_millis);
            return (Change::Keep, Claim::Refused(Lookup::Fresh { value, age }));
        }
        return (Change::Hold(Some(hold)), Claim::Granted);
    }
    let Some(former) = found.hold.filter(|_| !holds(&found, token)) else {
        return (Change::Hold(Some(hold)), Claim::Granted);
    };
    let held = Some(former.as_held());
    let refused = match found.entry {
        Some(stale) => {
            let millis = found.now_millis.saturating_sub(stale.deadline.at_millis());
            Lookup::Stale {
                value: stale.value.clone(),
                stale_for: Duration::from_millis(millis),
                held,
            }
        }
        None => Lookup::Missing { held },
    };
    (Change::Keep, Claim::Refused(refused))
}

/// How old a live value is.
pub(crate) fn age(live: &Entry, now_millis: u64) -> Option<Age> {
    let cost = live.loaded.as_ref()?.cost?;
    let left = live.deadline.at_millis().saturating_sub(now_millis);
    Some(Age {
        left: Duration::from_millis(left),
        cost,
    })
}

/// Whether the claim holds.
pub(crate) fn holds(found: &Found<'_>, token: LoadToken) -> bool {
    matches!(found.hold, Some(Hold::Loading { token: holder, .. }) if holder == token)
}

/// The value is left with the caller if it is not stored, and dropped where no lock is held.
pub(crate) fn publish(
    found: &Found<'_>,
    token: LoadToken,
    value: &mut Option<Value>,
    keeping: Keeping,
) -> (Change, bool) {
    if !holds(found, token) {
        return (Change::Keep, false);
    }
    let Some(value) = value.take() else {
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
    let hold = back_off_millis
        .filter(|_| found.entry.is_some())
        .map(|millis| Hold::BackingOff {
            until: Deadline::of(Expiry::AfterMillis(millis), found.now_millis),
        });
    (Change::Hold(hold), true)
}
