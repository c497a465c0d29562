//! What histories are made of: operations on stored keys, in bytes, and how they are chosen.

use maestro_cache_core::{Bytes, Expiry, Pattern, SetWhen};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::coarse::steps;

/// The prefixes of the handles: nested in each other, and with characters that patterns know.
const PREFIXES: [&str; 5] = ["", "a", "a*", "[a]", "\\"];

/// Few keys, so that operations meet; some are what others are with their prefix.
const KEYS: [&str; 5] = ["a", "b", "aa", "*", "é"];

/// Values: counters, counters at the ends, what is nearly a counter, and others.
const VALUES: [&[u8]; 16] = [
    b"0",
    b"0",
    b"1",
    b"1",
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"01",
    b" 1",
    b"+1",
    b"-0",
    b"1.5",
    b"",
    b"text",
    b"\xff\0",
];

/// What is added to counters.
const STEPS: [i64; 8] = [0, 1, 1, -1, 2, -2, i64::MAX, i64::MIN];

/// Pieces of patterns; any sequence of them is a pattern.
const PIECES: [&str; 16] = [
    "*", "*", "*", "?", "a", "a", "b", "é", "\\*", "\\\\", "\\[", "[ab]", "[^a]", "[b-a]", "[*]",
    "[]",
];

/// One step of a history. Keys hold the prefix of their handle, but not that of the history.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Get(String),
    GetMany(Vec<String>),
    Set(String, Bytes, Expiry, SetWhen),
    SetMany(Vec<(String, Bytes)>, Expiry),
    Delete(Vec<String>),
    Exists(String),
    Take(String),
    CompareAndSet(String, Bytes, Bytes, Expiry),
    Increment(String, i64, Expiry),
    Ttl(String),
    SetExpiry(String, Expiry),
    /// The prefix of the handle, and the pattern behind it.
    Clear(String, Pattern),
    /// So many steps of time pass.
    Advance(u32),
}

/// All keys that operations name.
pub(super) fn every_key() -> impl Iterator<Item = String> {
    PREFIXES
        .into_iter()
        .flat_map(|prefix| KEYS.map(|key| [prefix, key].concat()))
}

pub(super) fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => key().prop_map(Operation::Get),
        3 => vec(key(), 0..5).prop_map(Operation::GetMany),
        6 => (key(), value(), expiry(), when())
            .prop_map(|(key, value, expiry, when)| Operation::Set(key, value, expiry, when)),
        3 => (vec((key(), value()), 0..5), expiry())
            .prop_map(|(entries, expiry)| Operation::SetMany(entries, expiry)),
        2 => vec(key(), 0..4).prop_map(Operation::Delete),
        2 => key().prop_map(Operation::Exists),
        2 => key().prop_map(Operation::Take),
        5 => (key(), value(), value(), expiry())
            .prop_map(|(key, old, new, expiry)| Operation::CompareAndSet(key, old, new, expiry)),
        6 => (key(), select(&STEPS[..]), expiry())
            .prop_map(|(key, by, expiry)| Operation::Increment(key, by, expiry)),
        3 => key().prop_map(Operation::Ttl),
        4 => (key(), expiry()).prop_map(|(key, expiry)| Operation::SetExpiry(key, expiry)),
        2 => (select(&PREFIXES[..]), pattern())
            .prop_map(|(prefix, pattern)| Operation::Clear(prefix.to_owned(), pattern)),
        3 => (1..=2_u32).prop_map(Operation::Advance),
    ]
}

fn key() -> impl Strategy<Value = String> {
    // Half of all operations meet at two keys, so that what happens to one is rich.
    prop_oneof![
        select(vec!["a".to_owned(), "a*a".to_owned()]),
        select(every_key().collect::<Vec<_>>()),
    ]
}

fn value() -> impl Strategy<Value = Bytes> {
    select(&VALUES[..]).prop_map(Bytes::from_static)
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        1 => Just(Expiry::Never),
        3 => (1..=4_u32).prop_map(|count| Expiry::after(steps(count)).expect("it is right")),
    ]
}

fn when() -> impl Strategy<Value = SetWhen> {
    select(vec![SetWhen::Always, SetWhen::Absent])
}

fn pattern() -> impl Strategy<Value = Pattern> {
    vec(select(&PIECES[..]), 0..4)
        .prop_map(|pieces| Pattern::parse(&pieces.concat()).expect("the pieces are patterns"))
}
