//! The commands, built when an operation is called: they copy the key, so that the future of the
//! operation borrows nothing of its arguments.

use bytes::Bytes;
use maestro_cache_core::{Error, ErrorKind, Expiry, LoadToken, Result, SetWhen};
use redis::{Cmd, Pipeline};

use crate::mark;

/// The longest expiry that is sent, in milliseconds.
///
/// A server adds the milliseconds since 1970 and refuses a sum beyond 64 bits. The contract lets
/// expiries go up to `i64::MAX`, so the last 2^46, good until the year 4199, are kept free for the
/// server's clock; nobody sees the difference in 292 million years.
pub(crate) const LONGEST_EXPIRY: i64 = i64::MAX - (1 << 46);

/// The longest text that a Redis server takes: 512 MiB, its `proto-max-bulk-len`. It answers a
/// longer one by closing the connection, on all who share it.
const LONGEST_TEXT: usize = 512 << 20;

/// Refuses keys and values that are too long to be sent, by their lengths.
pub(crate) fn fit(lengths: impl IntoIterator<Item = usize>) -> Result<()> {
    if lengths.into_iter().any(|length| length > LONGEST_TEXT) {
        return Err(Error::new(
            ErrorKind::TooLarge,
            "a key or a value is longer than the 512 MiB that a Redis server takes; store it in \
             parts or elsewhere",
        ));
    }
    Ok(())
}

/// A command with room for this many arguments, which take this many bytes together.
pub(crate) fn command(name: &str, arguments: usize, bytes: usize) -> Cmd {
    let mut command = Cmd::with_capacity(arguments + 1, name.len() + bytes);
    command.arg(name);
    command
}

pub(crate) fn keyed(name: &str, key: &str) -> Cmd {
    over_keys(name, &[key])
}

/// A command over any number of keys, but at least one.
pub(crate) fn over_keys<K: AsRef<[u8]>>(name: &str, keys: &[K]) -> Cmd {
    let bytes = keys.iter().map(|key| key.as_ref().len()).sum();
    let mut command = command(name, keys.len(), bytes);
    for key in keys {
        command.arg(key.as_ref());
    }
    command
}

/// What a server is told of an expiry, in milliseconds.
pub(crate) fn millis(expiry: Expiry) -> Option<i64> {
    match expiry {
        Expiry::Never => None,
        Expiry::AfterMillis(millis) => Some(
            i64::try_from(millis.get()).map_or(LONGEST_EXPIRY, |millis| millis.min(LONGEST_EXPIRY)),
        ),
    }
}

pub(crate) fn set(key: &str, value: &[u8], expiry: Expiry, when: SetWhen) -> Cmd {
    let value = mark::plain(value);
    let mut set = command("SET", 5, key.len() + value.len() + 24);
    set.arg(key).arg(&*value);
    if let Some(millis) = millis(expiry) {
        set.arg("PX").arg(millis);
    }
    if when == SetWhen::Absent {
        set.arg("NX");
    }
    set
}

/// Lets the key be claimed, if there is nothing.
pub(crate) fn claim(key: &str, token: LoadToken) -> Cmd {
    let placeholder = mark::placeholder(token);
    let mut claim = command("SET", 5, key.len() + placeholder.len() + 24);
    claim.arg(key).arg(placeholder);
    claim.arg("PX").arg(mark::CLAIM_LIFE_MILLIS).arg("NX");
    claim
}

/// All entries or none, in one round trip.
pub(crate) fn set_many(entries: &[(&str, Bytes)], expiry: Expiry) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(entries.len() + 2);
    pipeline.cmd("MULTI");
    for (key, value) in entries {
        pipeline.add_command(set(key, value, expiry, SetWhen::Always));
    }
    pipeline.cmd("EXEC");
    pipeline
}

pub(crate) fn increment(key: &str, by: i64) -> Cmd {
    let mut increment = command("INCRBY", 2, key.len() + 20);
    increment.arg(key).arg(by);
    increment
}

/// The end of the key's value: its mark, if it has one.
fn end_of_value(key: &[u8]) -> Cmd {
    let mut end = command("GETRANGE", 3, key.len() + 8);
    end.arg(key).arg(-mark::LENGTH_SENT).arg(-1);
    end
}

/// How long the key is there yet, and then the end of its value: what tells whether it is live.
fn probe(key: &[u8]) -> [Cmd; 2] {
    [over_keys("PTTL", &[key]), end_of_value(key)]
}

pub(crate) fn is_live(key: &str) -> Pipeline {
    together(probe(key.as_bytes()))
}

/// Removes the keys. What tells whether each was live comes before.
pub(crate) fn delete<K: AsRef<[u8]>>(keys: &[K]) -> Pipeline {
    let mut pipeline = together(keys.iter().flat_map(|key| probe(key.as_ref())));
    pipeline.add_command(over_keys("UNLINK", keys));
    pipeline
}

/// How long the key was there yet, and then its value, which is removed.
pub(crate) fn take(key: &str) -> Pipeline {
    together([keyed("PTTL", key), keyed("GETDEL", key)])
}

/// Tells the key when it is gone. What tells whether it was live comes before.
pub(crate) fn set_expiry(key: &str, expiry: Expiry) -> Pipeline {
    let mut pipeline = is_live(key);
    pipeline.add_command(match millis(expiry) {
        Some(millis) => {
            let mut expire = command("PEXPIRE", 2, key.len() + 20);
            expire.arg(key).arg(millis);
            expire
        }
        None => keyed("PERSIST", key),
    });
    pipeline
}

/// Stores the value if there is nothing. What there was comes before.
pub(crate) fn add(key: &str, value: &[u8], expiry: Expiry) -> Pipeline {
    together([
        end_of_value(key.as_bytes()),
        set(key, value, expiry, SetWhen::Absent),
    ])
}

/// Adds to a counter, and creates one with its expiry before that, if there is none.
pub(crate) fn create_and_increment(key: &str, by: i64, millis: i64) -> Pipeline {
    let mut create = command("SET", 5, key.len() + 24);
    create.arg(key).arg(0).arg("PX").arg(millis).arg("NX");
    together([create, increment(key, by)])
}

/// How long the key is there yet, and then its value.
pub(crate) fn look(key: &str) -> Pipeline {
    together([keyed("PTTL", key), keyed("GET", key)])
}

/// Commands that go in one message, each with an answer.
pub(crate) fn together(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

#[cfg(test)]
#[path = "../tests/unit/commands.rs"]
mod tests;
