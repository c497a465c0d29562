//! Why bytes were not decoded: the reason is named, and no value is.

use maestro_cache_core::{Codec, Error};
use serde::Deserialize;

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
fn decode_error_names_the_reason_and_no_value() {
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
    // A counter is text, also in MessagePack.
    let error = Codec::MessagePack.decode::<User>(b"515515").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("515"), "{error:?}");
    assert_eq!(source(&error), "found integer, expected struct User");
}
