//! JSON, as the Python services read and write it.

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Error;

use super::bare_text::BareText;
use super::finite::Finite;

/// Room for a small struct; the buffer grows for larger values.
const USUAL_SIZE_BYTES: usize = 128;

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Box<[u8]>, Error> {
    let mut buffer = Vec::with_capacity(USUAL_SIZE_BYTES);
    value.serialize(Finite(&mut serde_json::Serializer::new(&mut buffer)))?;
    Ok(buffer.into_boxed_slice())
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes)
}

/// Like [`decode`], and where the type asks for a text, bytes that are no JSON are that text.
pub(super) fn decode_or_bare_text<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    decode(bytes).or_else(|error: Error| {
        // Bytes that are JSON of another type stay an error: `5` is a number, whoever wrote it.
        if decode::<IgnoredAny>(bytes).is_ok() {
            return Err(error);
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Err(error);
        };
        T::deserialize(BareText(text)).map_err(|_| error)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Reading {
        at: u64,
        value: Option<f64>,
        all: HashMap<String, Vec<(f32, f64)>>,
        kind: Kind,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        New(f64),
        Tuple(u8, f64),
        Struct { x: f64 },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Name(String);

    fn reading(float: f64, kind: Kind) -> Reading {
        Reading {
            at: 1,
            value: Some(float),
            all: HashMap::from([("é".to_owned(), vec![(1.5, float)])]),
            kind,
        }
    }

    fn text(value: &(impl Serialize + ?Sized)) -> String {
        String::from_utf8(encode(value).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn values_are_written_as_python_reads_them() {
        assert_eq!(text("5"), "\"5\"");
        assert_eq!(text("héllo ✓ 🎉"), "\"héllo ✓ 🎉\"");
        assert_eq!(text(&5), "5");
        assert_eq!(text(&1.0), "1.0");
        assert_eq!(text(&0.1), "0.1");
        assert_eq!(text(&5e-324), "5e-324");
        assert_eq!(text(&-0.0), "-0.0");
        assert!(["1e16", "1e+16"].contains(&text(&1e16).as_str()));
        assert_eq!(text(&true), "true");
        assert_eq!(text(&None::<i32>), "null");
        assert_eq!(text(&()), "null");
        assert_eq!(text(&(1, "a", None::<i32>)), "[1,\"a\",null]");
        assert_eq!(text(&HashMap::from([(1, "a")])), "{\"1\":\"a\"}");
    }

    #[test]
    fn values_of_all_shapes_come_back() {
        for kind in [
            Kind::Unit,
            Kind::New(1.0),
            Kind::Tuple(1, 2.0),
            Kind::Struct { x: 0.5 },
        ] {
            let reading = reading(2.5, kind);
            assert_eq!(
                decode::<Reading>(&encode(&reading).unwrap()).unwrap(),
                reading
            );
        }
    }

    #[test]
    fn nan_and_infinities_are_refused_at_any_depth() {
        for float in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(encode(&float).is_err());
            assert!(encode(&Some(float as f32)).is_err());
            assert!(encode(&reading(float, Kind::Unit)).is_err());
            assert!(encode(&reading(1.0, Kind::New(float))).is_err());
            assert!(encode(&reading(1.0, Kind::Tuple(1, float))).is_err());
            assert!(encode(&reading(1.0, Kind::Struct { x: float })).is_err());
            assert!(encode(&[[float]]).is_err());
            assert!(encode(&Box::new((1, float))).is_err());
        }
    }

    #[test]
    fn what_python_means_by_nan_is_refused() {
        for bytes in [
            "NaN",
            "Infinity",
            "-Infinity",
            "nan",
            "inf",
            "{\"x\": NaN}",
            "{\"a\":",
            "",
        ] {
            assert!(
                decode::<serde_json::Value>(bytes.as_bytes()).is_err(),
                "{bytes}"
            );
        }
        assert!(decode::<String>(b"\"\xff\xfe\"").is_err());
        assert!(decode::<serde_json::Value>(&[b'['; 100_000]).is_err());
    }

    #[test]
    fn bare_texts_are_taken_where_a_text_is_asked_for_and_nowhere_else() {
        let read = |bytes: &str| decode_or_bare_text::<String>(bytes.as_bytes()).ok();
        assert_eq!(read("hello").as_deref(), Some("hello"));
        assert_eq!(read("").as_deref(), Some(""));
        assert_eq!(read("007").as_deref(), Some("007"));
        assert_eq!(read("héllo ✓").as_deref(), Some("héllo ✓"));
        assert_eq!(read("{\"a\":").as_deref(), Some("{\"a\":"));
        assert_eq!(read("\"quoted\"").as_deref(), Some("quoted"));
        assert_eq!(read("5"), None);
        assert_eq!(read("[1,2]"), None);
        assert!(decode_or_bare_text::<String>(b"\xff\xfe").is_err());
        assert!(decode_or_bare_text::<i64>(b"hello").is_err());
        assert!(decode_or_bare_text::<serde_json::Value>(b"hello").is_err());
        assert!(decode_or_bare_text::<Vec<String>>(b"hello").is_err());
        assert_eq!(
            decode_or_bare_text::<Option<String>>(b"null").unwrap(),
            None
        );
        assert_eq!(
            decode_or_bare_text::<Option<Name>>(b"hello").unwrap(),
            Some(Name("hello".to_owned()))
        );
        assert!(decode::<String>(b"hello").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode::<serde_json::Value>(&bytes);
            let _ = decode_or_bare_text::<Option<String>>(&bytes);
            let _ = decode::<Reading>(&bytes);
        }

        #[test]
        fn finite_floats_come_back_to_the_bit(float in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
            let bytes = encode(&float).unwrap();
            prop_assert!(bytes.iter().any(|byte| b".eE".contains(byte)));
            prop_assert_eq!(decode::<f64>(&bytes).unwrap().to_bits(), float.to_bits());
        }
    }
}
