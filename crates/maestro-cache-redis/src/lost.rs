//! Errors without an answer of the server: no connection could be made, or it broke.

use std::fmt;
use std::io;

use maestro_cache_core::{Error, ErrorKind};
use redis::RedisError;

use crate::classify;
#[cfg(feature = "tls")]
use crate::connect;

/// The error of a stream that could not be opened.
pub(crate) fn unreachable(error: io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server cannot be reached; check that it runs and that the address is right",
    )
    .with_source(error)
}

/// The error of a greeting that failed. No command was sent yet.
pub(crate) fn greeting(error: &RedisError) -> Error {
    match error.kind() {
        // TLS 1.3 lets a client finish before the server has looked at who it is.
        #[cfg(feature = "tls")]
        redis::ErrorKind::Io if is_about_trust(error) => {
            connect::distrust(Broken(error.to_string()))
        }
        redis::ErrorKind::Io => Error::new(
            ErrorKind::Unavailable,
            "the server cannot be reached; check that it runs and that the address is right",
        )
        .with_source(Broken(error.to_string())),
        redis::ErrorKind::AuthenticationFailed => {
            Error::new(ErrorKind::Authentication, classify::WRONG_LOGIN)
        }
        redis::ErrorKind::RESP3NotSupported => Error::new(
            ErrorKind::Backend,
            "the server does not speak RESP3; the cache needs Redis 6.2 or newer",
        ),
        redis::ErrorKind::Server(_) | redis::ErrorKind::Extension => classify::look_up(
            error.code().unwrap_or_default(),
            error.detail().unwrap_or_default(),
        ),
        _ => Error::new(
            ErrorKind::Unavailable,
            "what answers at the address does not speak as a Redis server does",
        ),
    }
}

/// Whether it is TLS that the stream failed with. The driver keeps what it failed with in an `Arc`,
/// and shows that as the source.
#[cfg(feature = "tls")]
fn is_about_trust(error: &RedisError) -> bool {
    use std::error::Error as _;
    use std::sync::Arc;

    type Kept = Arc<dyn std::error::Error + Send + Sync>;
    error
        .source()
        .and_then(|source| source.downcast_ref::<Kept>())
        .and_then(|kept| kept.downcast_ref::<io::Error>())
        .is_some_and(connect::is_about_trust)
}

/// The error of an attempt that took too long.
pub(crate) fn silent() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the server takes no connection in time; check that it is well and that nothing on the \
         way swallows packets",
    )
}

/// The error of a request whose connection broke.
pub(crate) fn request(error: &RedisError) -> Error {
    let lost = unanswered();
    match error.kind() {
        // These are the words of the operating system. Those of the parser quote the answer.
        redis::ErrorKind::Io => lost.with_source(Broken(error.to_string())),
        _ => lost,
    }
}

/// The error of a request whose connection ended.
pub(crate) fn unanswered() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection to the server broke before it answered",
    )
}

/// The error of calls to a replica whose master is not found yet.
pub(crate) fn demoted() -> Error {
    Error::new(
        ErrorKind::NotWritable,
        "the sentinels have not chosen a new master yet; the one that they name is a replica",
    )
}

/// The words of the operating system about a link.
#[derive(Debug)]
struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Broken {}
