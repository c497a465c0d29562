//! From the server's answers to those of the cache.

use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{Error, ErrorKind, Outcome, Result, TimeToLive, Value};
use redis::ServerError;

#[cfg(feature = "cluster")]
use crate::cluster::Redirect;
#[cfg(feature = "cluster")]
use crate::connection::Address;
use crate::error;

/// What the server answered to one request.
///
/// A refusal is an error that changed nothing. An answer of a kind that the command does not have
/// says nothing about what happened, and leaves the outcome as open as no answer.
pub(crate) struct Reply {
    value: redis::Value,
    outcome_unclear: Outcome,
}

impl Reply {
    pub(crate) fn new(value: redis::Value, outcome_unclear: Outcome) -> Self {
        Self {
            value,
            outcome_unclear,
        }
    }

    /// What is known about the effect of the request if its answer says nothing about it.
    pub(crate) fn outcome_unclear(&self) -> Outcome {
        self.outcome_unclear
    }

    /// True if the server refused because it does not know the script that was named.
    pub(crate) fn is_unknown_script(&self) -> bool {
        refusal_in(&self.value).is_some_and(|error| error.code() == "NOSCRIPT")
    }

    /// True if a replica refused a write, be it that of a transaction.
    pub(crate) fn is_of_a_replica(&self) -> bool {
        let mut refusals = self.each().iter().filter_map(refusal_in);
        refusals.any(error::is_of_a_replica)
    }

    /// True if the user may run the command, and not on this key. The command is looked at first.
    pub(crate) fn is_about_a_key(&self) -> bool {
        let is_about_a_key = |words: &str| words.contains("to access");
        refusal_in(&self.value).is_some_and(|error| {
            error.code() == "NOPERM" && error.details().is_some_and(is_about_a_key)
        })
    }

    /// Where else to go with a request that came to the wrong node. Of several commands the last one
    /// decides, which is the one that changes something, if any does.
    #[cfg(feature = "cluster")]
    pub(crate) fn redirect(&self, asked: &Address) -> Option<Redirect> {
        Redirect::new(self.last_refusal()?, asked)
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.last_refusal().map(error::refusal)
    }

    #[cfg(feature = "cluster")]
    fn last_refusal(&self) -> Option<&ServerError> {
        refusal_in(self.each().last()?)
    }

    /// The answers, of which there is mostly one.
    fn each(&self) -> &[redis::Value] {
        match &self.value {
            redis::Value::Array(values) => values,
            value => std::slice::from_ref(value),
        }
    }

    /// Of the answers to commands with `ASKING` before each, those to the commands: several in one, or
    /// the only one.
    #[cfg(feature = "cluster")]
    pub(crate) fn every_second(self, are_several: bool) -> Result<Self> {
        let outcome_unclear = self.outcome_unclear;
        let replies = self.many()?.into_iter().skip(1).step_by(2);
        let mut values = replies.map(|reply| reply.value);
        let value = if are_several {
            redis::Value::Array(values.collect())
        } else {
            let only = values.next();
            only.ok_or_else(|| unexpected(outcome_unclear))?
        };
        Ok(Self::new(value, outcome_unclear))
    }

    /// Text for machines; empty where there is none.
    #[cfg(feature = "cluster")]
    pub(crate) fn text_or_nothing(self) -> Result<String> {
        match self.value {
            redis::Value::Nil => Ok(String::new()),
            redis::Value::SimpleString(text) | redis::Value::VerbatimString { text, .. } => {
                Ok(text)
            }
            redis::Value::BulkString(bytes) => {
                String::from_utf8(bytes).map_err(|_| unexpected(self.outcome_unclear))
            }
            _ => Err(self.not_it()),
        }
    }

    pub(crate) fn as_value(&self) -> &redis::Value {
        &self.value
    }

    pub(crate) fn value(self) -> Result<Option<Value>> {
        match self.value {
            redis::Value::Nil => Ok(None),
            redis::Value::BulkString(bytes) => Ok(Some(Value::new(bytes.into()))),
            _ => Err(self.not_it()),
        }
    }

    fn bytes(self) -> Result<Bytes> {
        match self.value {
            redis::Value::BulkString(bytes) => Ok(bytes.into()),
            _ => Err(self.not_it()),
        }
    }

    /// A whole number, which scripts also write as text.
    pub(crate) fn integer(self) -> Result<i64> {
        let parsed = match &self.value {
            redis::Value::Int(number) => Some(*number),
            redis::Value::BulkString(text) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse().ok()),
            _ => None,
        };
        parsed.ok_or_else(|| self.not_it())
    }

    pub(crate) fn count(self) -> Result<u64> {
        let outcome_unclear = self.outcome_unclear;
        u64::try_from(self.integer()?).map_err(|_| unexpected(outcome_unclear))
    }

    /// Yes or no, as numbers: 1 or 0.
    pub(crate) fn yes(self) -> Result<bool> {
        self.integer().map(|number| number > 0)
    }

    /// The answer of `SET`: done, or not because of a condition.
    pub(crate) fn was_set(self) -> Result<bool> {
        match self.value {
            redis::Value::Okay => Ok(true),
            redis::Value::Nil => Ok(false),
            _ => Err(self.not_it()),
        }
    }

    /// The answer of a command that has nothing to say.
    pub(crate) fn done(self) -> Result<()> {
        match self.value {
            redis::Value::Okay | redis::Value::SimpleString(_) => Ok(()),
            _ => Err(self.not_it()),
        }
    }

    /// The answer of `PTTL`.
    pub(crate) fn time_to_live(self) -> Result<TimeToLive> {
        let outcome_unclear = self.outcome_unclear;
        match self.integer()? {
            -2 => Ok(TimeToLive::Missing),
            -1 => Ok(TimeToLive::NoExpiry),
            // The server serves an entry until the millisecond of its deadline is over. Whoever is
            // told in that one that it is gone could still read it.
            0 => Ok(TimeToLive::Left(Duration::from_millis(1))),
            left => u64::try_from(left)
                .map(|millis| TimeToLive::Left(Duration::from_millis(millis)))
                .map_err(|_| unexpected(outcome_unclear)),
        }
    }

    pub(crate) fn many(self) -> Result<Vec<Self>> {
        match self.value {
            redis::Value::Array(values) => Ok(values
                .into_iter()
                .map(|value| Self::new(value, self.outcome_unclear))
                .collect()),
            _ => Err(self.not_it()),
        }
    }

    /// As many answers in one as there were questions.
    pub(crate) fn many_of(self, count: usize) -> Result<Vec<Self>> {
        let outcome_unclear = self.outcome_unclear;
        let answers = self.many()?;
        if answers.len() == count {
            Ok(answers)
        } else {
            Err(unexpected(outcome_unclear))
        }
    }

    /// So many answers in one, and no others.
    pub(crate) fn parts<const COUNT: usize>(self) -> Result<[Self; COUNT]> {
        let outcome_unclear = self.outcome_unclear;
        self.many()?
            .try_into()
            .map_err(|_| unexpected(outcome_unclear))
    }

    /// The next cursor of `SCAN`, empty if it was the last, and the keys that were found.
    pub(crate) fn scanned(self) -> Result<(Bytes, Vec<Bytes>)> {
        let [cursor, keys] = self.parts()?;
        let mut cursor = cursor.bytes()?;
        if cursor == "0" {
            cursor.clear();
        }
        let keys = keys
            .many()?
            .into_iter()
            .map(Self::bytes)
            .collect::<Result<_>>()?;
        Ok((cursor, keys))
    }

    /// The answers of `MULTI`, of the commands and of `EXEC`.
    ///
    /// A command that cannot be queued undoes all, and its refusal is the cause. One that fails
    /// while the transaction runs does not undo the others. Where `MULTI` itself is refused, what
    /// follows is no transaction, and the commands were run one by one.
    pub(crate) fn transaction(self) -> Result<()> {
        let outcome_unclear = self.outcome_unclear;
        let mut replies = self.many()?.into_iter();
        let (Some(multi), Some(exec)) = (replies.next(), replies.next_back()) else {
            return Err(unexpected(outcome_unclear));
        };
        if let Err(error) = multi.done() {
            let was_run = replies.any(|reply| matches!(reply.value, redis::Value::Okay));
            return Err(if was_run {
                error.with_outcome(outcome_unclear)
            } else {
                error
            });
        }
        for queued in replies {
            queued.done()?;
        }
        for set in exec.many()? {
            set.done()
                .map_err(|error| error.with_outcome(outcome_unclear))?;
        }
        Ok(())
    }

    fn not_it(self) -> Error {
        match &self.value {
            redis::Value::ServerError(error) => error::refusal(error),
            // The answer itself is not shown: it may hold a value.
            _ => unexpected(self.outcome_unclear),
        }
    }
}

fn refusal_in(value: &redis::Value) -> Option<&ServerError> {
    match value {
        redis::Value::ServerError(error) => Some(error),
        _ => None,
    }
}

fn unexpected(outcome: Outcome) -> Error {
    Error::new(
        ErrorKind::Backend,
        "the server's answer is not one that the command can have; is there a proxy in between?",
    )
    .with_outcome(outcome)
}

#[cfg(test)]
#[path = "../tests/unit/reply.rs"]
mod tests;
