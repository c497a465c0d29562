//! The operations that write values: builders that take a time to live and are then awaited.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use serde::Serialize;

use super::command::{
    AddCommand, CompareAndSetCommand, IncrementCommand, SetCommand, SetManyCommand, WriteCommand,
};
use super::run::{Running, Started};
use super::{Cache, Shared};
use crate::{Operation, Result, Ttl, key};

impl Cache {
    /// Stores the value, replacing the former one and its expiry.
    ///
    /// Redis: [`SET`](https://redis.io/docs/latest/commands/set/) with `PX`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use maestro_cache_core::Ttl;
    /// use std::time::Duration;
    ///
    /// cache.set("greeting", "hello").await?; // for the default time to live
    /// cache.set("greeting", "hello").ttl(Duration::from_secs(60)).await?;
    /// cache.set("greeting", "hello").ttl(Ttl::Never).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Encode`](crate::ErrorKind::Encode) and [`InvalidTtl`](crate::ErrorKind::InvalidTtl), with
    /// the former entry left as it was.
    pub fn set<'a, T: Serialize + ?Sized>(
        &'a self,
        key: &'a str,
        value: &T,
    ) -> Write<'a, SetCommand> {
        let value = self.codec().encode(value);
        Write::new(self, Some(key), SetCommand { value })
    }

    /// Stores bytes as they are, past the codec.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set_bytes("page:/", "<h1>hello</h1>").await?;
    /// assert_eq!(cache.get_bytes("page:/").await?.as_deref(), Some(&b"<h1>hello</h1>"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidTtl`](crate::ErrorKind::InvalidTtl), with the former entry left as it was.
    pub fn set_bytes<'a>(&'a self, key: &'a str, bytes: impl Into<Bytes>) -> Write<'a, SetCommand> {
        let value = Ok(bytes.into());
        Write::new(self, Some(key), SetCommand { value })
    }

    /// Stores all entries, with one time to live, in one round trip.
    ///
    /// Everything is encoded and checked first: a bad key or value writes nothing. If a key is
    /// there twice, the last value wins. An empty input is fine. On one Redis server all entries
    /// appear at once ([`MULTI`](https://redis.io/docs/latest/commands/multi/)); in general each
    /// entry is atomic and the batch is not.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use std::time::Duration;
    ///
    /// cache
    ///     .set_many([("key1", "value1"), ("key2", "value2")])
    ///     .ttl(Duration::from_secs(3600))
    ///     .await?;
    /// assert!(cache.exists("key2").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey), [`Encode`](crate::ErrorKind::Encode) with the
    /// key named, and [`InvalidTtl`](crate::ErrorKind::InvalidTtl); nothing was written then.
    pub fn set_many<K: AsRef<str>, V: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Write<'_, SetManyCommand> {
        let entries = entries
            .into_iter()
            .map(|(key, value)| {
                let key = key.as_ref();
                key::check(key)?;
                let value = self
                    .codec()
                    .encode(&value)
                    .map_err(|error| error.with_key(key))?;
                Ok(([self.key_prefix(), key].concat(), value))
            })
            .collect();
        Write::new(self, None, SetManyCommand { entries })
    }

    /// Stores the value if there is no live entry. True if it was stored; an entry that is there
    /// keeps its value and its expiry.
    ///
    /// Redis: [`SET`](https://redis.io/docs/latest/commands/set/) with `NX`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use std::time::Duration;
    ///
    /// if cache.add("job:7:runs", &true).ttl(Duration::from_secs(60)).await? {
    ///     println!("the first one within this minute");
    /// }
    /// assert!(!cache.add("job:7:runs", &true).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Cache::set).
    pub fn add<'a, T: Serialize + ?Sized>(
        &'a self,
        key: &'a str,
        value: &T,
    ) -> Write<'a, AddCommand> {
        let value = self.codec().encode(value);
        Write::new(self, Some(key), AddCommand { value })
    }

    /// Stores `new` if the stored value is `expected`; `None` expects no live entry. True if it
    /// was stored, with a new expiry; otherwise nothing changes.
    ///
    /// What is compared are the bytes that `expected` encodes to, so it has to encode the same way
    /// each time: a `HashMap`, whose order varies, does not, a `BTreeMap` does. JSON that a Python
    /// service wrote has other blanks than ours and is never equal.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// let leader: Option<String> = cache.get("leader").await?;
    /// let me = "node-7".to_owned();
    /// let elected = cache.compare_and_set("leader", leader.as_ref(), &me).await?;
    /// assert!(elected); // unless somebody else came first
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`set`](Cache::set).
    pub fn compare_and_set<'a, T: Serialize + ?Sized>(
        &'a self,
        key: &'a str,
        expected: Option<&T>,
        new: &T,
    ) -> Write<'a, CompareAndSetCommand> {
        let expected = expected
            .map(|expected| self.codec().encode(expected))
            .transpose();
        let new = self.codec().encode(new);
        Write::new(self, Some(key), CompareAndSetCommand { expected, new })
    }

    /// Adds to a counter and returns the sum, atomically.
    ///
    /// A missing counter counts as 0 and is created with the time to live; one that is there keeps
    /// its own. Counters are decimal text: `set` with an integer makes one, `get::<i64>` reads
    /// one. Redis: [`INCRBY`](https://redis.io/docs/latest/commands/incrby/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use std::time::Duration;
    ///
    /// let requests = cache.increment("requests:7", 1).ttl(Duration::from_secs(60)).await?;
    /// if requests > 100 {
    ///     println!("too many within this minute");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotAnInteger`](crate::ErrorKind::NotAnInteger) if the value is not canonical decimal text
    /// of 64 bits, [`Overflow`](crate::ErrorKind::Overflow) if the sum is not an `i64`, and
    /// [`InvalidTtl`](crate::ErrorKind::InvalidTtl); nothing changed then.
    pub fn increment<'a>(&'a self, key: &'a str, by: i64) -> Write<'a, IncrementCommand> {
        let command = IncrementCommand {
            operation: Operation::Increment,
            by: Some(by),
        };
        Write::new(self, Some(key), command)
    }

    /// Subtracts from a counter and returns the difference; [`increment`](Cache::increment) has
    /// the rest.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set("tickets", &100).await?;
    /// assert_eq!(cache.decrement("tickets", 2).await?, 98);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`increment`](Cache::increment); subtracting `i64::MIN` is `Overflow`, as Redis has it.
    pub fn decrement<'a>(&'a self, key: &'a str, by: i64) -> Write<'a, IncrementCommand> {
        let command = IncrementCommand {
            operation: Operation::Decrement,
            by: by.checked_neg(),
        };
        Write::new(self, Some(key), command)
    }
}

/// A write that waits for its time to live, if it is given one, and then to be awaited.
///
/// The value is encoded when the write is made; nothing is sent before it is awaited.
#[must_use = "nothing is written until this is awaited"]
pub struct Write<'a, C> {
    shared: &'a Shared,
    /// The key as the caller named it; none for a batch.
    key: Option<&'a str>,
    command: C,
    ttl: Ttl,
}

impl<'a, C> Write<'a, C> {
    fn new(cache: &'a Cache, key: Option<&'a str>, command: C) -> Self {
        Self {
            shared: &cache.shared,
            key,
            command,
            ttl: Ttl::Default,
        }
    }

    /// How long the entry lives: a [`Duration`](std::time::Duration) or [`Ttl::Never`], in place
    /// of the handle's default.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.ttl = ttl.into();
        self
    }
}

impl<C> fmt::Debug for Write<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The command holds values.
        f.debug_struct("Write")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl<'a, C: WriteCommand> IntoFuture for Write<'a, C> {
    type Output = Result<C::Output>;
    type IntoFuture = WriteFuture<'a, C>;

    fn into_future(self) -> WriteFuture<'a, C> {
        WriteFuture(State::Waiting(Some(self)))
    }
}

/// The future of a [`Write`]. Does nothing until it is polled.
///
/// # Panics
///
/// Polled again after it was ready, it panics, as futures may.
#[must_use = "a future does nothing until it is awaited"]
pub struct WriteFuture<'a, C: WriteCommand>(State<'a, C>);

enum State<'a, C: WriteCommand> {
    Waiting(Option<Write<'a, C>>),
    Running(Running<'a, C::Answer, Finish<C>>),
}

type Finish<C> = fn(<C as WriteCommand>::Answer) -> Result<<C as WriteCommand>::Output>;

// Nothing is pinned in place: the command is moved out, and what runs is `Unpin`.
impl<'a, C: WriteCommand> Unpin for WriteFuture<'a, C> {}

impl<'a, C: WriteCommand> Future for WriteFuture<'a, C> {
    type Output = Result<C::Output>;

    #[allow(clippy::panic)] // Only for a caller who polls on after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Waiting(write) = &mut self.0 {
            let Some(Write {
                shared,
                key,
                command,
                ttl,
            }) = write.take()
            else {
                panic!("`WriteFuture` polled after completion");
            };
            let finish: Finish<C> = |answer| Ok(C::finish(answer));
            let started = shared.start(
                command.operation(),
                key,
                |backend, context, key| match ttl.resolve(shared.default_expiry) {
                    Ok(expiry) => command.call(backend, context, key, expiry),
                    Err(error) => error.into(),
                },
                finish,
            );
            match started {
                Started::Done(result) => return Poll::Ready(result),
                Started::Running(running) => self.0 = State::Running(running),
            }
        }
        match &mut self.0 {
            State::Running(running) => Pin::new(running).poll(context),
            State::Waiting(_) => Poll::Pending, // The lines above have left this state.
        }
    }
}

impl<'a, C: WriteCommand> fmt::Debug for WriteFuture<'a, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Waiting(_) => "WriteFuture(waiting)",
            State::Running(_) => "WriteFuture(running)",
        })
    }
}
