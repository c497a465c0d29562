//! What each write asks of the backend once it is awaited.

use bytes::Bytes;

#[cfg(doc)]
use super::{Cache, Write};
use crate::{
    CacheBackend, CacheFuture, CallContext, Error, ErrorKind, Expiry, Operation, Result, SetWhen,
};

/// What a [`Write`] does once it is awaited, and what it then returns. The commands of this crate
/// implement it, and nobody else can.
pub trait WriteCommand: sealed::Sealed + Sized {
    /// What the backend answers.
    type Answer;
    /// What the caller gets.
    type Output;

    /// The operation, as errors name it.
    fn operation(&self) -> Operation;

    /// Asks the backend; `key` has its prefix.
    fn call<'a>(
        self,
        backend: &'a dyn CacheBackend,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, Self::Answer>;

    /// What the caller gets for what the backend answered.
    fn finish(answer: Self::Answer) -> Self::Output;
}

mod sealed {
    pub trait Sealed {}
}

/// The write of [`Cache::set`] and [`Cache::set_bytes`]. Returns nothing.
#[allow(missing_debug_implementations)] // It holds a value.
pub struct SetCommand {
    pub(super) value: Result<Bytes>,
}

impl sealed::Sealed for SetCommand {}

impl WriteCommand for SetCommand {
    type Answer = bool;
    type Output = ();

    fn operation(&self) -> Operation {
        Operation::Set
    }

    fn call<'a>(
        self,
        backend: &'a dyn CacheBackend,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        match self.value {
            Ok(value) => backend.set(context, key, value, expiry, SetWhen::Always),
            Err(error) => error.into(),
        }
    }

    fn finish(_: bool) {}
}

/// The write of [`Cache::add`]. Returns whether the value was stored.
#[allow(missing_debug_implementations)] // It holds a value.
pub struct AddCommand {
    pub(super) value: Result<Bytes>,
}

impl sealed::Sealed for AddCommand {}

impl WriteCommand for AddCommand {
    type Answer = bool;
    type Output = bool;

    fn operation(&self) -> Operation {
        Operation::Add
    }

    fn call<'a>(
        self,
        backend: &'a dyn CacheBackend,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        match self.value {
            Ok(value) => backend.set(context, key, value, expiry, SetWhen::Absent),
            Err(error) => error.into(),
        }
    }

    fn finish(stored: bool) -> bool {
        stored
    }
}

/// The write of [`Cache::compare_and_set`]. Returns whether the value was stored.
#[allow(missing_debug_implementations)] // It holds values.
pub struct CompareAndSetCommand {
    pub(super) expected: Result<Option<Bytes>>,
    pub(super) new: Result<Bytes>,
}

impl sealed::Sealed for CompareAndSetCommand {}

impl WriteCommand for CompareAndSetCommand {
    type Answer = bool;
    type Output = bool;

    fn operation(&self) -> Operation {
        Operation::CompareAndSet
    }

    fn call<'a>(
        self,
        backend: &'a dyn CacheBackend,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, bool> {
        match (self.expected, self.new) {
            (Ok(Some(expected)), Ok(new)) => {
                backend.compare_and_set(context, key, &expected, new, expiry)
            }
            (Ok(None), Ok(new)) => backend.set(context, key, new, expiry, SetWhen::Absent),
            (Err(error), _) | (_, Err(error)) => error.into(),
        }
    }

    fn finish(stored: bool) -> bool {
        stored
    }
}

/// The write of [`Cache::increment`] and [`Cache::decrement`]. Returns the sum.
#[derive(Debug)]
pub struct IncrementCommand {
    pub(super) operation: Operation,
    /// None if what was to be subtracted has no negative.
    pub(super) by: Option<i64>,
}

impl sealed::Sealed for IncrementCommand {}

impl WriteCommand for IncrementCommand {
    type Answer = i64;
    type Output = i64;

    fn operation(&self) -> Operation {
        self.operation
    }

    fn call<'a>(
        self,
        backend: &'a dyn CacheBackend,
        context: CallContext,
        key: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, i64> {
        match self.by {
            Some(by) => backend.increment(context, key, by, expiry),
            None => Error::new(
                ErrorKind::Overflow,
                "i64::MIN has no negative and cannot be subtracted; use `increment`",
            )
            .into(),
        }
    }

    fn finish(sum: i64) -> i64 {
        sum
    }
}

/// The write of [`Cache::set_many`]. Returns nothing.
#[allow(missing_debug_implementations)] // It holds values.
pub struct SetManyCommand {
    pub(super) entries: Result<Vec<(String, Bytes)>>,
}

impl sealed::Sealed for SetManyCommand {}

impl WriteCommand for SetManyCommand {
    type Answer = ();
    type Output = ();

    fn operation(&self) -> Operation {
        Operation::SetMany
    }

    fn call<'a>(
        self,
        backend: &'a dyn CacheBackend,
        context: CallContext,
        _: &str,
        expiry: Expiry,
    ) -> CacheFuture<'a, ()> {
        match self.entries {
            Ok(entries) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, value)| (key.as_str(), value.clone()))
                    .collect();
                backend.set_many(context, &entries, expiry)
            }
            Err(error) => error.into(),
        }
    }

    fn finish((): ()) {}
}
