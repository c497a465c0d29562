//! The commands that the other clients send.

use std::time::Duration;

use ::redis::{Cmd, cmd};
use maestro_cache::CacheBuilder;

/// As long lives what is written through a handle that names no time.
pub(super) const TTL: Duration = CacheBuilder::DEFAULT_TTL;

pub(super) fn get(key: &str) -> Cmd {
    let mut command = cmd("GET");
    command.arg(key);
    command
}

pub(super) fn set(key: &str, value: &[u8]) -> Cmd {
    let mut command = cmd("SET");
    command.arg(key).arg(value).arg("PX").arg(ttl_millis());
    command
}

pub(super) fn ttl_millis() -> u64 {
    TTL.as_millis() as u64
}
