//! Who loads the value of a key, and what there is meanwhile.

use std::num::NonZeroU64;

use maestro_cache_core::{ClaimOver, ClaimRequest, LoadToken, Publication};

use super::{Script, ScriptCall};
use crate::mark::{self, CLAIM_LIFE_MILLIS};

/// What is under each key: how long it is there, the server's time, and the value with its mark. What
/// that means is said by [`found`](crate::found::found()).
static LOOK_UP: Script = Script::new(&[r"local time = redis.call('TIME')
local now = 1000 * time[1] + math.floor(time[2] / 1000)
local found = {}
for i, key in ipairs(KEYS) do
  local value = redis.pcall('GET', key)
  found[i] = {redis.call('PTTL', key), now, value}
end
if #KEYS == 1 then return found[1] end
return found"]);

/// Claims keys. Each is answered by 1, or by what is there as [`LOOK_UP`] says it.
///
/// A mark that says nothing stands behind a plain value, which no load has stored.
static CLAIM: Script = Script::new(&[
    mark::LUA_OF_MARKS,
    mark::LUA_OF_LIVES,
    mark::LUA_OF_CLAIMS,
    mark::LUA_OF_STORES,
    r"local life = ARGV[1]

local function done_or_refused(done)
  if type(done) == 'table' and done.err then return done end
  return 1
end

local function is_loaded(mark)
  return string.sub(mark, 2, 41) ~= string.rep(' ', 40)
end

local function claim(key, token, over, placeholder, unreadable)
  local mark, refusal = mark_of(key)
  if refusal then return refusal end
  local left = redis.call('PTTL', key)

  local function is_unreadable(from, to)
    if over ~= 'unreadable' then return false end
    local value = redis.pcall('GET', key)
    return type(value) == 'string' and string.sub(value, from, to) == unreadable
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
    if not place and (over == 'live' and is_loaded(mark) or not is_live) then
      stay = holder(mark) == token or not has_until(mark)
    end
  end

  if place then return done_or_refused(store(key, placeholder, life)) end
  if stay then return done_or_refused(hold(key, digits(now() + life) .. token)) end
  local value = redis.pcall('GET', key)
  return {left, now(), value}
end

local answers = {}
for i, key in ipairs(KEYS) do
  answers[i] = claim(key, unpack(ARGV, 4 * i - 2, 4 * i + 1))
end
if #KEYS == 1 then return answers[1] end
return answers",
]);

static RENEW: Script = Script::new(&[
    mark::LUA_OF_MARKS,
    mark::LUA_OF_LIVES,
    mark::LUA_OF_CLAIMS,
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
return 1",
]);

/// What a key holds is mostly the placeholder as it was claimed, and seeing that takes less than reading
/// it.
static PUBLISH: Script = Script::new(&[
    mark::LUA_OF_STORES,
    r"local life = ARGV[1]

local function publish(i, key)
  local value, millis = ARGV[4 * i], ARGV[4 * i + 1]
  local set = store(key, value, millis ~= '' and millis)
  return set.err and set or 1
end

local answers, others = {}, {}
for i, key in ipairs(KEYS) do
  local left = redis.call('PTTL', key)
  if left >= 0 and left <= tonumber(life)
    and redis.pcall('GETRANGE', key, '0', '132') == ARGV[4 * i - 1] then
    answers[i] = publish(i, key)
  else
    others[#others + 1] = i
  end
end

if #others > 0 then
",
    mark::LUA_OF_MARKS,
    mark::LUA_OF_LIVES,
    mark::LUA_OF_CLAIMS,
    r"  for _, i in ipairs(others) do
    local key, token = KEYS[i], ARGV[4 * i - 2]
    local mark, refusal = mark_of(key)
    if refusal then
      answers[i] = refusal
    elseif holds(key, mark, token, life) then
      answers[i] = publish(i, key)
    else
      answers[i] = 0
    end
  end
end
if #KEYS == 1 then return answers[1] end
return answers",
]);

static RELEASE: Script = Script::new(&[
    mark::LUA_OF_MARKS,
    mark::LUA_OF_LIVES,
    mark::LUA_OF_CLAIMS,
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
return 1",
]);

/// The answer is that of the only one, or an array.
pub(crate) fn look_up<K: AsRef<[u8]>>(keys: &[K]) -> ScriptCall {
    LOOK_UP.over(keys, 0)
}

/// What is to be replaced if it is there still; nothing if nothing is.
pub(crate) fn unreadable(over: &ClaimOver) -> &[u8] {
    match over {
        ClaimOver::Unreadable(bytes) => bytes,
        ClaimOver::Gap | ClaimOver::Live => &[],
    }
}

/// Claims each of the keys. The answer is that of the only one, or an array.
pub(crate) fn claim(claims: &[ClaimRequest]) -> ScriptCall {
    let keys: Vec<&str> = claims.iter().map(|claim| &*claim.key).collect();
    let mut call = CLAIM.over(&keys, 0);
    call.arg(CLAIM_LIFE_MILLIS);
    for claim in claims {
        let word = match claim.over {
            ClaimOver::Gap => "gap",
            ClaimOver::Live => "live",
            ClaimOver::Unreadable(_) => "unreadable",
        };
        call.arg(mark::holder(claim.token)).arg(word);
        call.arg(mark::placeholder(claim.token));
        call.arg(unreadable(&claim.over));
    }
    call
}

pub(crate) fn renew(key: &str, token: LoadToken) -> ScriptCall {
    held_by(&RENEW, key, token)
}

/// Stores what was loaded for each of the keys. The answer is that of the only one, or an array.
pub(crate) fn publish(publications: &[Publication]) -> ScriptCall {
    let keys: Vec<&str> = publications.iter().map(|each| &*each.key).collect();
    let mut call = PUBLISH.over(&keys, 0);
    call.arg(CLAIM_LIFE_MILLIS);
    for each in publications {
        let (value, millis) = mark::marked(&each.value, &each.keeping);
        call.arg(mark::holder(each.token));
        call.arg(mark::placeholder(each.token)).arg(&*value);
        call.millis_or_empty(millis);
    }
    call
}

pub(crate) fn release(
    key: &str,
    token: LoadToken,
    back_off_millis: Option<NonZeroU64>,
) -> ScriptCall {
    let mut call = held_by(&RELEASE, key, token);
    call.arg(back_off_millis.map(|millis| i64::try_from(millis.get()).unwrap_or(i64::MAX)));
    call
}

/// A call about the claim of a key: who holds it, and after how long it ends.
fn held_by(script: &'static Script, key: &str, token: LoadToken) -> ScriptCall {
    let mut call = script.over(&[key], 60);
    call.arg(mark::holder(token)).arg(CLAIM_LIFE_MILLIS);
    call
}
