//! What takes more than one command and must still be atomic.
//!
//! Each script writes at most once, so that a refusal in the middle leaves nothing half done. A
//! refusal of an inner command is handed on as it is (`pcall`), with its own code, which an
//! uncaught one loses on older servers.

use maestro_cache_core::Expiry;

use crate::commands;
use crate::request::Request;
use crate::resp::Command;

/// A script and its SHA-1, by which a server that has seen it knows it.
struct Script {
    code: &'static str,
    digest: &'static str,
}

/// Replaces a value that is still the expected one.
static COMPARE_AND_SET: Script = Script {
    code: "local current = redis.pcall('GET', KEYS[1])
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
    digest: "d94dd4df38bc8944fce236a36b890d2885660506",
};

/// Adds to a counter; one that is missing is created with an expiry, in one command.
///
/// Lua's numbers are doubles, which are exact below 2^53 only: beyond, the text is read back.
static INCREMENT: Script = Script {
    code: "local created = redis.pcall('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
if created then
  if created.err then return created end
  return ARGV[1]
end
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(sum) == 'number' and (sum >= 9007199254740992 or sum <= -9007199254740992) then
  return redis.call('GET', KEYS[1])
end
return sum",
    digest: "0b615b96c0903713079ef04553125cf4efefbfe4",
};

/// A call of a script on a key.
pub(crate) struct ScriptCall {
    script: &'static Script,
    /// How many keys there are, the key, and what the script is told.
    arguments: Command,
}

impl ScriptCall {
    fn new(script: &'static Script, key: &str, size: usize) -> Self {
        let mut arguments = Command::arguments(5, key.len() + size);
        arguments.number(1).arg(key);
        Self { script, arguments }
    }

    /// The call for a server that knows the script.
    pub(crate) fn by_digest(&self) -> Request {
        self.with("EVALSHA", self.script.digest)
    }

    /// The same call with the script itself, for a server that does not know it.
    pub(crate) fn in_full(&self) -> Request {
        self.with("EVAL", self.script.code)
    }

    fn with(&self, name: &str, script: &str) -> Request {
        let mut command = Command::arguments(2, name.len() + script.len());
        command.arg(name).arg(script).append(&self.arguments);
        command.into()
    }
}

pub(crate) fn compare_and_set(
    key: &str,
    expected: &[u8],
    new: &[u8],
    expiry: Expiry,
) -> ScriptCall {
    let mut call = ScriptCall::new(&COMPARE_AND_SET, key, expected.len() + new.len() + 24);
    call.arguments.arg(expected).arg(new);
    if let Some(millis) = commands::millis(expiry) {
        call.arguments.number(millis);
    }
    call
}

pub(crate) fn increment(key: &str, by: i64, millis: i64) -> ScriptCall {
    let mut call = ScriptCall::new(&INCREMENT, key, 40);
    call.arguments.number(by).number(millis);
    call
}
