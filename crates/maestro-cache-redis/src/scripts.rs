//! What takes more than one command and must still be atomic.
//!
//! Each script writes at most once, so that a refusal in the middle leaves nothing half done. A
//! refusal of an inner command is handed on as it is (`pcall`), with its own code, which an
//! uncaught one loses on older servers.

use std::sync::LazyLock;

use maestro_cache_core::Expiry;
use redis::{Arg, Cmd};

use crate::commands;

/// A script and the digest by which a server that has seen it knows it.
pub(crate) struct Script {
    code: &'static str,
    digest: String,
}

/// Replaces a value that is still the expected one.
static COMPARE_AND_SET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local current = redis.pcall('GET', KEYS[1])
if type(current) == 'table' then return current end
if current ~= ARGV[1] then return 0 end
local set
if ARGV[3] then
  set = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  set = redis.pcall('SET', KEYS[1], ARGV[2])
end
if set.err then return set end
return 1",
    )
});

/// Adds to a counter; one that is missing is created with an expiry, in one command.
///
/// Lua's numbers are doubles, which are exact below 2^53 only: beyond, the text is read back.
static INCREMENT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local created = redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
if created then
  if created.err then return created end
  return ARGV[1]
end
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'number' and (sum >= 9007199254740992 or sum <= -9007199254740992) then
  return redis.call('GET', KEYS[1])
end
return sum",
    )
});

impl Script {
    fn new(code: &'static str) -> Self {
        Self {
            code,
            digest: redis::Script::new(code).get_hash().to_owned(),
        }
    }

    fn named(&self, key: &str, size: usize) -> Cmd {
        let mut command = commands::command("EVALSHA", 6, 64 + key.len() + size);
        command.arg(&self.digest).arg(1).arg(key);
        command
    }

    /// The same call with the script itself, for a server that does not know it.
    pub(crate) fn in_full(&self, named: &Cmd) -> Cmd {
        let mut command = commands::command("EVAL", 6, self.code.len());
        command.arg(self.code);
        for argument in named.args_iter().skip(2) {
            if let Arg::Simple(argument) = argument {
                command.arg(argument);
            }
        }
        command
    }
}

/// A call of a script: the script and the command that names it.
pub(crate) type ScriptCall = (&'static Script, Cmd);

pub(crate) fn compare_and_set(
    key: &str,
    expected: &[u8],
    new: &[u8],
    expiry: Expiry,
) -> ScriptCall {
    let mut command = COMPARE_AND_SET.named(key, expected.len() + new.len());
    command.arg(expected).arg(new);
    if let Some(millis) = commands::millis(expiry) {
        command.arg(millis);
    }
    (&COMPARE_AND_SET, command)
}

pub(crate) fn increment(key: &str, by: i64, millis: i64) -> ScriptCall {
    let mut command = INCREMENT.named(key, 40);
    command.arg(by).arg(millis);
    (&INCREMENT, command)
}
