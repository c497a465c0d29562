//! Operations that see a live value only, and neither a claim nor what is stale.

use maestro_cache_core::Expiry;

use super::{Script, ScriptCall};
use crate::commands;
use crate::mark;

/// The most keys of one call. A server does nothing else until it is through with them, which takes it
/// less than a millisecond.
pub(crate) const MOST_KEYS: usize = 250;

/// Removes keys and counts those that were live. What is not live goes first, so that the other count
/// is the answer.
static REMOVE: Script = Script::new(&[
    mark::LUA_OF_MARKS,
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
    mark::LUA_OF_LIVES,
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
return redis.pcall('UNLINK', unpack(counted))",
]);

/// Ends what telling an expiry began, where the key turned out to hold a value with a mark: a live one
/// becomes a plain one with that expiry, and anything else is removed. It leaves alone what was written
/// since.
///
/// It loses its mark, unless it would be taken for marked without one.
static FINISH_EXPIRY: Script = Script::new(&[
    mark::LUA_OF_MARKS,
    mark::LUA_OF_STORES,
    r"local key, seen, is_live, millis = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if mark ~= seen then return 1 end
if is_live ~= '1' then
  local removed = redis.pcall('UNLINK', key)
  if type(removed) == 'table' then return removed end
  return 1
end
local value = string.sub(redis.call('GET', key), 1, -129)
if mark_in(value) then value = value .. string.rep(' ', 97) .. MAGIC end
local set = store(key, value, millis)
if set.err then return set end
return 1",
]);

/// Stores a value where there is no live one.
static ADD: Script = Script::new(&[
    mark::LUA_OF_MARKS,
    mark::LUA_OF_STORES,
    r"local key = KEYS[1]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if mark then
",
    mark::LUA_OF_LIVES,
    r"if live(key, mark) then return 0 end
else
  local exists = redis.pcall('EXISTS', key)
  if type(exists) == 'table' then return exists end
  if exists ~= 0 then return 0 end
end
local set = store(key, ARGV[1], ARGV[2])
if set.err then return set end
return 1",
]);

/// Replaces a value that is still the expected one.
static COMPARE_AND_SET: Script = Script::new(&[
    mark::LUA_OF_MARKS,
    mark::LUA_OF_STORES,
    r"local key = KEYS[1]
local current = redis.pcall('GET', key)
if type(current) == 'table' then return current end
local mark = current and mark_in(current)
if mark then
",
    mark::LUA_OF_LIVES,
    r"current = live(key, mark) and string.sub(current, 1, -129)
end
if current ~= ARGV[1] then return 0 end
local set = store(key, ARGV[2], ARGV[3])
if set.err then return set end
return 1",
]);

/// Of at most [`MOST_KEYS`] keys.
pub(crate) fn remove<K: AsRef<[u8]>>(keys: &[K]) -> ScriptCall {
    REMOVE.over(keys, 0)
}

/// `mark` is what the value had behind it when it was told the expiry.
pub(crate) fn finish_expiry(key: &str, mark: &[u8], is_live: bool, expiry: Expiry) -> ScriptCall {
    let mut call = FINISH_EXPIRY.over(&[key], mark.len() + 30);
    call.arg(mark).arg(i64::from(is_live));
    call.arg(commands::millis(expiry));
    call
}

pub(crate) fn add(key: &str, value: &[u8], expiry: Expiry) -> ScriptCall {
    let value = mark::plain(value);
    let mut call = ADD.over(&[key], value.len() + 20);
    call.arg(&*value);
    call.arg(commands::millis(expiry));
    call
}

pub(crate) fn compare_and_set(
    key: &str,
    expected: &[u8],
    new: &[u8],
    expiry: Expiry,
) -> ScriptCall {
    let new = mark::plain(new);
    let mut call = COMPARE_AND_SET.over(&[key], expected.len() + new.len() + 20);
    call.arg(expected).arg(&*new);
    call.arg(commands::millis(expiry));
    call
}
