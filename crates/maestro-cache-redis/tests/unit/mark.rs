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
        LUA_OF_MARKS.contains(&format!("MAGIC = '{magic}'")),
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
