//! Requests of one kind that go out together: the command for all of them, and what its answer says
//! of each.

use std::ops::RangeInclusive;

use super::sent::Joined;
use crate::commands;
use crate::request::Joinable;
use crate::resp::{Command, Value};
use crate::scripts::{self, Increment};

/// What an answer to a batch is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// It has a part for each request.
    OfEach,
    /// It is the same for all of them.
    OfAll,
}

/// So many go out together, and neither fewer nor more: what a batch leaves open has to be asked for
/// once more, and a large one saves nothing more and keeps others waiting while the server is at it.
pub(super) fn bounds(kind: &Joinable) -> RangeInclusive<usize> {
    match kind {
        Joinable::Get(_) => 5..=64,
        Joinable::Increment(_) => 2..=32,
    }
}

/// The command for one request.
pub(super) fn alone(request: &Joinable) -> Command {
    match request {
        Joinable::Get(key) => commands::keyed("GET", key),
        Joinable::Increment(increment) => scripts::increment(&[increment]).by_digest(),
    }
}

/// One command for requests of one kind: [`MGET`](https://redis.io/docs/latest/commands/mget/) or a
/// call of the script with several keys.
pub(super) fn command(all: &[Joined]) -> Command {
    let mut keys: Vec<&str> = Vec::new();
    let mut increments: Vec<&Increment> = Vec::new();
    for joined in all {
        match &joined.request {
            Joinable::Get(key) => keys.push(key),
            Joinable::Increment(increment) => increments.push(increment),
        }
    }
    if increments.is_empty() {
        commands::over_keys("MGET", &keys)
    } else {
        scripts::increment(&increments).by_digest()
    }
}

/// Whether a request is answered by that. If not, it changed nothing and has to be sent alone.
pub(super) fn is_answer(request: &Joinable, value: &Value, says: Says) -> bool {
    match request {
        // Whether a key is missing or holds another type, a batch does not say.
        Joinable::Get(_) => matches!(value, Value::Bulk(_)),
        // A batch that was refused did nothing, be it for one of its keys or for the script, which
        // the server may not know.
        Joinable::Increment(_) => says == Says::OfEach || !matches!(value, Value::Refusal(_)),
    }
}
