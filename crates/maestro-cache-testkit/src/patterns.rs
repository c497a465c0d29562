//! Random patterns and keys, matched by [`Pattern::matches`] and by a server.

use maestro_cache_core::Pattern;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::seed::{Seed, sample};

/// Patterns and keys of a group; each pattern meets each key.
const PATTERNS: usize = 32;
const KEYS: usize = 16;

/// Pieces of patterns, each with a text that it matches, so that many pairs match.
const PIECES: [(&str, &str); 30] = [
    ("*", ""),
    ("*", "a"),
    ("*", "b-é"),
    ("**", "]"),
    ("?", "a"),
    ("?", "\\"),
    ("??", "é"),
    ("a", "a"),
    ("b", "b"),
    ("é", "é"),
    ("-", "-"),
    ("]", "]"),
    ("^", "^"),
    ("\\*", "*"),
    ("\\?", "?"),
    ("\\[", "["),
    ("\\\\", "\\"),
    ("\\a", "a"),
    ("[ab]", "b"),
    ("[^a]", "b"),
    ("[^a][^a]", "é"),
    ("[a-b]", "b"),
    ("[b-a]", "a"),
    ("[!a]", "!"),
    ("[^]", "a"),
    ("[a-]x]", "^"),
    ("[\\]]", "]"),
    ("[^\\]-]", "a"),
    ("[\\a-b]", "-"),
    ("[é][é]", "é"),
];

/// Compares [`Pattern::matches`] with what a server says, on at least this many random pairs.
///
/// `server_says` gets patterns and keys, which are distinct and not empty. It returns a row for
/// each pattern with an answer for each key: does the pattern, as [`Pattern::as_str`] writes it,
/// match the key? A test stores the keys of a group, scans once for each pattern, and has hundreds
/// of pairs for a few dozen calls.
///
/// # Examples
///
/// ```
/// use maestro_cache_testkit::check_patterns;
///
/// check_patterns(1000, |patterns, keys| {
///     let row = |pattern: &maestro_cache_core::Pattern| {
///         keys.iter().map(|key| pattern.matches(key)).collect()
///     };
///     patterns.iter().map(row).collect()
/// });
/// ```
///
/// # Panics
///
/// If the two differ; the text names the pattern and the key.
pub fn check_patterns(
    pairs: usize,
    mut server_says: impl FnMut(&[Pattern], &[String]) -> Vec<Vec<bool>>,
) {
    let seed = Seed::new();
    let mut runner = seed.runner();
    let (mut done, mut matched) = (0, 0);
    while done < pairs {
        let (patterns, keys) = sample(&group(), &mut runner);
        let answers = server_says(&patterns, &keys);
        assert_eq!(answers.len(), patterns.len(), "a row for each pattern");
        for (pattern, row) in patterns.iter().zip(answers) {
            assert_eq!(row.len(), keys.len(), "an answer for each key");
            for (key, server) in keys.iter().zip(row) {
                let ours = pattern.matches(key);
                assert_eq!(
                    ours, server,
                    "{pattern:?} on {key:?}: ours, the server's; {seed}"
                );
                done += 1;
                matched += usize::from(ours);
            }
        }
    }
    // The generator has to be worth something: both answers have to be frequent.
    assert!(
        matched * 50 > done,
        "{matched} of {done} pairs match; {seed}"
    );
    assert!(
        matched * 10 < done * 9,
        "{matched} of {done} pairs match; {seed}"
    );
}

/// Patterns, and keys of which some are made to match them and some are not.
fn group() -> impl Strategy<Value = (Vec<Pattern>, Vec<String>)> {
    (
        vec(matching_pair(), KEYS),
        vec(pattern(), PATTERNS - KEYS),
        vec(key(), KEYS),
    )
        .prop_map(|(pairs, others, other_keys)| {
            let (mut patterns, mut keys): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            patterns.extend(others);
            keys.extend(other_keys);
            keys.retain(|key: &String| !key.is_empty());
            keys.sort_unstable();
            keys.dedup();
            (patterns, keys)
        })
}

fn matching_pair() -> impl Strategy<Value = (Pattern, String)> {
    let prefix = prop::sample::select(vec!["", "", "a", "a*", "[a]", "\\"]);
    let pieces = vec(prop::sample::select(&PIECES[..]), 1..5);
    (prefix, pieces).prop_map(|(prefix, pieces)| {
        let (texts, samples): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
        let pattern = Pattern::parse(&texts.concat()).expect("the pieces are patterns");
        let key = format!("{prefix}{}", samples.concat());
        (pattern.behind_prefix(prefix), key)
    })
}

/// Any pattern over the characters that mean something, right or wrong ones sorted out.
fn pattern() -> impl Strategy<Value = Pattern> {
    "[ab*?^\\[\\]\\\\é-]{0,7}".prop_filter_map("a pattern that is refused", |text| {
        Pattern::parse(&text).ok()
    })
}

fn key() -> impl Strategy<Value = String> {
    "[ab*?^\\[\\]\\\\é-]{1,4}"
}
