//! What there is under a key, at one instant.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{Age, Claim, ErrorKind, LookFor, Lookup, Result, TimeToLive, Value};

use crate::mark::{self, Kind, Life};
use crate::reply::Reply;

/// What a key holds that has no mark: a live value, or nothing, which nobody is at.
pub(crate) fn plain(value: Option<Value>) -> Lookup {
    match value {
        Some(value) => Lookup::Fresh { value, age: None },
        None => Lookup::Missing { held: None },
    }
}

/// What a script found under a key: what `PTTL` says, the server's time in milliseconds since 1970, and
/// the value with its mark.
pub(crate) fn found(reply: Reply) -> Result<Lookup> {
    let [left, now, value] = reply.parts()?;
    let (left, now) = (left.integer()?, now.count()?);
    Ok(read(left, now, value.value()?.map(Value::into_bytes)))
}

pub(crate) fn live(lookup: Lookup) -> Option<Value> {
    match lookup {
        Lookup::Fresh { value, .. } => Some(value),
        Lookup::Stale { .. } | Lookup::Missing { .. } => None,
    }
}

/// What the end of a value and its expiry say of a key, read one after the other.
///
/// Both are of one message, which a server takes in one go unless it is cut in two on the way. In that
/// moment somebody else may write, and one of the two is of an older value.
pub(crate) struct Probe {
    /// Missing where there is a claim, or a value that is live no longer.
    pub(crate) left: TimeToLive,
    /// What is behind the value, if anything is.
    pub(crate) mark: Option<Bytes>,
}

impl Probe {
    /// Of the answers to `PTTL` and `GETRANGE`.
    pub(crate) fn read(left: Reply, end: Reply) -> Result<Self> {
        let left = left.time_to_live()?;
        let plain = Self { left, mark: None };
        let millis = match left {
            TimeToLive::Missing => return Ok(plain),
            TimeToLive::NoExpiry => -1,
            TimeToLive::Left(left) => i64::try_from(left.as_millis()).unwrap_or(i64::MAX),
        };
        let end = match end.value() {
            Ok(end) => end.map(Value::into_bytes),
            // A list has no mark.
            Err(error) if error.kind() == ErrorKind::WrongType => None,
            Err(error) => return Err(error),
        };
        let Some((end, (_, mark))) = end.and_then(|end| Some((end.clone(), mark::split(&end)?)))
        else {
            return Ok(plain);
        };
        let left = match (mark.kind, mark.life(millis)) {
            (Kind::Placeholder, _) | (_, Life::Stale(_)) => TimeToLive::Missing,
            (_, Life::Live(left)) => TimeToLive::Left(Duration::from_millis(left)),
            (_, Life::Endless) => TimeToLive::NoExpiry,
        };
        let mark = Some(end);
        Ok(Self { left, mark })
    }

    pub(crate) fn is_live(&self) -> bool {
        self.left != TimeToLive::Missing
    }
}

/// How many live keys were removed, of this many, each of which was looked at before.
pub(crate) fn removed(reply: Reply, keys: usize) -> Result<u64> {
    let outcome_unclear = reply.outcome_unclear();
    let mut replies = reply.many_of(2 * keys + 1)?;
    let removed = replies.pop().map_or(Ok(0), Reply::count)?;
    let (mut replies, mut not_live) = (replies.into_iter(), 0);
    while let (Some(left), Some(end)) = (replies.next(), replies.next()) {
        let probe = Probe::read(left, end);
        let probe = probe.map_err(|error| error.with_outcome(outcome_unclear))?;
        not_live += u64::from(!probe.is_live() && probe.mark.is_some());
    }
    Ok(removed.saturating_sub(not_live))
}

/// What became of a claim, as the script says it: a number, or what was found in its way.
pub(crate) fn claimed(reply: Reply) -> Result<Claim> {
    if matches!(reply.as_value(), redis::Value::Array(_)) {
        return found(reply).map(Claim::Refused);
    }
    reply.integer().map(|_| Claim::Granted)
}

/// What `PTTL` and then `GET` say together. None if it takes a script to know.
///
/// Somebody may have written in between. Then what is left is that of an older value. A new one that
/// looks live was, when it was written. One that looks stale may not be, so that is not said.
pub(crate) fn at_a_glance(left: i64, value: Option<Bytes>) -> Option<Lookup> {
    // Who is at a stale value, a clock would have to tell.
    match read(left, 0, value) {
        Lookup::Stale { .. } => None,
        lookup => Some(lookup),
    }
}

/// As much as was looked for: neither an age nor what is stale unless it was.
pub(crate) fn looked_for(look_for: LookFor, lookup: Lookup) -> Lookup {
    match (look_for, lookup) {
        (LookFor::Fresh, Lookup::Fresh { value, .. }) => Lookup::Fresh { value, age: None },
        (LookFor::Fresh, Lookup::Stale { held, .. }) => Lookup::Missing { held },
        (_, lookup) => lookup,
    }
}

fn read(left: i64, now: u64, value: Option<Bytes>) -> Lookup {
    let Some(bytes) = value else {
        return plain(None);
    };
    let Some((payload, mark)) = mark::split(&bytes) else {
        return plain(Some(bytes.into()));
    };
    if mark.kind == Kind::Placeholder {
        let held = mark.held_for(left);
        return Lookup::Missing { held };
    }
    let value = payload.into();
    let left = match mark.life(left) {
        Life::Live(millis) => Duration::from_millis(millis),
        Life::Endless => Duration::from_millis(u64::MAX),
        Life::Stale(millis) => {
            return Lookup::Stale {
                value,
                stale_for: Duration::from_millis(millis),
                held: mark.held_at(now),
            };
        }
    };
    let age = mark.cost_millis.map(NonZeroU32::get).map(|millis| Age {
        left,
        cost: Duration::from_millis(millis.into()),
    });
    Lookup::Fresh { value, age }
}

#[cfg(test)]
#[path = "../tests/unit/found.rs"]
mod tests;
