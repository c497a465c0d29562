//! Counters.

use super::{Script, ScriptCall};
use crate::mark;

/// Adds to counters, each with a result of its own; one that is missing is created with its expiry, in
/// one command. Time stands still for a script, so that none expires in the middle.
///
/// Lua's numbers are doubles, which are exact below 2^53 only: beyond, the text is read back. Some
/// servers write those from 10^17 on with an exponent, which no command takes for an expiry, so that one is
/// handed on as text.
///
/// A loaded counter is no integer for the server, since its mark is behind it. It becomes a plain one
/// for the time that it was to be live. If it cannot be added to, all is put back as it was.
static INCREMENT: Script = Script::new(&[
    mark::LUA_OF_STORES,
    r"local function create(key, by, millis)
  local set = store(key, by, millis ~= '' and millis)
  if set.err then return set end
  return by
end

local function add(key, by)
  local sum = redis.pcall('INCRBY', key, by)
  if type(sum) == 'number' and (sum >= 9007199254740992 or sum <= -9007199254740992) then
    sum = redis.pcall('GET', key)
  end
  return sum
end

local sums, refused = {}, {}
for i, key in ipairs(KEYS) do
  local by, millis = ARGV[2 * i - 1], ARGV[2 * i]
  if redis.pcall('EXISTS', key) == 0 then
    sums[i] = create(key, by, millis)
  else
    local sum = add(key, by)
    if type(sum) == 'table' and string.find(sum.err, 'not an integer', 1, true) then
      refused[#refused + 1] = i
    end
    sums[i] = sum
  end
end

if #refused > 0 then
",
    mark::LUA_OF_MARKS,
    mark::LUA_OF_LIVES,
    r"local function see_through(key, by, millis, refusal)
    local mark = mark_of(key)
    if not mark then return add(key, by) end
    local left = live(key, mark)
    if not left then return create(key, by, millis) end
    local value = redis.call('GET', key)
    if #value > 20 + 128 then return refusal end
    local set = redis.pcall('SET', key, string.sub(value, 1, -129), 'KEEPTTL')
    if set.err then return set end
    local sum = add(key, by)
    if type(sum) == 'table' then
      redis.call('SET', key, value, 'KEEPTTL')
    elseif left ~= -1 then
      redis.call('PEXPIRE', key, string.format('%.0f', left))
    end
    return sum
  end
  for _, i in ipairs(refused) do
    sums[i] = see_through(KEYS[i], ARGV[2 * i - 1], ARGV[2 * i], sums[i])
  end
end
if #KEYS == 1 then return sums[1] end
return sums",
]);

/// What is added to a counter that may have to be created.
pub(crate) struct Increment {
    pub(crate) key: Box<str>,
    pub(crate) by: i64,
    /// How long a counter lives that is created.
    pub(crate) millis: Option<i64>,
}

/// The increments in this order. The answer is that of the only one, or an array.
pub(crate) fn increment(increments: &[&Increment]) -> ScriptCall {
    let keys: Vec<&str> = increments.iter().map(|each| &*each.key).collect();
    let mut call = INCREMENT.over(&keys, 40 * keys.len());
    for increment in increments {
        call.arg(increment.by).millis_or_empty(increment.millis);
    }
    call
}
