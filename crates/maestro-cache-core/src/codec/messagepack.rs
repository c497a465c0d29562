//! MessagePack with field names, and top-level integers as decimal text.

#[cfg(test)]
mod beside_rmp_serde;
mod buffer;
mod elements;
mod failure;
mod header;
mod serializer;

use bytes::Bytes;
use rmp_serde::{decode, encode};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Serialize};

use self::buffer::Buffer;
use self::failure::EncodeFailure;
use super::decimal::DecimalDeserializer;

/// A first byte below this would be a positive fixint, and a top-level integer is never written as
/// one: such bytes are decimal text.
const FIRST_BEYOND_FIXINT: u8 = 0x80;

/// Values may be nested this deep, as in JSON. Deeper bytes, which only somebody else can have
/// written, are an error and not the end of the stack.
const MAX_DEPTH: usize = 128;

#[inline]
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, encode::Error> {
    let mut buffer = Buffer::default();
    value
        .serialize(&mut buffer)
        .map_err(EncodeFailure::into_inner)?;
    Ok(buffer.take())
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, decode::Error> {
    if bytes
        .first()
        .is_some_and(|first| *first < FIRST_BEYOND_FIXINT)
    {
        let decimal = DecimalDeserializer::parse(bytes)
            .ok_or_else(|| decode::Error::custom("neither MessagePack nor a decimal integer"))?;
        return T::deserialize(decimal);
    }
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(MAX_DEPTH);
    let value = T::deserialize(&mut deserializer)?;
    // It does not say how far it came. Behind the last byte there is no marker to be read.
    match <()>::deserialize(&mut deserializer) {
        Err(decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(decode::Error::custom("more bytes than one value")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Unit;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Id(u32);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Point,
        Circle(f64),
        Rectangle { width: u32, height: u32 },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Narrow {
        id: u64,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Wide {
        id: u64,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        extra: BTreeMap<String, i64>,
    }

    fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
        let bytes = encode(&value).unwrap();
        assert_eq!(decode::<T>(&bytes).unwrap(), value, "{bytes:?}");
    }

    #[test]
    fn every_integer_at_the_top_is_decimal_text() {
        assert_eq!(&encode(&5_i64).unwrap()[..], b"5");
        assert_eq!(&encode(&0_u8).unwrap()[..], b"0");
        assert_eq!(&encode(&-1_i8).unwrap()[..], b"-1");
        assert_eq!(&encode(&u64::MAX).unwrap()[..], b"18446744073709551615");
        assert_eq!(
            &encode(&i128::MIN).unwrap()[..],
            i128::MIN.to_string().as_bytes()
        );
        assert_eq!(&encode(&Some(5)).unwrap()[..], b"5");
        assert_eq!(&encode(&Id(7)).unwrap()[..], b"7");
        assert_eq!(&encode(&Box::new(&5)).unwrap()[..], b"5");
    }

    #[test]
    fn integers_inside_of_something_are_messagepack() {
        assert_eq!(&encode(&[5]).unwrap()[..], [0x91, 5]);
        assert_eq!(&encode(&(5,)).unwrap()[..], [0x91, 5]);
    }

    #[test]
    fn values_of_all_shapes_come_back() {
        round_trip(5_i64);
        round_trip(i64::MIN);
        round_trip(u64::MAX);
        round_trip(i128::MIN);
        round_trip(u128::MAX);
        round_trip(Some(5));
        round_trip(None::<i32>);
        round_trip(());
        round_trip(Unit);
        round_trip(Id(7));
        round_trip(true);
        round_trip('é');
        round_trip(1.5_f32);
        round_trip(f64::INFINITY);
        round_trip(String::new());
        round_trip("5".to_owned());
        round_trip(Shape::Point);
        round_trip(Shape::Circle(1.0));
        round_trip(Shape::Rectangle {
            width: 1,
            height: 2,
        });
        round_trip(vec![Some(Id(1)), None]);
        round_trip(HashMap::from([(1_u8, "a".to_owned())]));
        round_trip(Flat {
            extra: BTreeMap::from([("a".to_owned(), 1)]),
        });
        round_trip(std::net::Ipv4Addr::LOCALHOST);
        round_trip(std::time::Duration::from_millis(1500));
        assert!(decode::<f64>(&encode(&f64::NAN).unwrap()).unwrap().is_nan());
    }

    #[test]
    fn a_struct_may_gain_and_lose_fields() {
        let wide = Wide {
            id: 1,
            tags: vec!["a".to_owned()],
        };
        assert_eq!(
            decode::<Narrow>(&encode(&wide).unwrap()).unwrap(),
            Narrow { id: 1 }
        );
        let narrow = encode(&Narrow { id: 1 }).unwrap();
        assert_eq!(
            decode::<Wide>(&narrow).unwrap(),
            Wide {
                id: 1,
                tags: vec![]
            }
        );
    }

    #[test]
    fn an_integer_is_read_as_every_number_that_holds_it() {
        assert_eq!(decode::<u8>(b"255").unwrap(), 255);
        assert!(decode::<u8>(b"256").is_err());
        assert_eq!(decode::<f64>(b"5").unwrap(), 5.0);
        assert!(decode::<String>(b"5").is_err());
        assert!(decode::<bool>(b"1").is_err());
        assert!(decode::<()>(b"0").is_err());
    }

    #[test]
    fn what_is_not_the_whole_of_one_value_is_refused() {
        for bytes in [
            &b""[..],
            b"+5",
            b"05",
            b"-0",
            b" 5",
            b"5 ",
            b"5.0",
            b"{}",
            b"\x05",
            b"\xc1",
        ] {
            assert!(decode::<i64>(bytes).is_err(), "{bytes:?}");
        }
        assert!(decode::<bool>(b"\xc3\xc3").is_err());
        assert!(decode::<String>(b"\xa5hell").is_err());
        assert!(decode::<Vec<serde_json::Value>>(&[0x91; 100_000]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode::<serde_json::Value>(&bytes);
            let _ = decode::<Wide>(&bytes);
            let _ = decode::<i64>(&bytes);
        }

        #[test]
        fn only_a_top_level_integer_starts_below_0x80(text in ".{0,40}", float in any::<f64>(), list in proptest::collection::vec(any::<i64>(), 0..20)) {
            prop_assert!(encode(&text).unwrap()[0] >= FIRST_BEYOND_FIXINT);
            prop_assert!(encode(&float).unwrap()[0] >= FIRST_BEYOND_FIXINT);
            prop_assert!(encode(&list).unwrap()[0] >= FIRST_BEYOND_FIXINT);
        }
    }
}
