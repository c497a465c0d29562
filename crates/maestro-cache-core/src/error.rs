//! The one error of the cache: a kind for programs, a sentence for people, a source for both.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Operation;

/// The error of every operation: opaque, one word wide and cheap to clone.
///
/// Programs act upon [`kind`](Error::kind) and, after a failed write, upon
/// [`outcome`](Error::outcome). People read its text, which names the operation, the key and the
/// backend. It never holds a value, a password or the user info of a URL.
///
/// # Examples
///
/// ```
/// use maestro_cache_core::{Error, ErrorKind};
///
/// fn worth_a_second_try(error: &Error) -> bool {
///     matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable)
/// }
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    outcome: Outcome,
    operation: Option<Operation>,
    key: Option<Box<str>>,
    backend: Option<&'static str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What went wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key is empty.
    InvalidKey,
    /// The time to live is zero or more than `i64::MAX` milliseconds.
    InvalidTtl,
    /// The pattern has an unclosed class, a trailing backslash or a range that is not ASCII.
    InvalidPattern,
    /// A setting is wrong; the text names it and the remedy.
    Config,
    /// The value cannot be written in the handle's codec.
    Encode,
    /// The stored bytes are not a value of the type that was asked for. The entry is left alone,
    /// but for `take`, which has removed it.
    Decode,
    /// `increment` met a value that is not a canonical decimal integer of 64 bits.
    NotAnInteger,
    /// `increment` would leave the range of `i64`.
    Overflow,
    /// The key holds something that is no plain value, such as a Redis list.
    WrongType,
    /// The value is larger than the backend can hold.
    TooLarge,
    /// The cache was closed.
    Closed,
    /// The deadline of the call passed.
    Timeout,
    /// The backend cannot be reached, or the connection to it broke.
    Unavailable,
    /// The cache itself refused the call, since too many are under way.
    Rejected,
    /// The server and the cache do not trust each other's certificates, or do not agree on TLS.
    Tls,
    /// The server refused the user or the password.
    Authentication,
    /// The user may not run this command or touch this key.
    PermissionDenied,
    /// The server takes no writes, as a replica does not.
    NotWritable,
    /// The server is out of memory and evicts nothing.
    OutOfMemory,
    /// The server is still reading its data set from disk.
    Loading,
    /// The key lives on another node: this is a cluster, spoken to as a single server.
    Moved,
    /// Any other refusal of the backend; the source has its words.
    Backend,
}

/// Whether a call that failed may have changed something.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
/// use maestro_cache_core::{ErrorKind, Outcome};
///
/// if let Err(error) = cache.increment("paid", 1).await {
///     match error.outcome() {
///         Outcome::NotApplied => println!("nothing happened: it may be tried again"),
///         _ => println!("it may have counted: trying again might count twice"),
///     }
/// }
///
/// cache.set("token", "no number").await?;
/// let error = cache.take::<u64>("token").await.unwrap_err();
/// assert_eq!((error.kind(), error.outcome()), (ErrorKind::Decode, Outcome::Applied));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Certainly nothing was changed by this call.
    NotApplied,
    /// The call certainly took effect, and only its answer could not be given: a `take` has removed
    /// a value that is not of the type it was asked for.
    Applied,
    /// The command was on its way when the call failed: it may or may not take effect.
    Unknown,
}

impl Error {
    /// An error of this kind. The message is a short sentence without a full stop that names the
    /// remedy and holds neither a value nor a secret.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            outcome: Outcome::NotApplied,
            operation: None,
            key: None,
            backend: None,
            source: None,
        }))
    }

    /// The error that every operation answers with after `close`.
    #[must_use]
    pub fn closed() -> Self {
        Self::new(
            ErrorKind::Closed,
            "the cache was closed; build a new one to go on",
        )
    }

    /// This error, caused by `source`.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.0).source = Some(Arc::new(source));
        self
    }

    /// This error, with an outcome other than [`Outcome::NotApplied`].
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        Arc::make_mut(&mut self.0).outcome = outcome;
        self
    }

    /// This error, with the key it concerns. For batches: the handle names the key of single calls.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        Arc::make_mut(&mut self.0).key = Some(key.into());
        self
    }

    /// The context that only the handle knows. A key that is there already is the more exact one.
    pub(crate) fn in_context(
        mut self,
        operation: Operation,
        key: Option<&str>,
        backend: &'static str,
    ) -> Self {
        let inner = Arc::make_mut(&mut self.0);
        inner.operation = Some(operation);
        inner.backend = Some(backend);
        if inner.key.is_none() {
            inner.key = key.map(Box::from);
        }
        self
    }

    /// What went wrong, to match upon.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the failed call may have changed something. Reads and local checks never did; a
    /// [`take`](crate::Cache::take) whose value cannot be decoded did.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The operation that failed, unless the error arose before one began.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The key that was asked for, without the handle's prefix.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// The name of the backend, such as `redis`.
    #[must_use]
    pub fn backend(&self) -> Option<&'static str> {
        self.0.backend
    }
}

/// At most this much of a key is shown, so that a wild key cannot flood a log.
const SHOWN_KEY_CHARS: usize = 128;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            message,
            operation,
            key,
            backend,
            ..
        } = &*self.0;
        if let Some(operation) = operation {
            write!(f, "{operation}")?;
            if let Some(key) = key {
                match key.char_indices().nth(SHOWN_KEY_CHARS) {
                    Some((end, _)) => write!(f, " {:?}…", key.get(..end).unwrap_or_default())?,
                    None => write!(f, " {key:?}")?,
                }
            }
            if let Some(backend) = backend {
                write!(f, " on {backend}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(message)?;
        f.write_str(match self.0.outcome {
            Outcome::NotApplied => "",
            Outcome::Applied => " (it took effect all the same)",
            Outcome::Unknown => " (it may or may not have taken effect)",
        })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("outcome", &inner.outcome)
            .field("operation", &inner.operation)
            .field("key", &inner.key)
            .field("backend", &inner.backend)
            .field("source", &inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide_and_may_cross_threads() {
        fn cross_threads<T: Send + Sync + Clone>() {}
        cross_threads::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn the_text_names_operation_key_and_backend_and_does_not_repeat_the_source() {
        let error = Error::new(ErrorKind::Unavailable, "the connection broke")
            .with_source(std::io::Error::other("canary"))
            .with_outcome(Outcome::Unknown)
            .in_context(Operation::Set, Some("user:1"), "redis");
        assert_eq!(
            error.to_string(),
            "set \"user:1\" on redis: the connection broke (it may or may not have taken effect)"
        );
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("canary")
        );
    }

    #[test]
    fn the_text_of_a_failure_that_took_effect_says_so() {
        let error = Error::new(ErrorKind::Decode, "no number").with_outcome(Outcome::Applied);
        assert_eq!(error.to_string(), "no number (it took effect all the same)");
    }

    #[test]
    fn a_long_key_is_shown_in_part_and_kept_whole() {
        let key = "é".repeat(1000);
        let error =
            Error::new(ErrorKind::Timeout, "late").in_context(Operation::Get, Some(&key), "redis");
        assert_eq!(
            error.to_string(),
            format!("get {:?}… on redis: late", "é".repeat(128))
        );
        assert_eq!(error.key(), Some(key.as_str()));
    }

    #[test]
    fn the_key_that_a_batch_names_is_not_overwritten() {
        let error = Error::new(ErrorKind::Decode, "no text")
            .with_key("b")
            .in_context(Operation::GetMany, Some("a"), "memory");
        assert_eq!(error.key(), Some("b"));
    }
}
