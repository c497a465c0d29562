//! The mark behind a loaded value: how long it may be served, and who is at it.
//!
//! All that is known of a load stands in the key itself, so whatever anybody writes there, with or
//! without this library, ends a claim. The mark is white space as JSON has it, four kinds for the
//! digits of base 4: a service that reads the key as JSON sees the value, or `null` for one that is
//! being loaded.
//!
//! ```text
//! kind 1 | stale_millis 24 | cost_millis 16 | until 24 | holder 32 | MAGIC 31
//! ```
//!
//! A plain value that itself ends in what reads as a mark gets a mark that says nothing behind it. So
//! what is read from a key loses one mark at most, and always the one that was put there by us.
//!
//! A value is live while the key has more than `stale_millis` left, by the server's own expiry. So
//! no clock of ours is asked, and what moves the expiry of a key moves all of it.

use std::borrow::Cow;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{Held, Keeping, LoadToken};

use crate::commands;

pub(crate) const LENGTH: usize = 128;

/// The same as commands are told it.
pub(crate) const LENGTH_SENT: i64 = 128;

/// How much of its end tells that it is there.
const END: usize = 31;

/// How long a claim holds that is not renewed.
pub(crate) const CLAIM_LIFE: Duration = Duration::from_secs(3);

/// The same as the scripts are told it.
pub(crate) const CLAIM_LIFE_MILLIS: i64 = 3000;

/// The end of each mark, by which it is known. No value has it by chance, but one may have it all the
/// same: somebody may cache what is stored here, or want to do harm.
const MAGIC: &[u8; END] = b"\t\r \t \r\n\r\t\t\n\n\t\r\t\n\n \t \n  \n\n\r\n\n  \r";

/// What stands for the digits from 0 to 3.
const DIGITS: [u8; 4] = *b" \t\n\r";

const STALE_DIGITS: usize = 24;
const COST_DIGITS: usize = 16;
const UNTIL_DIGITS: usize = 24;
const HOLDER_DIGITS: usize = 32;

/// The longest time for which a value can be kept behind its expiry: 48 bits of milliseconds.
const LONGEST_STALE: u64 = (1 << 48) - 1;

/// The holder of a key that nobody is to load for a while.
const BACKING_OFF: u64 = u64::MAX;

/// What stands in a key that is claimed and has no value.
const NO_VALUE: &[u8] = b"null";

/// How the scripts find marks, as Lua.
///
/// Each function that a script has costs time whenever it is called, so it has those that it needs:
/// with these it sees that there is no mark, which is the rule.
pub(crate) const LUA_OF_MARKS: &str = r"local MAGIC = '\t\r \t \r\n\r\t\t\n\n\t\r\t\n\n \t \n  \n\n\r\n\n  \r'

local function mark_in(text)
  if #text < 128 or string.sub(text, -31) ~= MAGIC then return nil end
  local mark = string.sub(text, -128)
  if string.find(mark, '[^ \t\n\r]') then return nil end
  return mark
end

local function mark_of(key)
  local tail = redis.pcall('GETRANGE', key, '-31', '-1')
  if tail == MAGIC then return mark_in(redis.call('GETRANGE', key, '-128', '-1')) end
  if type(tail) == 'string' or string.find(tail.err, 'WRONGTYPE', 1, true) == 1 then return nil end
  return nil, tail
end

";

/// How the scripts read marks, as Lua. Positions count from 1 there: kind 1, stale 2 to 25, cost 26
/// to 41, until 42 to 65, holder 66 to 97.
pub(crate) const LUA_OF_LIVES: &str = r"local function number(digits)
  local number = 0
  for at = 1, #digits do
    local digit = string.find(' \t\n\r', string.sub(digits, at, at), 1, true) - 1
    number = 4 * number + digit
  end
  return number
end

local function is_placeholder(mark)
  return string.sub(mark, 1, 1) ~= ' '
end

local function live(key, mark)
  if is_placeholder(mark) then return nil end
  local left = redis.call('PTTL', key)
  if left == -1 then return -1 end
  left = left - number(string.sub(mark, 2, 25))
  if left > 0 then return left end
  return nil
end

";

/// How the scripts store values, as Lua.
pub(crate) const LUA_OF_STORES: &str = r"local function store(key, value, millis)
  if millis then return redis.pcall('SET', key, value, 'PX', millis) end
  return redis.pcall('SET', key, value)
end

";

/// What the scripts know of claims, as Lua; to stand behind how marks are read.
///
/// A placeholder whose life is not that of a claim was given it by somebody else, and nobody holds
/// it: a claim would last as long.
pub(crate) const LUA_OF_CLAIMS: &str = r"local function now()
  local time = redis.call('TIME')
  return 1000 * time[1] + math.floor(time[2] / 1000)
end

local function digits(number)
  local digits = ''
  number = math.min(number, 281474976710655)
  for _ = 1, 24 do
    local digit = number % 4
    digits = string.sub(' \t\n\r', digit + 1, digit + 1) .. digits
    number = (number - digit) / 4
  end
  return digits
end

local function is_claim(left, life)
  return left >= 0 and left <= tonumber(life)
end

local function holder(mark)
  return string.sub(mark, 66, 97)
end

local function has_until(mark)
  return number(string.sub(mark, 42, 65)) > now()
end

local function holds(key, mark, token, life)
  if not mark or holder(mark) ~= token then return false end
  if is_placeholder(mark) then return is_claim(redis.call('PTTL', key), life) end
  return has_until(mark)
end

local function hold(key, until_and_holder)
  local at = redis.call('STRLEN', key) - 128 + 41
  return redis.pcall('SETRANGE', key, at, until_and_holder)
end

";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: Kind,
    /// For how long the key stays there once the value is not live any more.
    pub(crate) stale_millis: u64,
    /// How long it took to compute; none if it is not to be loaded again before it expires.
    pub(crate) cost_millis: Option<NonZeroU32>,
    /// When the holder's time ends, in milliseconds since 1970 on the server's clock.
    until: u64,
    holder: u64,
}

/// What a mark stands behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Value,
    /// The claim of a key that has no value.
    Placeholder,
}

/// For how long a value can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It has no expiry.
    Endless,
    /// It is live for so many milliseconds, more than none.
    Live(u64),
    /// It has been stale for so many.
    Stale(u64),
}

impl Mark {
    /// What stands behind a plain value that would be taken for one with a mark.
    const NOTHING: Self = Self {
        kind: Kind::Value,
        stale_millis: 0,
        cost_millis: None,
        until: 0,
        holder: 0,
    };

    /// What is to stand behind a value that is kept like this; nothing behind a plain one.
    pub(crate) fn keeping(keeping: &Keeping) -> Option<Self> {
        if keeping.stale_millis.is_none() && keeping.cost.is_none() {
            return None;
        }
        let stale_millis = keeping.stale_millis.map_or(0, NonZeroU64::get);
        Some(Self {
            stale_millis: stale_millis.min(LONGEST_STALE),
            // Rounded up, so that none is lost: zero says that there is none.
            cost_millis: keeping.cost.map(|cost| {
                let millis = cost.as_nanos().div_ceil(1_000_000);
                let millis = u32::try_from(millis).unwrap_or(u32::MAX);
                NonZeroU32::new(millis).unwrap_or(NonZeroU32::MIN)
            }),
            ..Self::NOTHING
        })
    }

    fn digits(&self) -> Vec<u8> {
        let mut digits = Vec::with_capacity(LENGTH);
        let kind = match self.kind {
            Kind::Value => 0,
            Kind::Placeholder => 1,
        };
        let cost = self.cost_millis.map_or(0, NonZeroU32::get);
        write(&mut digits, kind, 1);
        write(&mut digits, self.stale_millis, STALE_DIGITS);
        write(&mut digits, cost.into(), COST_DIGITS);
        write(&mut digits, self.until, UNTIL_DIGITS);
        write(&mut digits, self.holder, HOLDER_DIGITS);
        digits.extend_from_slice(MAGIC);
        digits
    }

    fn read(mark: &[u8]) -> Option<Self> {
        let mut digits = mark.strip_suffix(MAGIC)?;
        let mark = Self {
            kind: match read(&mut digits, 1)? {
                0 => Kind::Value,
                _ => Kind::Placeholder,
            },
            stale_millis: read(&mut digits, STALE_DIGITS)?,
            cost_millis: {
                let cost = read(&mut digits, COST_DIGITS)?;
                u32::try_from(cost).ok().and_then(NonZeroU32::new)
            },
            until: read(&mut digits, UNTIL_DIGITS)?,
            holder: read(&mut digits, HOLDER_DIGITS)?,
        };
        digits.is_empty().then_some(mark)
    }

    /// For how long the value can be read, by what `PTTL` says of its key.
    pub(crate) fn life(&self, left: i64) -> Life {
        match u64::try_from(left) {
            Ok(left) if left > self.stale_millis => Life::Live(left - self.stale_millis),
            Ok(left) => Life::Stale(self.stale_millis - left),
            Err(_) if left == -1 => Life::Endless,
            Err(_) => Life::Stale(self.stale_millis),
        }
    }

    /// Who holds the key, at this time of the server's.
    pub(crate) fn held_at(&self, now: u64) -> Option<Held> {
        if self.until <= now {
            return None;
        }
        match self.holder {
            BACKING_OFF => Some(Held::BackingOff),
            token => LoadToken::from_number(token).map(Held::Loading),
        }
    }

    /// Who has claimed a key that has no value, by what `PTTL` says of it.
    pub(crate) fn held_for(&self, left: i64) -> Option<Held> {
        let token = LoadToken::from_number(self.holder);
        token
            .filter(|_| (0..=CLAIM_LIFE_MILLIS).contains(&left))
            .map(Held::Loading)
    }
}

/// A plain value as it is stored. Nearly always that is the value itself.
pub(crate) fn plain(value: &[u8]) -> Cow<'_, [u8]> {
    if is_on(value) {
        behind(value, &Mark::NOTHING).into()
    } else {
        value.into()
    }
}

/// How long a plain value is as it is stored.
pub(crate) fn plain_length(value: &[u8]) -> usize {
    let mark = if is_on(value) { LENGTH } else { 0 };
    value.len().saturating_add(mark)
}

fn behind(value: &[u8], mark: &Mark) -> Vec<u8> {
    [value, &mark.digits()].concat()
}

/// The value, with its mark if it has one, and how long its key is to be there in milliseconds.
pub(crate) fn marked(value: &Bytes, keeping: &Keeping) -> (Bytes, Option<i64>) {
    let millis = commands::millis(keeping.expiry);
    let needed = || is_on(value).then_some(Mark::NOTHING);
    let Some(mark) = Mark::keeping(keeping).or_else(needed) else {
        return (value.clone(), millis);
    };
    let stale_millis = i64::try_from(mark.stale_millis).unwrap_or(i64::MAX);
    let millis = millis.map(|millis| {
        let millis = millis.saturating_add(stale_millis);
        millis.min(commands::LONGEST_EXPIRY)
    });
    (behind(value, &mark).into(), millis)
}

/// What a key holds that has no value and is claimed under this token.
pub(crate) fn placeholder(token: LoadToken) -> Vec<u8> {
    let mark = Mark {
        kind: Kind::Placeholder,
        holder: token.number(),
        ..Mark::NOTHING
    };
    behind(NO_VALUE, &mark)
}

/// A token as it stands in a mark.
pub(crate) fn holder(token: LoadToken) -> Vec<u8> {
    let mut digits = Vec::with_capacity(HOLDER_DIGITS);
    write(&mut digits, token.number(), HOLDER_DIGITS);
    digits
}

/// Whether there is a mark behind it. Of nearly all values it takes a look at the last byte.
pub(crate) fn is_on(bytes: &[u8]) -> bool {
    bytes.ends_with(MAGIC)
        && bytes
            .last_chunk::<LENGTH>()
            .is_some_and(|mark| Mark::read(mark).is_some())
}

/// The value in front of its mark, and what that says. None if there is no mark.
pub(crate) fn split(bytes: &Bytes) -> Option<(Bytes, Mark)> {
    let at = bytes.len().checked_sub(LENGTH)?;
    let mark = Mark::read(bytes.get(at..)?)?;
    Some((bytes.slice(..at), mark))
}

/// Writes the number in so many digits, the most significant first.
fn write(digits: &mut Vec<u8>, number: u64, count: usize) {
    digits.extend((0..count).rev().map(|place| {
        let digit = (number >> (2 * place)) & 3;
        DIGITS.get(digit as usize).copied().unwrap_or(b' ')
    }));
}

/// Takes a number of so many digits off the front.
fn read(digits: &mut &[u8], count: usize) -> Option<u64> {
    let (number, rest) = digits.split_at_checked(count)?;
    *digits = rest;
    number.iter().try_fold(0, |number, byte| {
        let digit = DIGITS.iter().position(|digit| digit == byte)?;
        Some(number << 2 | digit as u64)
    })
}

#[cfg(test)]
#[path = "../tests/unit/mark.rs"]
mod tests;
