//! What takes more than one command and must still be atomic.
//!
//! Each script writes at most once for each key and result, so that a refusal in the middle leaves
//! nothing half done. A refusal of an inner command is handed on as it is (`pcall`), with its own code,
//! which an uncaught one loses on older servers.

use maestro_cache_core::Expiry;

use crate::commands;
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

/// Adds to counters, each with a result of its own; one that is missing is created with an expiry, in
/// one command. Time stands still for a script, so that none expires in the middle.
///
/// Lua's numbers are doubles, which are exact below 2^53 only: beyond, the text is read back.
static INCREMENT: Script = Script {
    code: "local sums = {}
for i, key in ipairs(KEYS) do
  local by, sum = ARGV[2 * i - 1]
  if redis.pcall('EXISTS', key) == 0 then
    sum = redis.pcall('SET', key, by, 'PX', ARGV[2 * i])
    if not sum.err then sum = by end
  else
    sum = redis.pcall('INCRBY', key, by)
    if type(sum) == 'number' and (sum >= 9007199254740992 or sum <= -9007199254740992) then
      sum = redis.pcall('GET', key)
    end
  end
  sums[i] = sum
end
if #KEYS == 1 then return sums[1] end
return sums",
    digest: "75abd2e614b2c0478dba3b78c9e5eabf48605b04",
};

/// A call of a script.
pub(crate) struct ScriptCall {
    script: &'static Script,
    /// How many keys there are, the keys, and what the script is told.
    arguments: Command,
}

impl ScriptCall {
    /// The call for a server that knows the script.
    pub(crate) fn by_digest(&self) -> Command {
        self.with("EVALSHA", self.script.digest)
    }

    /// The same call with the script itself, for a server that does not know it.
    pub(crate) fn in_full(&self) -> Command {
        self.with("EVAL", self.script.code)
    }

    fn with(&self, name: &str, script: &str) -> Command {
        let mut command = Command::arguments(2, name.len() + script.len());
        command.arg(name).arg(script).append(&self.arguments);
        command
    }
}

pub(crate) fn compare_and_set(
    key: &str,
    expected: &[u8],
    new: &[u8],
    expiry: Expiry,
) -> ScriptCall {
    let size = key.len() + expected.len() + new.len() + 24;
    let mut arguments = Command::arguments(5, size);
    arguments.number(1).arg(key).arg(expected).arg(new);
    if let Some(millis) = commands::millis(expiry) {
        arguments.number(millis);
    }
    ScriptCall {
        script: &COMPARE_AND_SET,
        arguments,
    }
}

/// What is added to a counter that may have to be created.
pub(crate) struct Increment {
    pub(crate) key: Box<str>,
    pub(crate) by: i64,
    /// How long a counter lives that is created.
    pub(crate) millis: i64,
}

/// The increments in this order. The answer is that of the only one, or an array.
pub(crate) fn increment(increments: &[&Increment]) -> ScriptCall {
    let count = increments.len();
    let keys: usize = increments.iter().map(|each| each.key.len()).sum();
    let mut arguments = Command::arguments(1 + 3 * count, keys + 20 * count);
    arguments.count(count);
    for increment in increments {
        arguments.arg(&*increment.key);
    }
    for increment in increments {
        arguments.number(increment.by).number(increment.millis);
    }
    ScriptCall {
        script: &INCREMENT,
        arguments,
    }
}
