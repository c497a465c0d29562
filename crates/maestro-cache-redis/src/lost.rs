//! Errors without an answer of the server: no connection could be made, or it broke.

use std::fmt;
use std::io;
use std::sync::Arc;

use maestro_cache_core::{Error, ErrorKind};

#[cfg(feature = "tls")]
use crate::connect;
use crate::driver::{Unanswered, Why};

/// The error of a stream that could not be opened.
pub(crate) fn unreachable(error: io::Error) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the server cannot be reached; check that it runs and that the address is right",
    )
    .with_source(error)
}

/// How a connection came to its end.
#[derive(Clone, Debug)]
pub(crate) enum Lost {
    /// It was given up, or its runtime is gone.
    Ended,
    Broken(Arc<io::Error>),
    /// What came over it is not the protocol.
    Unreadable,
}

impl Lost {
    pub(crate) fn broken(error: io::Error) -> Self {
        Self::Broken(Arc::new(error))
    }
}

/// The error of a greeting that was not answered. No command was sent yet.
pub(crate) fn greeting(unanswered: &Unanswered) -> Error {
    match &unanswered.why {
        // TLS 1.3 lets a client finish before the server has looked at who it is.
        #[cfg(feature = "tls")]
        Why::Lost(Lost::Broken(error)) if connect::is_about_trust(error) => {
            connect::distrust(Broken(error.to_string()))
        }
        Why::Lost(Lost::Broken(error)) => Error::new(
            ErrorKind::Unavailable,
            "the server cannot be reached; check that it runs and that the address is right",
        )
        .with_source(Broken(error.to_string())),
        Why::Lost(Lost::Unreadable) => no_redis(),
        Why::Lost(Lost::Ended) | Why::Late => Error::new(
            ErrorKind::Unavailable,
            "the attempt to connect was given up",
        ),
    }
}

/// The error of a greeting that was answered in another language.
pub(crate) fn no_redis() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "what answers at the address does not speak as a Redis server does",
    )
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
pub(crate) fn request(lost: &Lost) -> Error {
    match lost {
        Lost::Broken(error) => unanswered().with_source(Broken(error.to_string())),
        Lost::Ended | Lost::Unreadable => unanswered(),
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
