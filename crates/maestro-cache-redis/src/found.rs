//! What there is under a key, at one instant.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{Age, Claim, ErrorKind, LookFor, Lookup, Result, TimeToLive, Value};

use crate::mark::{self, Kind, Life, Mark};
use crate::reply::Reply;

/// What a key holds that has no mark: a live value, or nothing, which nobody is at.
pub(crate) fn plain(value: Option<Value>) -> Lookup {
    match value {
        Some(value) => Lookup::Fresh { value, age: None },
        None => Lookup::Missing { held: None },
    }
}

/// What a script found under a key.
pub(crate) struct Found {
    /// What `PTTL` says.
    left: i64,
    /// The server's time, in milliseconds since 1970.
    now: u64,
    value: Option<Bytes>,
}

impl Found {
    pub(crate) fn read(reply: Reply) -> Result<Self> {
        let [left, now, value] = reply.parts()?;
        Ok(Self {
            left: left.integer()?,
            now: now.count()?,
            value: value.value()?.map(Value::into_bytes),
        })
    }

    pub(crate) fn into_lookup(self) -> Lookup {
        let Some(bytes) = self.value else {
            return Lookup::Missing { held: None };
        };
        match read(bytes, self.left) {
            Read::Plain(lookup) => lookup,
            Read::Stale {
                value,
                stale_for,
                mark,
            } => Lookup::Stale {
                value,
                stale_for,
                held: mark.held_at(self.now),
            },
        }
    }

    /// The value if it is live.
    pub(crate) fn into_live(self) -> Option<Value> {
        live(self.into_lookup())
    }
}

/// The value if it is live.
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
pub(crate) enum Probe {
    /// Nothing, or a claim, or a value that is live no longer.
    NotLive(Option<Bytes>),
    /// It may have a mark behind it, which is kept then.
    Live(TimeToLive, Option<Bytes>),
}

impl Probe {
    /// Of the answers to `PTTL` and `GETRANGE`.
    pub(crate) fn read(left: Reply, end: Reply) -> Result<Self> {
        let millis = match left.time_to_live()? {
            TimeToLive::Missing => return Ok(Self::NotLive(None)),
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
            return Ok(Self::Live(time_to_live(millis), None));
        };
        Ok(match (mark.kind, mark.life(millis)) {
            (Kind::Placeholder, _) | (_, Life::Stale(_)) => Self::NotLive(Some(end)),
            (_, Life::Live(left)) => {
                let left = i64::try_from(left).unwrap_or(i64::MAX);
                Self::Live(time_to_live(left), Some(end))
            }
            (_, Life::Endless) => Self::Live(TimeToLive::NoExpiry, Some(end)),
        })
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Live(..))
    }

    pub(crate) fn time_to_live(self) -> TimeToLive {
        match self {
            Self::NotLive(_) => TimeToLive::Missing,
            Self::Live(left, _) => left,
        }
    }

    /// What is behind the value, if anything is.
    pub(crate) fn mark(&self) -> Option<&Bytes> {
        match self {
            Self::NotLive(mark) | Self::Live(_, mark) => mark.as_ref(),
        }
    }
}

fn time_to_live(millis: i64) -> TimeToLive {
    match u64::try_from(millis) {
        Ok(millis) => TimeToLive::Left(Duration::from_millis(millis)),
        Err(_) => TimeToLive::NoExpiry,
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
        not_live += u64::from(!probe.is_live() && probe.mark().is_some());
    }
    Ok(removed.saturating_sub(not_live))
}

/// What was removed under a key with this much time left, if it was live.
pub(crate) fn taken(left: i64, value: Option<Bytes>) -> Option<Value> {
    match read(value?, left) {
        Read::Plain(lookup) => live(lookup),
        Read::Stale { .. } => None,
    }
}

/// What became of a claim, as the script says it: a number, or what was found in its way.
pub(crate) fn claimed(reply: Reply) -> Result<Claim> {
    if reply.is_many() {
        let found = Found::read(reply)?;
        return Ok(Claim::Refused(found.into_lookup()));
    }
    reply.integer().map(|_| Claim::Granted)
}

/// What `PTTL` and then `GET` say together. None if it takes a script to know.
///
/// Somebody may have written in between. Then what is left is that of an older value. A new one that
/// looks live was, when it was written. One that looks stale may not be, so that is not said.
pub(crate) fn at_a_glance(left: i64, value: Option<Bytes>) -> Option<Lookup> {
    let Some(bytes) = value else {
        return Some(Lookup::Missing { held: None });
    };
    match read(bytes, left) {
        Read::Plain(lookup) => Some(lookup),
        Read::Stale { .. } => None,
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

enum Read {
    /// There is no more to know.
    Plain(Lookup),
    /// Who is at it, a clock has to tell.
    Stale {
        value: Value,
        stale_for: Duration,
        mark: Mark,
    },
}

fn read(bytes: Bytes, left: i64) -> Read {
    let Some((payload, mark)) = mark::split(&bytes) else {
        return Read::Plain(Lookup::Fresh {
            value: bytes.into(),
            age: None,
        });
    };
    if mark.kind == Kind::Placeholder {
        let held = mark.held_for(left);
        return Read::Plain(Lookup::Missing { held });
    }
    let value = payload.into();
    let left = match mark.life(left) {
        Life::Live(millis) => Duration::from_millis(millis),
        Life::Endless => Duration::from_millis(u64::MAX),
        Life::Stale(millis) => {
            return Read::Stale {
                value,
                stale_for: Duration::from_millis(millis),
                mark,
            };
        }
    };
    let age = mark.cost_millis.map(NonZeroU32::get).map(|millis| Age {
        left,
        cost: Duration::from_millis(millis.into()),
    });
    Read::Plain(Lookup::Fresh { value, age })
}

#[cfg(test)]
#[path = "../tests/unit/found.rs"]
mod tests;
