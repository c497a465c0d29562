//! One operation, carried out on the model and on a backend, with answers that can be compared.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{
    Bytes, CacheBackend, CallContext, ErrorKind, Pattern, Result, TimeToLive, Value,
};

use super::operation::Operation;
use crate::coarse::{coarse, steps};
use crate::{Fixture, Model};

/// What either side answers.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Done,
    Value(Option<Bytes>),
    Values(Vec<Option<Bytes>>),
    Flag(bool),
    Count(u64),
    Sum(i64),
    /// To the nearest step: the time that really passes is none of the model's.
    Ttl(TimeToLive),
    Refused(ErrorKind),
}

/// A call with much time, so that a slow machine fails no history.
pub(super) fn context() -> CallContext {
    CallContext::new(Duration::from_secs(30))
}

pub(super) fn run_on_model(operation: &Operation, prefix: &str, model: &mut Model) -> Answer {
    let stored = |key: &String| [prefix, key].concat();
    match operation {
        Operation::Get(key) => Answer::Value(model.get(&stored(key))),
        Operation::GetMany(keys) => {
            let keys: Vec<_> = keys.iter().map(stored).collect();
            Answer::Values(model.get_many(&lent(&keys)))
        }
        Operation::Set(key, value, expiry, when) => {
            Answer::Flag(model.set(&stored(key), value.clone(), *expiry, *when))
        }
        Operation::SetMany(entries, expiry) => {
            let keys: Vec<_> = entries.iter().map(|(key, _)| stored(key)).collect();
            model.set_many(&lent_entries(&keys, entries), *expiry);
            Answer::Done
        }
        Operation::Delete(keys) => {
            let keys: Vec<_> = keys.iter().map(stored).collect();
            Answer::Count(model.delete(&lent(&keys)))
        }
        Operation::Exists(key) => Answer::Flag(model.exists(&stored(key))),
        Operation::Take(key) => Answer::Value(model.take(&stored(key))),
        Operation::CompareAndSet(key, old, new, expiry) => {
            Answer::Flag(model.compare_and_set(&stored(key), old, new.clone(), *expiry))
        }
        Operation::Increment(key, by, expiry) => {
            answer(model.increment(&stored(key), *by, *expiry), Answer::Sum)
        }
        Operation::Ttl(key) => Answer::Ttl(coarse(model.ttl(&stored(key)))),
        Operation::SetExpiry(key, expiry) => Answer::Flag(model.set_expiry(&stored(key), *expiry)),
        Operation::Clear(handle, pattern) => {
            Answer::Count(model.clear(&behind(prefix, handle, pattern)))
        }
        Operation::Advance(count) => {
            model.advance(steps(*count));
            Answer::Done
        }
    }
}

pub(super) async fn run_on_backend(
    operation: &Operation,
    prefix: &str,
    fixture: &impl Fixture,
    backend: &Arc<dyn CacheBackend>,
) -> Answer {
    let stored = |key: &String| [prefix, key].concat();
    let context = context();
    match operation {
        Operation::Get(key) => answer(backend.get(context, &stored(key)).await, one),
        Operation::GetMany(keys) => {
            let keys: Vec<_> = keys.iter().map(stored).collect();
            answer(backend.get_many(context, &lent(&keys)).await, |values| {
                let values = values.into_iter();
                Answer::Values(values.map(|value| value.map(Value::into_bytes)).collect())
            })
        }
        Operation::Set(key, value, expiry, when) => {
            let set = backend.set(context, &stored(key), value.clone(), *expiry, *when);
            answer(set.await, Answer::Flag)
        }
        Operation::SetMany(entries, expiry) => {
            let keys: Vec<_> = entries.iter().map(|(key, _)| stored(key)).collect();
            let set = backend.set_many(context, &lent_entries(&keys, entries), *expiry);
            answer(set.await, |()| Answer::Done)
        }
        Operation::Delete(keys) => {
            let keys: Vec<_> = keys.iter().map(stored).collect();
            answer(backend.delete(context, &lent(&keys)).await, Answer::Count)
        }
        Operation::Exists(key) => answer(backend.exists(context, &stored(key)).await, Answer::Flag),
        Operation::Take(key) => answer(backend.take(context, &stored(key)).await, one),
        Operation::CompareAndSet(key, old, new, expiry) => {
            let swap = backend.compare_and_set(context, &stored(key), old, new.clone(), *expiry);
            answer(swap.await, Answer::Flag)
        }
        Operation::Increment(key, by, expiry) => {
            let increment = backend.increment(context, &stored(key), *by, *expiry);
            answer(increment.await, Answer::Sum)
        }
        Operation::Ttl(key) => answer(backend.ttl(context, &stored(key)).await, |ttl| {
            Answer::Ttl(coarse(ttl))
        }),
        Operation::SetExpiry(key, expiry) => {
            let set = backend.set_expiry(context, &stored(key), *expiry);
            answer(set.await, Answer::Flag)
        }
        Operation::Clear(handle, pattern) => {
            let clear = backend.clear(context, &behind(prefix, handle, pattern));
            answer(clear.await, Answer::Count)
        }
        Operation::Advance(count) => {
            fixture.advance(prefix, steps(*count)).await;
            Answer::Done
        }
    }
}

fn answer<T>(result: Result<T>, answer: impl FnOnce(T) -> Answer) -> Answer {
    result.map_or_else(|error| Answer::Refused(error.kind()), answer)
}

fn one(value: Option<Value>) -> Answer {
    Answer::Value(value.map(Value::into_bytes))
}

fn lent(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

fn lent_entries<'a>(keys: &'a [String], entries: &[(String, Bytes)]) -> Vec<(&'a str, Bytes)> {
    let values = entries.iter().map(|(_, value)| value.clone());
    keys.iter().map(String::as_str).zip(values).collect()
}

fn behind(prefix: &str, handle: &str, pattern: &Pattern) -> Pattern {
    pattern.clone().behind_prefix(&[prefix, handle].concat())
}
