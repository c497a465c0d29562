//! What a server answers to what a test asks behind the back of the client.

/// An answer of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Such as `OK`.
    Status(String),
    /// Such as `ERR unknown command`.
    Error(String),
    /// An integer.
    Number(i64),
    /// A value.
    Bytes(Vec<u8>),
    /// The absence of a value or of a list.
    Nil,
    /// Several answers.
    List(Vec<Answer>),
}

impl Answer {
    /// The text of a status, an error or a value.
    ///
    /// # Panics
    ///
    /// If it is none of these, or not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Status(text) | Self::Error(text) => text,
            Self::Bytes(bytes) => std::str::from_utf8(bytes).expect("the answer is UTF-8"),
            other => panic!("{other:?} is no text"),
        }
    }

    /// The integer.
    ///
    /// # Panics
    ///
    /// If it is something else.
    #[must_use]
    pub fn number(&self) -> i64 {
        match self {
            Self::Number(number) => *number,
            other => panic!("{other:?} is no number"),
        }
    }

    /// The answers in a list.
    ///
    /// # Panics
    ///
    /// If it is something else.
    #[must_use]
    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            other => panic!("{other:?} is no list"),
        }
    }

    /// True if the server refused or failed.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// As it begins on the wire, without the end of the line.
    pub(crate) fn first_line(&self) -> String {
        match self {
            Self::Status(text) => format!("+{text}"),
            Self::Error(text) => format!("-{text}"),
            Self::Number(number) => format!(":{number}"),
            Self::Bytes(bytes) => format!("${}", bytes.len()),
            Self::Nil => "$-1".to_owned(),
            Self::List(list) => format!("*{}", list.len()),
        }
    }
}
