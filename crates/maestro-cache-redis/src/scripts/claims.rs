//! Who loads the value of a key, and what there is meanwhile.

use std::num::NonZeroU64;

use bytes::Bytes;
use maestro_cache_core::{ClaimOver, Keeping, LoadToken};

use super::{Script, ScriptCall, keyed, over_keys};
use crate::mark::{self, CLAIM_LIFE_MILLIS};
use crate::resp::Command;

/// What is under each key: how long it is there, the server's time, and the value with its mark. What
/// that means is said by [`Found`](crate::found::Found).
static LOOK_UP: Script = Script::new(
    r"local time = redis.call('TIME')
local now = 1000 * time[1] + math.floor(time[2] / 1000)
local found = {}
for i, key in ipairs(KEYS) do
  local value = redis.pcall('GET', key)
  found[i] = {redis.call('PTTL', key), now, value}
end
return found",
);

/// Claims a key, or answers what is there as [`LOOK_UP`] does.
static CLAIM: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    mark::lua_of_lives!(),
    mark::lua_of_claims!(),
    mark::lua_of_stores!(),
    r"local key, token, life, over = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local mark, refusal = mark_of(key)
if refusal then return refusal end
local left = redis.call('PTTL', key)

local function is_unreadable(from, to)
  if over ~= 'unreadable' then return false end
  local value = redis.pcall('GET', key)
  return type(value) == 'string' and string.sub(value, from, to) == ARGV[5]
end

local place, stay = false, false
if left == -2 then
  place = true
elseif not mark then
  place = is_unreadable(1, -1)
elseif is_placeholder(mark) then
  place = holder(mark) == token or not is_claim(left, life)
else
  local is_live = live(key, mark)
  place = is_live and is_unreadable(1, -129)
  if not place and (over == 'live' or not is_live) then
    stay = holder(mark) == token or not has_until(mark)
  end
end

local done
if place then
  done = store(key, ARGV[4], life)
elseif stay then
  done = hold(key, digits(now() + life) .. token)
else
  local value = redis.pcall('GET', key)
  return {left, now(), value}
end
if type(done) == 'table' and done.err then return done end
return 1"
));

static RENEW: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    mark::lua_of_lives!(),
    mark::lua_of_claims!(),
    r"local key, token, life = KEYS[1], ARGV[1], ARGV[2]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if not holds(key, mark, token, life) then return 0 end
local done
if is_placeholder(mark) then
  done = redis.pcall('PEXPIRE', key, life)
else
  done = hold(key, digits(now() + life) .. token)
end
if type(done) == 'table' then return done end
return 1"
));

/// What it holds is mostly the placeholder as it was claimed, and seeing that takes less than reading it.
static PUBLISH: Script = Script::new(concat!(
    mark::lua_of_stores!(),
    r"local key, token, life, value, placeholder, millis = KEYS[1], unpack(ARGV)
local left = redis.call('PTTL', key)
local is_held = left >= 0 and left <= tonumber(life)
  and redis.pcall('GETRANGE', key, 0, 132) == placeholder
if not is_held then
",
    mark::lua_of_marks!(),
    mark::lua_of_lives!(),
    mark::lua_of_claims!(),
    r"local mark, refusal = mark_of(key)
  if refusal then return refusal end
  if not holds(key, mark, token, life) then return 0 end
end
local set = store(key, value, millis)
if set.err then return set end
return 1"
));

static RELEASE: Script = Script::new(concat!(
    mark::lua_of_marks!(),
    mark::lua_of_lives!(),
    mark::lua_of_claims!(),
    r"local key, token, life, back_off = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local mark, refusal = mark_of(key)
if refusal then return refusal end
if not holds(key, mark, token, life) then return 0 end
local done
if is_placeholder(mark) then
  done = redis.pcall('UNLINK', key)
elseif back_off then
  done = hold(key, digits(now() + back_off) .. string.rep('\r', 32))
else
  done = hold(key, string.rep(' ', 56))
end
if type(done) == 'table' then return done end
return 1"
));

/// Of so many keys as [`MOST_KEYS`](super::MOST_KEYS) at most.
pub(crate) fn look_up<K: AsRef<[u8]>>(keys: &[K]) -> ScriptCall {
    LOOK_UP.call(over_keys(keys))
}

/// The key, and who has to do with it.
fn by(key: &str, token: LoadToken, arguments: usize, size: usize) -> Command {
    let mut command = keyed(key, arguments + 2, size + 40);
    command.arg(mark::holder(token)).number(CLAIM_LIFE_MILLIS);
    command
}

pub(crate) fn claim(key: &str, token: LoadToken, over: &ClaimOver) -> ScriptCall {
    let (word, unreadable) = match over {
        ClaimOver::Gap => ("gap", None),
        ClaimOver::Live => ("live", None),
        ClaimOver::Unreadable(bytes) => ("unreadable", Some(bytes)),
    };
    let placeholder = mark::placeholder(token);
    let size = placeholder.len() + unreadable.map_or(0, Bytes::len) + 16;
    let mut arguments = by(key, token, 3, size);
    arguments.arg(word).arg(placeholder);
    if let Some(bytes) = unreadable {
        arguments.arg(bytes);
    }
    CLAIM.call(arguments)
}

pub(crate) fn renew(key: &str, token: LoadToken) -> ScriptCall {
    RENEW.call(by(key, token, 0, 0))
}

pub(crate) fn publish(key: &str, token: LoadToken, value: &Bytes, keeping: &Keeping) -> ScriptCall {
    let (value, millis) = mark::marked(value, keeping);
    let placeholder = mark::placeholder(token);
    let mut arguments = by(key, token, 3, value.len() + placeholder.len() + 20);
    arguments.arg(value).arg(placeholder);
    if let Some(millis) = millis {
        arguments.number(millis);
    }
    PUBLISH.call(arguments)
}

pub(crate) fn release(
    key: &str,
    token: LoadToken,
    back_off_millis: Option<NonZeroU64>,
) -> ScriptCall {
    let mut arguments = by(key, token, 1, 20);
    if let Some(millis) = back_off_millis {
        arguments.number(i64::try_from(millis.get()).unwrap_or(i64::MAX));
    }
    RELEASE.call(arguments)
}
