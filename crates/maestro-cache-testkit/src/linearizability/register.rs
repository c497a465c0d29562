//! One key when calls follow one another, and the same calls on a cache.

use std::time::Duration;

use maestro_cache_core::{Cache, Pattern, Result, TimeToLive, Ttl};
use proptest::prelude::*;

/// Far beyond the duration of any test: whether there is an expiry matters, and not when it comes.
const LONG: Duration = Duration::from_secs(1_000_000);

/// What one key holds: an integer and whether it expires, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register(Option<(i64, bool)>);

/// A call on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is the method of the same name.
pub enum Operation {
    Get,
    GetShared,
    /// `get_many` with this key twice.
    GetMany,
    Exists,
    Ttl,
    Set {
        value: i64,
        expires: bool,
    },
    /// `set_many` with this key alone.
    SetMany {
        value: i64,
    },
    Add(i64),
    CompareAndSet {
        expected: Option<i64>,
        new: i64,
    },
    Increment(i64),
    Take,
    Delete,
    /// `delete_many` with this key twice.
    DeleteMany,
    Expire,
    ExpireZero,
    Persist,
    /// `clear` with the key as its pattern, with or without a star before it.
    Clear {
        wildcard: bool,
    },
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The answers of the methods, as they are.
pub enum Answer {
    Done,
    Value(Option<i64>),
    Values([Option<i64>; 2]),
    Flag(bool),
    Count(u64),
    Sum(i64),
    /// Whether the entry expires, or none if there is no entry.
    Expires(Option<bool>),
}

impl Register {
    /// What the key holds after the call, and what the call answers.
    #[must_use]
    pub fn after(self, operation: Operation) -> (Self, Answer) {
        let value = self.0.map(|(value, _)| value);
        let there = self.0.is_some();
        let holding = |value, expires| Self(Some((value, expires)));
        match operation {
            Operation::Get | Operation::GetShared => (self, Answer::Value(value)),
            Operation::GetMany => (self, Answer::Values([value; 2])),
            Operation::Exists => (self, Answer::Flag(there)),
            Operation::Ttl => (self, Answer::Expires(self.0.map(|(_, expires)| expires))),
            Operation::Set { value, expires } => (holding(value, expires), Answer::Done),
            Operation::SetMany { value } => (holding(value, true), Answer::Done),
            Operation::Add(_) if there => (self, Answer::Flag(false)),
            Operation::Add(value) => (holding(value, true), Answer::Flag(true)),
            Operation::CompareAndSet { expected, new } if expected == value => {
                (holding(new, true), Answer::Flag(true))
            }
            Operation::CompareAndSet { .. } => (self, Answer::Flag(false)),
            Operation::Increment(by) => {
                let (value, expires) = self.0.unwrap_or((0, true));
                (holding(value + by, expires), Answer::Sum(value + by))
            }
            Operation::Take => (Self(None), Answer::Value(value)),
            Operation::Delete | Operation::ExpireZero => (Self(None), Answer::Flag(there)),
            Operation::DeleteMany | Operation::Clear { .. } => {
                (Self(None), Answer::Count(u64::from(there)))
            }
            Operation::Expire => (Self(value.map(|value| (value, true))), Answer::Flag(there)),
            Operation::Persist => {
                let expired = self.0.is_some_and(|(_, expires)| expires);
                (
                    Self(value.map(|value| (value, false))),
                    Answer::Flag(expired),
                )
            }
        }
    }
}

impl Operation {
    /// Makes the call.
    ///
    /// # Panics
    ///
    /// If it fails: an error tells nothing of what happened.
    pub async fn run(self, cache: &Cache, key: &str) -> Answer {
        match self.try_run(cache, key).await {
            Ok(answer) => answer,
            Err(error) => panic!("{self:?} failed: {error:?}"),
        }
    }

    async fn try_run(self, cache: &Cache, key: &str) -> Result<Answer> {
        Ok(match self {
            Self::Get => Answer::Value(cache.get(key).await?),
            Self::GetShared => Answer::Value(cache.get_shared(key).await?.as_deref().copied()),
            Self::GetMany => {
                let values = cache.get_many::<i64>([key; 2]).await?;
                Answer::Values([values[0], values[1]])
            }
            Self::Exists => Answer::Flag(cache.exists(key).await?),
            Self::Ttl => Answer::Expires(match cache.ttl(key).await? {
                TimeToLive::Missing => None,
                TimeToLive::NoExpiry => Some(false),
                TimeToLive::Left(_) => Some(true),
            }),
            Self::Set { value, expires } => {
                let ttl = if expires { LONG.into() } else { Ttl::Never };
                cache.set(key, &value).ttl(ttl).await?;
                Answer::Done
            }
            Self::SetMany { value } => {
                cache.set_many([(key, value)]).ttl(LONG).await?;
                Answer::Done
            }
            Self::Add(value) => Answer::Flag(cache.add(key, &value).ttl(LONG).await?),
            Self::CompareAndSet { expected, new } => {
                let swap = cache.compare_and_set(key, expected.as_ref(), &new);
                Answer::Flag(swap.ttl(LONG).await?)
            }
            Self::Increment(by) => Answer::Sum(cache.increment(key, by).ttl(LONG).await?),
            Self::Take => Answer::Value(cache.take(key).await?),
            Self::Delete => Answer::Flag(cache.delete(key).await?),
            Self::DeleteMany => Answer::Count(cache.delete_many([key; 2]).await?),
            Self::Expire => Answer::Flag(cache.expire(key, LONG).await?),
            Self::ExpireZero => Answer::Flag(cache.expire(key, Duration::ZERO).await?),
            Self::Persist => Answer::Flag(cache.persist(key).await?),
            Self::Clear { wildcard } => {
                let literal = Pattern::escape(key);
                let pattern = if wildcard {
                    format!("*{literal}")
                } else {
                    literal
                };
                Answer::Count(cache.clear(&pattern).await?)
            }
        })
    }
}

/// Any call. Values are few, so that comparisons succeed, and increments are many, so that what is
/// lost is seen.
pub(super) fn operation() -> impl Strategy<Value = Operation> {
    let value = || 0..4_i64;
    let expected = prop::option::weighted(0.8, value());
    prop_oneof![
        3 => Just(Operation::Get),
        1 => Just(Operation::GetShared),
        1 => Just(Operation::GetMany),
        1 => Just(Operation::Exists),
        1 => Just(Operation::Ttl),
        3 => (value(), any::<bool>()).prop_map(|(value, expires)| Operation::Set { value, expires }),
        1 => value().prop_map(|value| Operation::SetMany { value }),
        2 => value().prop_map(Operation::Add),
        4 => (expected, value())
            .prop_map(|(expected, new)| Operation::CompareAndSet { expected, new }),
        5 => (-1..=1_i64).prop_map(Operation::Increment),
        2 => Just(Operation::Take),
        1 => Just(Operation::Delete),
        1 => Just(Operation::DeleteMany),
        1 => Just(Operation::Expire),
        1 => Just(Operation::ExpireZero),
        1 => Just(Operation::Persist),
        1 => any::<bool>().prop_map(|wildcard| Operation::Clear { wildcard }),
    ]
}
