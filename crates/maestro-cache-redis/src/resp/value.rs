//! What a server answers, as far as the cache has a use for it.

use std::fmt;

use bytes::Bytes;

/// An answer. Without the texts in `Debug`, since they may be values.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing: a missing key, or a condition that did not hold.
    Nil,
    /// `OK`, which is most of what is answered in words.
    Okay,
    /// Another word.
    Simple(Box<str>),
    Integer(i64),
    Bulk(Bytes),
    /// Several; also a set, and the keys and values of a map in turn.
    Array(Vec<Self>),
    Refusal(Refusal),
    /// News that nobody asked for.
    Push,
    /// A type that no command of the cache is answered with.
    Other,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("Nil"),
            Self::Okay => f.write_str("Okay"),
            Self::Simple(_) => f.write_str("Simple"),
            Self::Integer(_) => f.write_str("Integer"),
            Self::Bulk(_) => f.write_str("Bulk"),
            Self::Array(values) => f.debug_tuple("Array").field(values).finish(),
            Self::Refusal(refusal) => refusal.fmt(f),
            Self::Push => f.write_str("Push"),
            Self::Other => f.write_str("Other"),
        }
    }
}

/// An error that a server answers: a code, mostly in capitals, and words. Servers may quote in them
/// what they were sent.
#[derive(Clone, PartialEq)]
pub(crate) struct Refusal(Box<str>);

impl Refusal {
    pub(super) fn new(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        match raised_in_a_script(&line) {
            Some(cause) if starts_with_a_code(cause) => Self(cause.into()),
            Some(cause) => Self(format!("ERR {cause}").into()),
            None => Self(line.into()),
        }
    }

    pub(crate) fn code(&self) -> &str {
        self.parts().0
    }

    pub(crate) fn words(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        self.0.split_once(' ').unwrap_or((&self.0, ""))
    }
}

/// What went wrong in a script, without the place in it that a server before 7.0 puts in front.
fn raised_in_a_script(line: &str) -> Option<&str> {
    let mut cause = match line.strip_prefix("ERR Error running script (call to ") {
        Some(call) => call.split_once("): ")?.1,
        None => line,
    };
    while let Some(place) = cause.strip_prefix("@user_script:") {
        cause = place.split_once(": ")?.1;
    }
    let is_there = cause.len() < line.len();
    is_there.then(|| cause.strip_prefix('-').unwrap_or(cause))
}

/// Servers write their codes in capitals.
fn starts_with_a_code(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusal")
    }
}

#[cfg(test)]
impl Value {
    /// What a server means by these bytes.
    pub(crate) fn of(bytes: &str) -> Self {
        let mut buffer = bytes::BytesMut::from(bytes);
        super::Decoder::default()
            .next(&mut buffer)
            .unwrap()
            .unwrap()
    }
}

#[cfg(test)]
impl Refusal {
    pub(crate) fn of(line: &str) -> Self {
        Self::new(line.as_bytes())
    }
}
