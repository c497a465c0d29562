//! Why decoding failed, in words that quote no value.

use std::error::Error as StdError;

/// Why decoding failed. serde's own texts quote what they met, and what they met is a value: only
/// what names fields, kinds and expectations is kept of them.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct DecodeFailure(String);

impl DecodeFailure {
    pub(super) fn without_values(error: &dyn StdError) -> Self {
        let text = error.to_string();
        Self(
            mismatch(&text)
                .or_else(|| missing_field(&text))
                .unwrap_or_else(|| {
                    "the bytes are malformed, cut short, followed by others, or of another shape"
                        .to_owned()
                }),
        )
    }
}

/// The kinds of what was met, in serde's own words. A type may put others in their place, and those
/// may be the value.
const KINDS: [&str; 15] = [
    "Option value",
    "boolean",
    "byte array",
    "character",
    "enum",
    "floating point",
    "integer",
    "map",
    "newtype struct",
    "newtype variant",
    "null",
    "sequence",
    "string",
    "unit value",
    "unit variant",
];

/// `invalid type: string "…", expected i64`: the kind of what was met, and what was expected.
fn mismatch(text: &str) -> Option<String> {
    let met = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|head| text.strip_prefix(head))?;
    // The last one: a quoted value may hold the same words.
    let (met, expected) = met.rsplit_once(", expected ")?;
    let kind = met.split(['`', '"']).next()?.trim_end();
    KINDS
        .contains(&kind)
        .then(|| format!("found {kind}, expected {expected}"))
}

/// ``missing field `name` ``: the name comes from the type, not from the bytes.
fn missing_field(text: &str) -> Option<String> {
    text.starts_with("missing field `").then(|| text.to_owned())
}
