//! Redis' glob dialect: parsed once, matched per byte, and sent to a server as it was written.

use std::fmt;
use std::str::FromStr;

use crate::{Error, ErrorKind, Result};

/// A pattern over keys in the glob dialect of Redis.
///
/// | written | matches |
/// |---|---|
/// | `*` | any bytes, also none |
/// | `?` | any one byte (so `é`, two bytes in UTF-8, is `??`) |
/// | `[abc]`, `[a-z]` | one byte of the class; `[z-a]` equals `[a-z]`, `[]` matches nothing |
/// | `[^abc]` | one byte that is not of the class; `[!a]` is no negation |
/// | `\*` | the byte after the backslash itself, inside a class too |
/// | anything else | itself: `{a,b}`, `.` and `+` have no meaning |
///
/// Matching is case-sensitive and covers the whole key. The rules are those of Redis'
/// [`KEYS`](https://redis.io/docs/latest/commands/keys/) and of `stringmatchlen` in its source.
/// Redis reads an unclosed class and a trailing backslash in ways that nobody means, and a range
/// with an end beyond ASCII differs between its builds: these three are refused.
///
/// # Examples
///
/// ```
/// use maestro_cache_core::Pattern;
///
/// let pattern = Pattern::parse("user:[0-9]*")?;
/// assert!(pattern.matches("user:42"));
/// assert!(!pattern.matches("user:x"));
///
/// // Text from elsewhere is made literal first.
/// let pattern = Pattern::parse(&format!("{}:*", Pattern::escape("what*is[this")))?;
/// assert!(pattern.matches("what*is[this:1"));
/// # Ok::<(), maestro_cache_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    prefix_len: usize,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Byte(u8),
    AnyByte,
    AnyBytes,
    Class {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Part {
    /// Whether this part, which is not `AnyBytes`, takes the byte.
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::AnyByte | Self::AnyBytes => true,
            Self::Class { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&byte))
                    != *negated
            }
        }
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidPattern`] for an unclosed class, a trailing backslash, or a range with
    /// an end that is not ASCII.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self {
            text: text.to_owned(),
            prefix_len: 0,
            parts: parse(text.as_bytes())?,
        })
    }

    /// The pattern that matches every key.
    #[must_use]
    pub fn all() -> Self {
        Self {
            text: "*".to_owned(),
            prefix_len: 0,
            parts: vec![Part::AnyBytes],
        }
    }

    /// The text as a pattern that matches just that text.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache_core::Pattern;
    ///
    /// let tenant = "a*b"; // from elsewhere
    /// let pattern = format!("{}:*", Pattern::escape(tenant));
    /// assert_eq!(pattern, r"a\*b:*");
    /// assert!(!Pattern::parse(&pattern)?.matches("axb:1"));
    /// # Ok::<(), maestro_cache_core::Error>(())
    /// ```
    #[must_use]
    pub fn escape(text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for char in text.chars() {
            if matches!(char, '*' | '?' | '[' | ']' | '\\') {
                escaped.push('\\');
            }
            escaped.push(char);
        }
        escaped
    }

    /// This pattern over the keys behind a prefix, which is taken literally.
    #[must_use]
    pub fn behind_prefix(self, prefix: &str) -> Self {
        let mut text = Self::escape(prefix);
        text.push_str(&self.text);
        let mut parts: Vec<_> = prefix.bytes().map(Part::Byte).collect();
        parts.extend(self.parts);
        Self {
            text,
            prefix_len: self.prefix_len + prefix.len(),
            parts,
        }
    }

    /// The pattern as a Redis server reads it, prefix included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The length of the literal prefix, in bytes of the stored key.
    #[must_use]
    pub fn prefix_len(&self) -> usize {
        self.prefix_len
    }

    /// The one key that can match, if the pattern has no wildcard.
    #[must_use]
    pub fn as_literal(&self) -> Option<Vec<u8>> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Byte(byte) => Some(*byte),
                _ => None,
            })
            .collect()
    }

    /// Whether the key matches as a whole.
    #[must_use]
    pub fn matches(&self, key: impl AsRef<[u8]>) -> bool {
        matches(&self.parts, key.as_ref())
    }

    /// Whether `clear` removes this stored key: it matches, and is more than the bare prefix,
    /// since no key behind a prefix is empty.
    #[must_use]
    pub fn selects(&self, stored_key: impl AsRef<[u8]>) -> bool {
        let stored_key = stored_key.as_ref();
        stored_key.len() > self.prefix_len && matches(&self.parts, stored_key)
    }
}

fn parse(text: &[u8]) -> Result<Vec<Part>> {
    let mut parts = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        parts.push(match first {
            b'*' => {
                if parts.last() == Some(&Part::AnyBytes) {
                    continue;
                }
                Part::AnyBytes
            }
            b'?' => Part::AnyByte,
            b'[' => {
                let (class, after) = parse_class(rest)?;
                rest = after;
                class
            }
            b'\\' => match rest {
                [escaped, after @ ..] => {
                    rest = after;
                    Part::Byte(*escaped)
                }
                [] => {
                    return Err(invalid(
                        "the pattern ends in a backslash that escapes nothing; write `\\\\` for a \
                         backslash",
                    ));
                }
            },
            byte => Part::Byte(*byte),
        });
    }
    Ok(parts)
}

/// Reads a class from behind its opening bracket; the order of the cases is that of Redis.
fn parse_class(text: &[u8]) -> Result<(Part, &[u8])> {
    let (negated, mut rest) = match text {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut ranges = Vec::new();
    loop {
        rest = match rest {
            [b'\\', escaped, rest @ ..] => {
                ranges.push((*escaped, *escaped));
                rest
            }
            [b']', rest @ ..] => return Ok((Part::Class { negated, ranges }, rest)),
            [from, b'-', to, rest @ ..] => {
                if !from.is_ascii() || !to.is_ascii() {
                    return Err(invalid(
                        "a range in the pattern has an end that is not ASCII, which servers read \
                         in different ways; list the characters or use `*`",
                    ));
                }
                ranges.push((*from.min(to), *from.max(to)));
                rest
            }
            [byte, rest @ ..] => {
                ranges.push((*byte, *byte));
                rest
            }
            [] => {
                return Err(invalid(
                    "the pattern has a class without its closing bracket; write `\\[` for a \
                     bracket",
                ));
            }
        };
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidPattern, message)
}

/// Linear in key × pattern at worst: only the last star is ever gone back to, since what an
/// earlier one could take as well, the last one can.
fn matches(parts: &[Part], key: &[u8]) -> bool {
    let (mut parts, mut key) = (parts, key);
    let mut after_star: Option<(&[Part], &[u8])> = None;
    loop {
        match (parts, key) {
            ([Part::AnyBytes, rest @ ..], _) => {
                after_star = Some((rest, key));
                parts = rest;
                continue;
            }
            ([part, rest @ ..], [byte, tail @ ..]) if part.takes(*byte) => {
                (parts, key) = (rest, tail);
                continue;
            }
            ([], []) => return true,
            _ => {}
        }
        // A dead end: let the last star take one byte more.
        match after_star {
            Some((rest, [_, tail @ ..])) => {
                after_star = Some((rest, tail));
                (parts, key) = (rest, tail);
            }
            _ => return false,
        }
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, key: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(key)
    }

    #[test]
    fn wildcards_and_classes_match_as_redis_does() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*b*c", "a__b__b_c", true),
            ("a*b*c", "a__c__b", false),
            ("?", "é", false),
            ("??", "é", true),
            ("[abc]", "b", true),
            ("[a-c]", "d", false),
            ("[c-a]", "b", true),
            ("[^a]", "b", true),
            ("[^a]", "a", false),
            ("[!a]", "!", true),
            ("[!a]", "b", false),
            ("[]", "a", false),
            ("[]", "", false),
            ("[^]", "a", true),
            ("[^]", "", false),
            ("[a-]x]", "_", true), // a range from `a` down to `]`
            ("[\\]]", "]", true),
            ("[\\a-z]", "-", true),
            ("[\\a-z]", "b", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\a", "a", true),
            ("{a,b}", "a", false),
            ("a.c", "abc", false),
            ("A", "a", false),
        ];
        for (pattern, key, expected) in cases {
            assert_eq!(matches(pattern, key), expected, "{pattern:?} on {key:?}");
        }
    }

    #[test]
    fn what_nobody_means_is_refused() {
        for pattern in [
            "[", "[a", "[a-", "[a-]", "[\\]", "[^", "\\", "a\\", "[à-ü]", "[a-é]",
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidPattern, "{pattern:?}");
        }
    }

    #[test]
    fn a_prefix_is_literal_and_selects_no_bare_prefix() {
        let pattern = Pattern::all().behind_prefix("a*[b]?\\:");
        assert_eq!(pattern.as_str(), "a\\*\\[b\\]\\?\\\\:*");
        assert!(pattern.selects("a*[b]?\\:x"));
        assert!(!pattern.selects("a*[b]?\\:"));
        assert!(!pattern.selects("aXb?\\:x"));
    }

    #[test]
    fn many_stars_stay_fast() {
        let pattern = "*a".repeat(30) + "b";
        assert!(!matches(&pattern, &"a".repeat(20_000)));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_matching_neither(pattern in ".{0,12}", key in ".{0,12}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&key);
            }
        }

        #[test]
        fn an_escaped_text_matches_itself_and_is_literal(text in ".{0,12}", other in ".{0,12}") {
            let pattern = Pattern::parse(&Pattern::escape(&text)).unwrap();
            prop_assert!(pattern.matches(&text));
            prop_assert_eq!(pattern.matches(&other), text == other);
            prop_assert_eq!(pattern.as_literal(), Some(text.into_bytes()));
        }
    }
}
