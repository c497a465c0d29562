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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::{Codec, Error};

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct User {
        name: String,
        role: Role,
    }

    #[derive(Debug, Deserialize)]
    enum Role {
        Admin,
    }

    /// A type that puts the value into its own words.
    #[derive(Debug)]
    struct Colour;

    impl<'de> Deserialize<'de> for Colour {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let met = serde::de::Unexpected::Other(&text);
            Err(serde::de::Error::invalid_value(met, &"a colour"))
        }
    }

    fn source(error: &Error) -> String {
        std::error::Error::source(error).unwrap().to_string()
    }

    #[test]
    fn no_value_appears_in_any_text_and_the_reason_does() {
        let cases = [
            (
                r#""canary""#,
                "found string, expected i64 at line 1 column 8",
            ),
            (
                r#""canary\", expected canary""#,
                "found string, expected i64 at line 1 column 27",
            ),
            (
                "1.5",
                "found floating point, expected i64 at line 1 column 3",
            ),
        ];
        for (json, expected) in cases {
            let error = Codec::Json.decode::<i64>(json.as_bytes()).unwrap_err();
            assert_eq!(source(&error), expected);
        }
        for json in [
            r#"{"canary":1}"#,
            r#"{"name":"canary"}"#,
            r#"{"name":"canary","role":"canary"}"#,
            r#"{"name":5,"role":"canary"}"#,
            "canary",
        ] {
            let error = Codec::Json.decode::<User>(json.as_bytes()).unwrap_err();
            assert!(
                !format!("{error} {error:?}").contains("canary"),
                "{error:?}"
            );
        }
        for role in [
            "canary",
            "invalid value: canary, expected canary",
            "missing field `canary`",
        ] {
            for codec in [Codec::Json, Codec::MessagePack] {
                let user = std::collections::BTreeMap::from([("name", "x"), ("role", role)]);
                let error = codec
                    .decode::<User>(&codec.encode(&user).unwrap())
                    .unwrap_err();
                assert!(
                    !format!("{error} {error:?}").contains("canary"),
                    "{error:?}"
                );
                let error = codec
                    .decode::<Colour>(&codec.encode(role).unwrap())
                    .unwrap_err();
                assert!(
                    !format!("{error} {error:?}").contains("canary"),
                    "{error:?}"
                );
            }
        }
        let error = Codec::Json.decode::<User>(b"{}").unwrap_err();
        assert_eq!(source(&error), "missing field `name` at line 1 column 2");
        let bytes = Codec::MessagePack.encode("canary").unwrap();
        let error = Codec::MessagePack.decode::<User>(&bytes).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
        assert_eq!(source(&error), "found string, expected struct User");
    }
}
