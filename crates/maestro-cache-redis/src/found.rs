//! What there is under a key, at one instant.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{Age, Claim, ErrorKind, LookFor, Lookup, Result, TimeToLive, Value};

use crate::mark::{self, Kind, Life, Mark};
use crate::reply::Reply;

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
mod tests {
    use std::num::NonZeroU64;

    use maestro_cache_core::{Expiry, Held, Keeping, LoadToken, Outcome};

    use super::*;

    fn loaded(stale: u64, cost: Option<Duration>) -> Bytes {
        let keeping = Keeping {
            expiry: Expiry::Never,
            stale_millis: NonZeroU64::new(stale),
            cost,
        };
        mark::marked(&Bytes::from_static(b"5"), &keeping).0
    }

    fn fresh(lookup: Lookup) -> Option<(Bytes, Option<Age>)> {
        match lookup {
            Lookup::Fresh { value, age } => Some((value.into_bytes(), age)),
            _ => None,
        }
    }

    #[test]
    fn a_value_is_live_as_long_as_more_is_left_than_it_may_be_stale() {
        let five = Bytes::from_static(b"5");
        let glance = |left| at_a_glance(left, Some(loaded(100, None)));
        assert_eq!(fresh(glance(101).unwrap()), Some((five.clone(), None)));
        assert_eq!(fresh(glance(-1).unwrap()), Some((five.clone(), None)));
        assert!(
            glance(100).is_none(),
            "it takes a clock to say who is at it"
        );
        assert!(glance(-2).is_none(), "it was written in between");
        let plain = at_a_glance(-2, Some(five.clone()));
        assert_eq!(fresh(plain.unwrap()), Some((five, None)));
    }

    #[test]
    fn an_age_is_known_where_the_cost_is() {
        let cost = Duration::from_millis(30);
        let lookup = at_a_glance(150, Some(loaded(100, Some(cost)))).unwrap();
        let left = Duration::from_millis(50);
        assert_eq!(fresh(lookup.clone()).unwrap().1, Some(Age { left, cost }));
        assert_eq!(fresh(looked_for(LookFor::Fresh, lookup)).unwrap().1, None);
    }

    #[test]
    fn a_claim_is_a_missing_value() {
        let token = LoadToken::new();
        let lookup = at_a_glance(50, Some(mark::placeholder(token).into())).unwrap();
        let held = match lookup {
            Lookup::Missing { held } => held,
            _ => None,
        };
        assert_eq!(held, Some(Held::Loading(token)));
    }

    #[test]
    fn a_script_tells_all_at_one_instant() {
        let value = String::from_utf8(loaded(100, None).into()).unwrap();
        let found = |left: i64, value: &str| {
            let line = format!("*3\r\n:{left}\r\n:5\r\n{value}");
            let reply = Reply::new(
                redis::parse_redis_value(line.as_bytes()).unwrap(),
                Outcome::NotApplied,
            );
            Found::read(reply)
        };
        let bulk = format!("${}\r\n{value}\r\n", value.len());
        assert!(found(101, &bulk).unwrap().into_live().is_some());
        assert!(found(100, &bulk).unwrap().into_live().is_none());
        let lookup = found(60, &bulk).unwrap().into_lookup();
        assert!(
            matches!(&lookup, Lookup::Stale { value, stale_for, held: None }
                if value.bytes() == "5" && *stale_for == Duration::from_millis(40)),
            "{lookup:?}"
        );
        assert!(found(-2, "_\r\n").unwrap().into_live().is_none());
        assert!(found(-1, "-WRONGTYPE no\r\n").is_err());
        assert!(found(-1, "*0\r\n").is_err());
    }
}
