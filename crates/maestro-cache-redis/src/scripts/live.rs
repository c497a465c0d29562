//! Operations that see a live value only, and neither a claim nor what is stale.

use maestro_cache_core::Expiry;

use super::{Script, ScriptCall, keyed, over_keys};
use crate::commands;
use crate::mark;

/// The most keys of one call. A server does nothing else until it is through with them, which takes it
/// less than a millisecond.
pub(crate) const MOST_KEYS: usize = 250;

static EXISTS: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    r"local key = KEYS[1]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if not mark then return redis.pcall('EXISTS', key) end

",
    mark::lua_of_lives!(),
    r"return live(key, mark) and 1 or 0"
));

static TTL: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    r"local key = KEYS[1]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if not mark then return redis.pcall('PTTL', key) end

",
    mark::lua_of_lives!(),
    r"return live(key, mark) or -2"
));

static TAKE: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    r"local key = KEYS[1]
local value = redis.pcall('GET', key)
if type(value) ~= 'string' then return value end
local mark = mark_in(value)
if mark then
",
    mark::lua_of_lives!(),
    r"value = live(key, mark) and string.sub(value, 1, -129)
end
local removed = redis.pcall('UNLINK', key)
if type(removed) == 'table' then return removed end
return value or false"
));

/// Removes keys and counts those that were live. What is not live goes first, so that the other count
/// is the answer.
static REMOVE: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    r"local counted, marked, marks = {}, {}, {}
for _, key in ipairs(KEYS) do
  local mark, refusal = mark_of(key)
  if refusal then return refusal end
  if mark then
    marked[#marked + 1], marks[#marks + 1] = key, mark
  else
    counted[#counted + 1] = key
  end
end
if #marked > 0 then
",
    mark::lua_of_lives!(),
    r"local others = {}
  for i, key in ipairs(marked) do
    if live(key, marks[i]) then
      counted[#counted + 1] = key
    else
      others[#others + 1] = key
    end
  end
  if #others > 0 then
    local removed = redis.pcall('UNLINK', unpack(others))
    if type(removed) == 'table' then return removed end
  end
end
if #counted == 0 then return 0 end
return redis.pcall('UNLINK', unpack(counted))"
));

/// Told an expiry, a loaded value becomes a plain one: it lives as long as that says, and is neither
/// stale afterwards nor claimed. It loses its mark, unless it would be taken for marked without one.
static SET_EXPIRY: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    r"local key, millis = KEYS[1], ARGV[1]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if not mark then
  if millis then return redis.pcall('PEXPIRE', key, millis) end
  return redis.pcall('PERSIST', key)
end

",
    mark::lua_of_lives!(),
    mark::lua_of_stores!(),
    r"local left = live(key, mark)
if not left then
  local removed = redis.pcall('UNLINK', key)
  if type(removed) == 'table' then return removed end
  return 0
end
if left == -1 and not millis then return 0 end
local value = string.sub(redis.call('GET', key), 1, -129)
if mark_in(value) then value = value .. string.rep(' ', 97) .. MAGIC end
local set = store(key, value, millis)
if set.err then return set end
return 1"
));

/// Stores a value where there is no live one.
static ADD: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    mark::lua_of_stores!(),
    r"local key = KEYS[1]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if mark then
",
    mark::lua_of_lives!(),
    r"if live(key, mark) then return 0 end
else
  local exists = redis.pcall('EXISTS', key)
  if type(exists) == 'table' then return exists end
  if exists ~= 0 then return 0 end
end
local set = store(key, ARGV[1], ARGV[2])
if set.err then return set end
return 1"
));

/// Replaces a value that is still the expected one.
static COMPARE_AND_SET: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    mark::lua_of_stores!(),
    r"local key = KEYS[1]
local current = redis.pcall('GET', key)
if type(current) == 'table' then return current end
local mark = current and mark_in(current)
if mark then
",
    mark::lua_of_lives!(),
    r"current = live(key, mark) and string.sub(current, 1, -129)
end
if current ~= ARGV[1] then return 0 end
local set = store(key, ARGV[2], ARGV[3])
if set.err then return set end
return 1"
));

pub(crate) fn exists(key: &str) -> ScriptCall {
    EXISTS.call(keyed(key, 0, 0))
}

pub(crate) fn ttl(key: &str) -> ScriptCall {
    TTL.call(keyed(key, 0, 0))
}

pub(crate) fn take(key: &str) -> ScriptCall {
    TAKE.call(keyed(key, 0, 0))
}

/// Of so many keys as [`MOST_KEYS`] at most.
pub(crate) fn remove<K: AsRef<[u8]>>(keys: &[K]) -> ScriptCall {
    REMOVE.call(over_keys(keys))
}

pub(crate) fn set_expiry(key: &str, expiry: Expiry) -> ScriptCall {
    let mut arguments = keyed(key, 1, 20);
    if let Some(millis) = commands::millis(expiry) {
        arguments.number(millis);
    }
    SET_EXPIRY.call(arguments)
}

pub(crate) fn add(key: &str, value: &[u8], expiry: Expiry) -> ScriptCall {
    let value = mark::plain(value);
    let mut arguments = keyed(key, 2, value.len() + 20);
    arguments.arg(value);
    if let Some(millis) = commands::millis(expiry) {
        arguments.number(millis);
    }
    ADD.call(arguments)
}

pub(crate) fn compare_and_set(
    key: &str,
    expected: &[u8],
    new: &[u8],
    expiry: Expiry,
) -> ScriptCall {
    let new = mark::plain(new);
    let mut arguments = keyed(key, 3, expected.len() + new.len() + 20);
    arguments.arg(expected).arg(new);
    if let Some(millis) = commands::millis(expiry) {
        arguments.number(millis);
    }
    COMPARE_AND_SET.call(arguments)
}
