//! The commands, packed when an operation is called: they copy the key, so that the future of the
//! operation borrows nothing of its arguments.

use bytes::Bytes;
use maestro_cache_core::{Error, ErrorKind, Expiry, LoadToken, Result, SetWhen};

use crate::mark;
use crate::resp::{Command, Pipeline};

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

/// A command over one key.
pub(crate) fn keyed(name: &str, key: &str) -> Command {
    let mut command = Command::new(name, 1, key.len());
    command.arg(key);
    command
}

/// A command over any number of keys, but at least one.
pub(crate) fn over_keys<K: AsRef<[u8]>>(name: &str, keys: &[K]) -> Command {
    let size = keys.iter().map(|key| key.as_ref().len()).sum();
    let mut command = Command::new(name, keys.len(), size);
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

pub(crate) fn set(key: &str, value: &[u8], expiry: Expiry, when: SetWhen) -> Command {
    let value = mark::plain(value);
    let mut command = Command::new("SET", 5, key.len() + value.len() + 24);
    command.arg(key).arg(value);
    if let Some(millis) = millis(expiry) {
        command.arg("PX").number(millis);
    }
    if when == SetWhen::Absent {
        command.arg("NX");
    }
    command
}

/// Lets the key be claimed, if there is nothing.
pub(crate) fn claim(key: &str, token: LoadToken) -> Command {
    let placeholder = mark::placeholder(token);
    let mut command = Command::new("SET", 5, key.len() + placeholder.len() + 24);
    command.arg(key).arg(placeholder);
    command.arg("PX").number(mark::CLAIM_LIFE_MILLIS).arg("NX");
    command
}

/// All entries or none, in one round trip.
pub(crate) fn set_many(entries: &[(&str, Bytes)], expiry: Expiry) -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.add(Command::new("MULTI", 0, 0));
    for (key, value) in entries {
        pipeline.add(set(key, value, expiry, SetWhen::Always));
    }
    pipeline.add(Command::new("EXEC", 0, 0));
    pipeline
}

pub(crate) fn increment(key: &str, by: i64) -> Command {
    let mut command = Command::new("INCRBY", 2, key.len() + 20);
    command.arg(key).number(by);
    command
}

/// How long the key is there yet, and then its value.
pub(crate) fn look(key: &str) -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.add(keyed("PTTL", key)).add(keyed("GET", key));
    pipeline
}

/// Whether the key is there, and then as much of its value's end as tells whether it has a mark.
pub(crate) fn glance(key: &str) -> Pipeline {
    let mut end = Command::new("GETRANGE", 3, key.len() + 8);
    end.arg(key).number(-mark::END).number(-1);
    let mut pipeline = Pipeline::new();
    pipeline.add(keyed("EXISTS", key)).add(end);
    pipeline
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    #[test]
    fn the_longest_expiry_leaves_room_for_the_servers_clock() {
        let longest = Expiry::AfterMillis(NonZeroU64::new(Expiry::MAX_MILLIS).unwrap());
        let year_4000 = 64_060_588_800_000;
        assert!(millis(longest).unwrap().checked_add(year_4000).is_some());
        let second = Expiry::AfterMillis(NonZeroU64::new(1000).unwrap());
        assert_eq!(millis(second), Some(1000));
        assert_eq!(millis(Expiry::Never), None);
    }
}
