//! What errors mean: one table from the server's error codes to the kinds of the cache, and what stands
//! for no answer at all.
//!
//! The server's code decides. Its words only help to tell apart what shares a code, and are never
//! passed on: a server may quote what it was sent, which are values, and name the user.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use maestro_cache_core::{Error, ErrorKind, Outcome};
use redis::{RedisError, ServerError};

const WRONG_LOGIN: &str =
    "the server refused the user or the password; check the user info of the URL";
const NOT_PERMITTED: &str =
    "the user may not run this command or touch this key; widen its rules with ACL SETUSER";
const CLUSTER: &str = "the server is a node of a cluster, and the URL speaks to a single server; write \
     `redis-cluster://` with the same host";
const RUNNING_SCRIPT: &str = "the server is busy with a script or a function; try again later";

/// What each refusal means: the server's code, words that tell apart what shares a code, the kind, and a
/// sentence with the remedy. The first line that fits holds.
#[rustfmt::skip]
const TABLE: &[(&str, &str, ErrorKind, &str)] = &[
    ("NOAUTH", "", ErrorKind::Authentication,
        "the server asks for a password; put it into the URL, as in `redis://:password@host`"),
    ("WRONGPASS", "", ErrorKind::Authentication, WRONG_LOGIN),
    ("ERR", "invalid password", ErrorKind::Authentication, WRONG_LOGIN),
    ("ERR", "without any password configured", ErrorKind::Authentication,
        "the server has no password, and the URL has one; remove it"),
    ("NOPROTO", "", ErrorKind::Backend,
        "the server does not speak RESP3; the cache needs Redis 6.2 or newer"),
    ("NOPERM", "", ErrorKind::PermissionDenied, NOT_PERMITTED),
    ("ERR", "The user executing the script", ErrorKind::PermissionDenied, NOT_PERMITTED),
    ("DENIED", "", ErrorKind::PermissionDenied,
        "the server is in protected mode and takes connections from its own machine only; give \
         it a password or a bind address"),
    ("READONLY", "", ErrorKind::NotWritable,
        "the server is a replica and takes no writes; connect to its master"),
    ("MISCONF", "", ErrorKind::NotWritable,
        "the server takes no writes since it cannot save its data to disk; see its log"),
    ("NOREPLICAS", "", ErrorKind::NotWritable,
        "the server takes no writes while too few replicas follow it"),
    ("LOADING", "", ErrorKind::Loading,
        "the server is still reading its data set from disk; try again later"),
    ("OOM", "", ErrorKind::OutOfMemory,
        "the server is out of memory and evicts nothing; raise `maxmemory` or set a \
         `maxmemory-policy`"),
    ("WRONGTYPE", "", ErrorKind::WrongType,
        "the key holds something that is no plain value, such as a list; delete it or use \
         another key"),
    ("MOVED", "", ErrorKind::Moved, CLUSTER),
    ("ASK", "", ErrorKind::Moved, CLUSTER),
    ("CROSSSLOT", "", ErrorKind::Moved, CLUSTER),
    ("CLUSTERDOWN", "", ErrorKind::Moved, CLUSTER),
    ("MASTERDOWN", "", ErrorKind::Unavailable,
        "the server is a replica that lost its master, and serves no old data"),
    ("TRYAGAIN", "", ErrorKind::Unavailable,
        "the keys are being moved between nodes; try again later"),
    ("BUSY", "", ErrorKind::Unavailable, RUNNING_SCRIPT),
    ("ERR", "max number of clients", ErrorKind::Unavailable,
        "the server has as many clients as it may have; raise `maxclients` or use fewer \
         connections"),
    ("ERR", "value is not an integer or out of range", ErrorKind::NotAnInteger,
        "the stored value is not a decimal integer of 64 bits; only counters and integers can \
         be incremented"),
    ("ERR", "increment or decrement would overflow", ErrorKind::Overflow,
        "the sum is beyond 64 bits; the stored value is left as it was"),
    ("ERR", "string exceeds maximum allowed size", ErrorKind::TooLarge,
        "the value is larger than the server takes"),
    ("ERR", "DB index is out of range", ErrorKind::Config,
        "the server has no database of the number in the URL; see its setting `databases`"),
    ("ERR", "invalid DB index", ErrorKind::Config,
        "the server has no database of the number in the URL; see its setting `databases`"),
    // The client leaves out the code of a refused SELECT.
    ("ERR", "no permissions to run", ErrorKind::PermissionDenied, NOT_PERMITTED),
    ("ERR", "SELECT is not allowed in cluster mode", ErrorKind::Config,
        "the server is a node of a cluster, which has no other database than 0"),
    ("ERR", "unknown command", ErrorKind::Backend,
        "the server does not know a command; the cache needs Redis 6.2 or newer, with no \
         command renamed"),
    ("EXECABORT", "", ErrorKind::Backend,
        "the server gave up the transaction, and nothing of it took effect"),
];

/// A refusal of the server: a code, mostly in capitals, and words.
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) words: String,
}

impl Refusal {
    pub(crate) fn new(error: &ServerError) -> Self {
        let (code, words) = (error.code(), error.details().unwrap_or_default());
        let line = format!("{code} {words}");
        let (code, words) = match raised_in_a_script(&line) {
            Some(cause) if starts_with_a_code(cause) => split(cause),
            Some(cause) => ("ERR", cause),
            None => (code, words),
        };
        Self {
            code: code.to_owned(),
            words: words.to_owned(),
        }
    }
}

fn split(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line, ""))
}

/// What went wrong in a script, without the place in it that a server before 7.0 puts in front.
fn raised_in_a_script(line: &str) -> Option<&str> {
    let mut cause = match line.strip_prefix("ERR Error running script (call to ") {
        Some(call) => call.split_once("): ")?.1,
        None => line,
    };
    while let Some(place) = cause.strip_prefix("@user_script:") {
        cause = place.split_once(": ")?.1;
    }
    let is_there = cause.len() < line.len();
    is_there.then(|| cause.strip_prefix('-').unwrap_or(cause))
}

/// Servers write their codes in capitals.
fn starts_with_a_code(line: &str) -> bool {
    let (word, _) = split(line);
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// The error that stands for a refusal of the server. A refused command did nothing.
pub(crate) fn refusal(error: &ServerError) -> Error {
    let Refusal { code, words } = Refusal::new(error);
    // A transaction that is given up at its end names the refusal behind it.
    match words.split_once("discarded because of: ") {
        Some((_, cause)) if code == "EXECABORT" => {
            let (code, words) = split(cause);
            look_up(code, words)
        }
        _ => look_up(&code, &words),
    }
}

/// The error that stands for this code, the words telling apart what shares one.
fn look_up(code: &str, words: &str) -> Error {
    let (kind, message) = TABLE
        .iter()
        .find(|(known, some_words, ..)| *known == code && words.contains(some_words))
        .map_or(
            (ErrorKind::Backend, "the server refused the command"),
            |(_, _, kind, message)| (*kind, *message),
        );
    // Anything that is not in capitals is a word of a free text.
    let is_code = (1..=24).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let shown = if is_code { code } else { "another one" };
    Error::new(kind, message).with_source(Cause::Code(shown.to_owned()))
}

pub(crate) fn is_of_a_replica(error: &ServerError) -> bool {
    // The second half is how a server before 7.0 hands it on from a script.
    error.code() == "READONLY" || Refusal::new(error).code == "READONLY"
}

/// Why a connection is of no use any more.
#[derive(Clone, Debug)]
pub(crate) enum ConnectionError {
    /// It was given up, its runtime is gone, or what came over it is not the protocol.
    Ended,
    /// The words of the operating system or of TLS.
    Broken(Arc<str>),
}

impl From<RedisError> for ConnectionError {
    fn from(error: RedisError) -> Self {
        io_error(&error).map_or(Self::Ended, |error| Self::Broken(error.to_string().into()))
    }
}

impl From<&ConnectionError> for Error {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::Broken(words) => {
                unanswered().with_source(Cause::Broken(words.to_string()))
            }
            ConnectionError::Ended => unanswered(),
        }
    }
}

pub(crate) fn unanswered() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the connection to the server broke before it answered",
    )
}

/// The error of an attempt to connect. No command was sent yet.
pub(crate) fn connecting(error: RedisError) -> Error {
    match error.kind() {
        redis::ErrorKind::RESP3NotSupported => look_up("NOPROTO", ""),
        redis::ErrorKind::Parse => Error::new(
            ErrorKind::Unavailable,
            "what answers at the address does not speak as a Redis server does",
        ),
        redis::ErrorKind::InvalidClientConfig => Error::new(
            ErrorKind::Unavailable,
            "the host of the URL has no address; check its spelling and the name service",
        ),
        redis::ErrorKind::Io => match io_error(&error) {
            Some(io) if io.kind() == io::ErrorKind::TimedOut => silent(),
            Some(io) => unreachable(io),
            None => Error::new(
                ErrorKind::Config,
                "the host of the URL is no name that a certificate could be for",
            ),
        },
        _ => match ServerError::try_from(error) {
            Ok(refused) => refusal(&refused),
            Err(error) => look_up("ERR", error.detail().unwrap_or_default()),
        },
    }
}

/// What the operating system says.
fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    match source.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
        Some(inner) => inner.downcast_ref(),
        None => source.downcast_ref(),
    }
}

fn unreachable(error: &io::Error) -> Error {
    // TLS 1.3 lets a client finish before the server has looked at who it is.
    let (kind, message) = if is_about_trust(error) {
        (
            ErrorKind::Tls,
            "the server and the cache do not trust each other, or one of them does not speak TLS; \
             check the certificate of the server, `tls_ca`, `tls_cert` and the host of the URL",
        )
    } else {
        (
            ErrorKind::Unavailable,
            "the server cannot be reached; check that it runs and that the address is right",
        )
    };
    Error::new(kind, message).with_source(Cause::Broken(error.to_string()))
}

/// The error of what was done in part. That much is done, whatever became of the rest.
pub(crate) fn after_a_part(done: u64, error: Error) -> Error {
    if done == 0 {
        return error;
    }
    error.with_outcome(Outcome::Unknown)
}

/// The error of an attempt that took too long.
pub(crate) fn silent() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the server takes no connection in time; check that it is well and that nothing on the \
         way swallows packets",
    )
}

/// The error of calls to a replica whose master is not found yet.
pub(crate) fn demoted() -> Error {
    Error::new(
        ErrorKind::NotWritable,
        "the sentinels have not chosen a new master yet; the one that they name is a replica",
    )
}

/// The error of a server that is known to refuse writes.
pub(crate) fn is_a_replica() -> Error {
    look_up("READONLY", "")
}

#[cfg(feature = "tls")]
fn is_about_trust(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn StdError + Send + Sync>::is::<rustls::Error>)
}

#[cfg(not(feature = "tls"))]
fn is_about_trust(_: &io::Error) -> bool {
    false
}

/// What is behind an error; nothing of what was sent.
#[derive(Debug)]
enum Cause {
    Code(String),
    /// What somebody else says of a connection.
    Broken(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the error code of the server is {code}"),
            Self::Broken(words) => f.write_str(words),
        }
    }
}

impl StdError for Cause {}

#[cfg(test)]
#[path = "../tests/unit/error.rs"]
mod tests;
