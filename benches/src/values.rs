//! What is stored.

use serde::{Deserialize, Serialize};

/// A small struct as services have them: 88 bytes of MessagePack with field names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    id: u64,
    name: String,
    email: String,
    active: bool,
}

impl User {
    /// One that differs from the others, but not in size.
    #[must_use]
    pub fn new(id: usize) -> Self {
        let id = 1_000_000 + id;
        Self {
            id: id as u64,
            name: format!("user number {id}"),
            email: format!("user-{id}@mail.platform.example.org"),
            active: true,
        }
    }

    /// The bytes that our codec stores, by the crate that it uses.
    pub(crate) fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("a user encodes")
    }

    /// The other way round.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        rmp_serde::from_slice(bytes).expect("what was encoded decodes")
    }
}

/// Sizes of values, and what they are called in names.
pub(crate) const SIZES: [(&str, usize); 4] = [
    ("10 B", 10),
    ("1 KiB", 1 << 10),
    ("100 KiB", 100 << 10),
    ("1 MiB", 1 << 20),
];

/// A value of about so many bytes, for those who decode.
pub(crate) fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_takes_88_bytes() {
        assert_eq!(User::new(7).encode().len(), 88);
        assert_eq!(User::decode(&User::new(7).encode()), User::new(7));
    }
}
