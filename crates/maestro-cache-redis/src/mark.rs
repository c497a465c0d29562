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
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use maestro_cache_core::{Held, Keeping, LoadToken};

use crate::commands;

/// How long a mark is.
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
macro_rules! lua_of_marks {
    () => {
        r"local MAGIC = '\t\r \t \r\n\r\t\t\n\n\t\r\t\n\n \t \n  \n\n\r\n\n  \r'

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

"
    };
}
pub(crate) use lua_of_marks;

/// How the scripts read marks, as Lua. Positions count from 1 there: kind 1, stale 2 to 25, cost 26
/// to 41, until 42 to 65, holder 66 to 97.
macro_rules! lua_of_lives {
    () => {
        r"local function number(digits)
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

"
    };
}
pub(crate) use lua_of_lives;

/// How the scripts store values, as Lua.
macro_rules! lua_of_stores {
    () => {
        r"local function store(key, value, millis)
  if millis then return redis.pcall('SET', key, value, 'PX', millis) end
  return redis.pcall('SET', key, value)
end

"
    };
}
pub(crate) use lua_of_stores;

/// What the scripts know of claims, as Lua; to stand behind how marks are read.
///
/// A placeholder whose life is not that of a claim was given it by somebody else, and nobody holds
/// it: a claim would last as long.
macro_rules! lua_of_claims {
    () => {
        r"local function now()
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

"
    };
}
pub(crate) use lua_of_claims;

/// What a mark says.
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
        Some(Self {
            kind: Kind::Value,
            stale_millis: stale_millis(keeping),
            // Rounded up, so that none is lost: zero says that there is none.
            cost_millis: keeping.cost.map(|cost| {
                let millis = cost.as_nanos().div_ceil(1_000_000);
                let millis = u32::try_from(millis).unwrap_or(u32::MAX);
                NonZeroU32::new(millis).unwrap_or(NonZeroU32::MIN)
            }),
            until: 0,
            holder: 0,
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

fn stale_millis(keeping: &Keeping) -> u64 {
    let millis = keeping.stale_millis.map_or(0, std::num::NonZeroU64::get);
    millis.min(LONGEST_STALE)
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
        stale_millis: 0,
        cost_millis: None,
        until: 0,
        holder: token.number(),
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
mod tests {
    use std::num::NonZeroU64;

    use maestro_cache_core::Expiry;
    use proptest::prelude::*;

    use super::*;

    fn keeping(millis: u64, stale: Option<u64>, cost: Option<Duration>) -> Keeping {
        Keeping {
            expiry: NonZeroU64::new(millis).map_or(Expiry::Never, Expiry::AfterMillis),
            stale_millis: stale.and_then(NonZeroU64::new),
            cost,
        }
    }

    #[test]
    fn the_scripts_know_marks_by_the_same_end() {
        let magic = MAGIC.escape_ascii().to_string();
        assert!(
            lua_of_marks!().contains(&format!("MAGIC = '{magic}'")),
            "{magic}"
        );
    }

    #[test]
    fn a_claim_lives_as_long_as_it_says() {
        assert_eq!(CLAIM_LIFE.as_millis(), CLAIM_LIFE_MILLIS as u128);
    }

    #[test]
    fn a_plain_value_is_kept_as_it_is() {
        let value = Bytes::from_static(b"5");
        let plain = keeping(1000, None, None);
        assert_eq!(marked(&value, &plain), (value.clone(), Some(1000)));
        let plain = keeping(0, None, None);
        assert_eq!(marked(&value, &plain), (value, None));
    }

    #[test]
    fn a_value_is_kept_for_longer_than_it_is_live() {
        let value = Bytes::from_static(b"5");
        let (bytes, millis) = marked(&value, &keeping(1000, Some(500), None));
        assert_eq!(millis, Some(1500));
        let (payload, mark) = split(&bytes).unwrap();
        assert_eq!(payload, value);
        assert_eq!((mark.stale_millis, mark.cost_millis), (500, None));
        assert_eq!(mark.life(1500), Life::Live(1000));
        assert_eq!(mark.life(501), Life::Live(1));
        assert_eq!(mark.life(500), Life::Stale(0));
        assert_eq!(mark.life(0), Life::Stale(500));
        assert_eq!(mark.life(-1), Life::Endless);
        assert_eq!(mark.life(-2), Life::Stale(500));
        assert_eq!(mark.held_at(0), None);
    }

    #[test]
    fn the_longest_times_are_taken() {
        let longest = keeping(u64::MAX, Some(u64::MAX), Some(Duration::MAX));
        let (bytes, millis) = marked(&Bytes::new(), &longest);
        assert_eq!(millis, Some(commands::LONGEST_EXPIRY));
        let (_, mark) = split(&bytes).unwrap();
        assert_eq!(mark.stale_millis, LONGEST_STALE);
        assert_eq!(mark.cost_millis, NonZeroU32::new(u32::MAX));
        assert!(matches!(mark.life(commands::LONGEST_EXPIRY), Life::Live(_)));
    }

    #[test]
    fn a_cost_is_rounded_up_and_never_to_none() {
        let cost = |nanos| {
            let keeping = keeping(1, None, Some(Duration::from_nanos(nanos)));
            Mark::keeping(&keeping).unwrap().cost_millis.unwrap().get()
        };
        assert_eq!(cost(0), 1);
        assert_eq!(cost(1), 1);
        assert_eq!(cost(250_000_000), 250);
        assert_eq!(cost(250_000_001), 251);
    }

    #[test]
    fn a_claim_is_null_and_white_space() {
        let token = LoadToken::new();
        let bytes = Bytes::from(placeholder(token));
        assert_eq!(std::str::from_utf8(&bytes).unwrap().trim(), "null");
        let (payload, mark) = split(&bytes).unwrap();
        assert_eq!(payload, "null");
        assert_eq!(mark.kind, Kind::Placeholder);
        let held = Some(Held::Loading(token));
        assert_eq!(mark.held_for(0), held);
        assert_eq!(mark.held_for(CLAIM_LIFE_MILLIS), held);
        assert_eq!(mark.held_for(CLAIM_LIFE_MILLIS + 1), None);
        assert_eq!(mark.held_for(-1), None);
    }

    #[test]
    fn whose_time_is_over_is_nobody() {
        let mut mark = Mark::keeping(&keeping(1, Some(1), None)).unwrap();
        mark.until = 7;
        assert_eq!(mark.held_at(6), None, "nobody is");
        mark.holder = 5;
        let token = LoadToken::from_number(5).unwrap();
        assert_eq!(mark.held_at(6), Some(Held::Loading(token)));
        assert_eq!(mark.held_at(7), None);
        mark.holder = u64::MAX;
        assert_eq!(mark.held_at(6), Some(Held::BackingOff));
    }

    #[test]
    fn what_is_nearly_a_mark_is_none() {
        let bytes = Bytes::from(placeholder(LoadToken::new()));
        assert!(is_on(&bytes));
        assert!(is_on(&bytes.slice(4..)), "the value may be empty");
        assert!(!is_on(&bytes.slice(5..)), "a digit is missing");
        assert!(!is_on(&bytes.slice(..bytes.len() - 1)));
        for at in 4..bytes.len() {
            let mut other = bytes.to_vec();
            other[at] = b'0';
            assert!(!is_on(&other), "{at}");
        }
        assert!(!is_on(b""));
        assert!(!is_on(&[b' '; 1000]));
    }

    fn any_mark() -> impl Strategy<Value = Mark> {
        let numbers = (0..=LONGEST_STALE, any::<u32>(), 0..=LONGEST_STALE);
        (any::<bool>(), numbers, any::<u64>()).prop_map(|(is_value, numbers, holder)| Mark {
            kind: if is_value {
                Kind::Value
            } else {
                Kind::Placeholder
            },
            stale_millis: numbers.0,
            cost_millis: NonZeroU32::new(numbers.1),
            until: numbers.2,
            holder,
        })
    }

    fn any_keeping() -> impl Strategy<Value = Keeping> {
        let numbers = (0..5_u64, 0..5_u64, prop::option::of(0..5_u64));
        numbers.prop_map(|(millis, stale, cost)| {
            keeping(millis, Some(stale), cost.map(Duration::from_millis))
        })
    }

    /// It is live for as long as `PTTL` says, and no load has to do with it.
    #[test]
    fn a_mark_that_says_nothing_changes_nothing() {
        let mark = Mark::NOTHING;
        assert_eq!(mark.life(1), Life::Live(1));
        assert_eq!(mark.life(-1), Life::Endless);
        assert_eq!(
            mark.life(commands::LONGEST_EXPIRY),
            Life::Live(commands::LONGEST_EXPIRY as u64)
        );
        assert_eq!((mark.cost_millis, mark.held_at(0)), (None, None));
        let bytes = Bytes::from(mark.digits());
        assert_eq!(bytes, [&[b' '; LENGTH - MAGIC.len()], &MAGIC[..]].concat());
        assert_eq!(split(&bytes), Some((Bytes::new(), mark)));
    }

    proptest! {
        #[test]
        fn a_mark_is_read_as_it_was_written(value: Vec<u8>, mark in any_mark()) {
            let digits = mark.digits();
            prop_assert_eq!(digits.len(), LENGTH);
            let bytes = Bytes::from([&*value, &digits].concat());
            prop_assert!(is_on(&bytes));
            prop_assert_eq!(split(&bytes), Some((value.into(), mark)));
        }

        /// However many marks a value has, storing it adds one if it has any, and reading takes off one.
        #[test]
        fn a_value_with_marks_is_read_as_it_was_stored(
            value: Vec<u8>,
            marks in prop::collection::vec(any_mark(), 0..4),
            keeping in any_keeping(),
        ) {
            let digits: Vec<_> = marks.iter().flat_map(Mark::digits).collect();
            let value = Bytes::from([&*value, &digits].concat());
            let stored = Bytes::from(plain(&value).into_owned());
            prop_assert_eq!(plain_length(&value), stored.len());
            prop_assert_eq!(split(&stored), (!marks.is_empty()).then(|| (value.clone(), Mark::NOTHING)));
            let as_plain = Keeping::plain(keeping.expiry);
            prop_assert_eq!(marked(&value, &as_plain), (stored, commands::millis(keeping.expiry)));
            let expected = Mark::keeping(&keeping).or((!marks.is_empty()).then_some(Mark::NOTHING));
            let (stored, _) = marked(&value, &keeping);
            prop_assert_eq!(split(&stored), expected.map(|mark| (value, mark)));
        }

        #[test]
        fn nothing_else_is_taken_for_one(value: Vec<u8>) {
            prop_assert!(!is_on(&value));
        }

        #[test]
        fn a_token_stands_in_the_mark_as_the_scripts_are_told_it(number in 1..u64::MAX) {
            let token = LoadToken::from_number(number).unwrap();
            let bytes = placeholder(token);
            let from = bytes.len() - MAGIC.len() - HOLDER_DIGITS;
            prop_assert_eq!(&bytes[from..from + HOLDER_DIGITS], &*holder(token));
        }
    }
}
