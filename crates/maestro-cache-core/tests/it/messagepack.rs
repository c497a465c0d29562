//! The default codec: MessagePack with field names, human readable, integers as decimal text.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use maestro_cache_core::{Codec, ErrorKind};
use proptest::prelude::*;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What `rmp-serde` takes for an extension type.
const EXTENSION: &str = "_ExtStruct";

fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    Codec::MessagePack.encode(value).unwrap().to_vec()
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match Codec::MessagePack.decode(bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Decode);
            None
        }
    }
}

#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let bytes = encode(&value);
    assert_eq!(decode::<T>(&bytes).as_ref(), Some(&value), "{bytes:?}");
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Id<T>(T);

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

/// Bytes, and not a sequence of numbers.
#[derive(Debug, Clone, PartialEq)]
struct Blob(Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Blob;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(bytes.to_vec()))
            }
        }

        deserializer.deserialize_bytes(Visitor)
    }
}

/// Serializes in two ways, as `uuid::Uuid` does.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Uuid(u128);

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&format!("{:032x}", self.0))
        } else {
            serializer.serialize_bytes(&self.0.to_be_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            u128::from_str_radix(&text, 16).map_err(D::Error::custom)
        } else {
            let Blob(bytes) = Blob::deserialize(deserializer)?;
            let bytes = bytes.try_into().map_err(|_| D::Error::custom("length"))?;
            Ok(u128::from_be_bytes(bytes))
        }
        .map(Self)
    }
}

/// What serializes in two ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Origin {
    address: IpAddr,
    v6: Ipv6Addr,
    peer: SocketAddr,
    session: Uuid,
    former: Option<IpAddr>,
}

impl Origin {
    fn new() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            v6: Ipv6Addr::LOCALHOST,
            peer: SocketAddr::from(([10, 0, 0, 1], 443)),
            session: Uuid(7),
            former: Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged {
    Login { origin: Origin, address: IpAddr },
    Seen(Origin),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u64,
    #[serde(flatten)]
    origin: Origin,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Origin(Origin),
    Address(IpAddr),
    Session(Uuid),
}

/// An integer where it is human readable, and something else where it is not.
#[derive(Debug, PartialEq)]
struct Ticks(u64);

impl Serialize for Ticks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_u64(self.0)
        } else {
            serializer.serialize_bytes(&self.0.to_be_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for Ticks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            u64::deserialize(deserializer).map(Self)
        } else {
            Err(D::Error::custom("not human readable"))
        }
    }
}

#[test]
fn human_readable_types_return_from_any_type() {
    round_trip(Origin::new());
    round_trip(Tagged::Login {
        origin: Origin::new(),
        address: IpAddr::V6(Ipv6Addr::LOCALHOST),
    });
    round_trip(Tagged::Seen(Origin::new()));
    round_trip(Flattened {
        id: 1,
        origin: Origin::new(),
    });
    round_trip(Untagged::Origin(Origin::new()));
    round_trip(Untagged::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    round_trip(Untagged::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    round_trip(Ticks(5));
    round_trip((Ticks(5),));
    round_trip(HashMap::from([(IpAddr::V4(Ipv4Addr::LOCALHOST), Uuid(1))]));
    round_trip(vec![Untagged::Address(IpAddr::V4(Ipv4Addr::LOCALHOST))]);
    // The first variant that fits, as in every human-readable format.
    let session = encode(&Untagged::Session(Uuid(u128::MAX)));
    assert_eq!(decode(&session), Some(Untagged::Session(Uuid(u128::MAX))));
}

#[test]
fn addresses_and_ids_are_text() {
    assert_eq!(encode(&IpAddr::V4(Ipv4Addr::LOCALHOST)), b"\xa9127.0.0.1");
    assert_eq!(
        encode(&(Uuid(7), Ipv6Addr::LOCALHOST)),
        b"\x92\xd9\x2000000000000000000000000000000007\xa3::1"
    );
}

#[test]
fn values_of_an_older_build_are_read() {
    // What the build before this one wrote, byte by byte.
    let wide = b"\x82\xa2id\xcd\x01\x00\xa4tags\x91\xa1a";
    let tags = vec!["a".to_owned()];
    assert_eq!(decode(wide), Some(Wide { id: 256, tags }));
    assert_eq!(decode(b"\x81\xa5Login\x05"), {
        #[derive(Debug, PartialEq, Deserialize)]
        enum Event {
            Login(u8),
        }
        Some(Event::Login(5))
    });
    assert_eq!(decode(b"\x90"), Some(Unit));
    assert_eq!(decode(b"-5"), Some(-5_i64));
    let integer = [&b"\x91\xc4\x10"[..], &5_i128.to_be_bytes()].concat();
    assert_eq!(decode(&integer), Some([5_i128]));
    // Those that serialize in two ways were binary.
    assert_eq!(decode::<Ipv4Addr>(b"\x94\x7f\x00\x00\x01"), None);
    assert_eq!(decode::<IpAddr>(b"\x81\xa2V4\x94\x7f\x00\x00\x01"), None);
    let socket = b"\x81\xa2V4\x92\x94\x7f\x00\x00\x01\xcd\x01\xbb";
    assert_eq!(decode::<SocketAddr>(socket), None);
}

#[test]
fn top_level_integer_is_decimal_text() {
    macro_rules! check {
        ($($type:ident)*) => {$(
            for shift in 0..$type::BITS {
                for integer in [$type::MAX >> shift, $type::MIN >> shift, ($type::MAX >> shift) / 2 + 1] {
                    let text = integer.to_string().into_bytes();
                    assert_eq!(encode(&integer), text);
                    assert_eq!(encode(&Some(integer)), text);
                    assert_eq!(encode(&Id(Box::new(&integer))), text);
                    assert_eq!(decode(&text), Some(integer));
                    assert_eq!(decode(&text), Some(Some(Id(integer))));
                    round_trip((integer,));
                }
            }
        )*};
    }
    check!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);
}

#[test]
fn only_integers_are_decimal_text() {
    assert_eq!(encode(&[5]), [0x91, 5]);
    assert_eq!(encode(&(-5,)), [0x91, 0xfb]);
    assert_eq!(encode("5"), [0xa1, b'5']);
    assert_eq!(encode(&'5'), [0xa1, b'5']);
    assert_eq!(encode(&true), [0xc3]);
    assert_eq!(encode(&5.0_f32), [0xca, 0x40, 0xa0, 0, 0]);
    assert_eq!(encode(&None::<u8>), [0xc0]);
    // As long as an integer of 128 bits is, inside of others.
    let sixteen = [&[0xc4, 16][..], &[b'1'; 16]].concat();
    assert_eq!(encode(&Blob(vec![b'1'; 16])), sixteen);
    assert_eq!(decode(&sixteen), Some(Blob(vec![b'1'; 16])));
    let extension = Extension((5, Blob(vec![1])));
    assert_eq!(encode(&extension), [0xd4, 5, 1]);
    round_trip(extension);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "_ExtStruct")]
struct Extension((i8, Blob));

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    First,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum UntaggedNumber {
    Text(String),
    Integer(u8),
}

#[test]
fn integer_is_read_as_every_number_that_holds_it() {
    assert_eq!(EXTENSION, rmp_serde::MSGPACK_EXT_STRUCT_NAME);
    assert_eq!(decode::<u8>(b"255"), Some(255));
    assert_eq!(decode::<u8>(b"256"), None);
    assert_eq!(decode::<u8>(b"-1"), None);
    assert_eq!(decode::<f64>(b"5"), Some(5.0));
    assert_eq!(decode::<String>(b"5"), None);
    assert_eq!(decode::<bool>(b"1"), None);
    assert_eq!(decode::<()>(b"0"), None);
    assert_eq!(decode::<Vec<u8>>(b"5"), None);
    assert_eq!(decode::<Extension>(b"5"), None);
    // Not the first variant.
    assert_eq!(decode::<Kind>(b"0"), None);
    assert_eq!(decode::<i128>(b"0"), Some(0));
    assert_eq!(decode::<serde_json::Value>(b"-5"), Some((-5).into()));
    assert_eq!(
        decode::<UntaggedNumber>(b"5"),
        Some(UntaggedNumber::Integer(5))
    );
}

#[test]
fn values_of_all_shapes_return() {
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
    round_trip(vec![Some(Id(1)), None]);
    round_trip(HashMap::from([(1_u8, "a".to_owned())]));
    round_trip(Duration::from_millis(1500));
    round_trip(Some(Some(5)));
    assert_eq!(
        decode(&encode(&Some(None::<i64>))),
        Some(None::<Option<i64>>)
    );
    assert!(decode::<f64>(&encode(&f64::NAN)).unwrap().is_nan());
}

#[test]
fn struct_may_gain_and_lose_fields() {
    let tags = vec!["a".to_owned()];
    assert_eq!(
        decode(&encode(&Wide { id: 1, tags })),
        Some(Narrow { id: 1 })
    );
    let tags = vec![];
    assert_eq!(
        decode(&encode(&Narrow { id: 1 })),
        Some(Wide { id: 1, tags })
    );
}

#[test]
fn bytes_that_are_not_one_value_are_refused() {
    for bytes in [
        &b""[..],
        b"+5",
        b"05",
        b"-0",
        b"-",
        b" 5",
        b"5 ",
        b"5.0",
        b"5e1",
        b"{}",
        b"\x05",
        b"\xc1",
    ] {
        assert_eq!(decode::<i64>(bytes), None, "{bytes:?}");
        assert_eq!(decode::<f64>(bytes), None, "{bytes:?}");
    }
    assert_eq!(decode::<bool>(b"\xc3\xc3"), None);
    assert_eq!(decode::<bool>(b"\xc3\xc1"), None);
    assert_eq!(decode::<String>(b"\xa5hell"), None);
    assert_eq!(decode::<serde_json::Value>(b"\xc1\x05"), None);
}

#[test]
fn deep_nesting_is_refused() {
    let nested = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
    assert!(decode::<serde_json::Value>(&nested(126)).is_some());
    assert!(decode::<serde_json::Value>(&nested(128)).is_none());
    assert!(decode::<serde_json::Value>(&nested(100_000)).is_none());
}

#[test]
fn declared_length_allocates_nothing() {
    // Four billion elements of 8 KiB would end the process.
    type Element = Vec<[[u64; 32]; 32]>;
    assert_eq!(decode::<Element>(b"\xdd\xff\xff\xff\xff"), None);
    assert_eq!(
        decode::<HashMap<u8, Element>>(b"\xdf\xff\xff\xff\xff"),
        None
    );
    assert_eq!(decode::<String>(b"\xdb\xff\xff\xff\xffa"), None);
    assert_eq!(decode::<Blob>(b"\xc6\xff\xff\xff\xffa"), None);
    assert_eq!(decode::<Extension>(b"\xc9\xff\xff\xff\xff\x05a"), None);
}

/// Encodes another value, or panics, while it is encoded itself.
struct Nested<'a>(&'a str, bool);

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = Codec::MessagePack
            .encode(self.0)
            .map_err(S::Error::custom)?;
        assert!(!self.1, "as asked for");
        (self.0, &inner[1..]).serialize(serializer)
    }
}

#[test]
fn value_may_encode_another_meanwhile() {
    let expected = encode(&("inner", b"inner"));
    for _ in 0..3 {
        assert_eq!(encode(&[Nested("inner", false)])[1..], expected);
        assert_eq!(encode(&("inner", b"inner")), expected);
    }
}

#[test]
fn value_that_panics_or_fails_harms_no_other() {
    struct Failing;

    impl Serialize for Failing {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("as asked for"))
        }
    }

    let expected = encode("text");
    for _ in 0..3 {
        let panics = std::panic::catch_unwind(|| encode(&("text", Nested("inner", true))));
        assert!(panics.is_err());
        assert_eq!(encode("text"), expected);
        let error = Codec::MessagePack.encode(&("text", Failing)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encode);
        assert_eq!(encode("text"), expected);
    }
}

#[test]
fn thread_that_ends_can_encode() {
    struct Late(std::sync::mpsc::Sender<Vec<u8>>);

    impl Drop for Late {
        fn drop(&mut self) {
            let _ = self.0.send(encode("late"));
        }
    }

    thread_local! {
        static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
    }

    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Before the buffer of the thread, so that it is dropped after it.
        LATE.set(Some(Late(sender)));
        encode("early");
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv().unwrap(), b"\xa4late");
}

/// A value of any shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Wide(i128, u128),
    Float(f32, f64),
    Char(char),
    Text(String),
    Bytes(Blob),
    Address(SocketAddr),
    Session(Uuid),
    Maybe(Option<Box<Shape>>),
    List(Vec<Shape>),
    Map(BTreeMap<i16, Shape>),
    Named { text: String, inner: Box<Shape> },
}

fn shape() -> impl Strategy<Value = Shape> {
    // Around the lengths at which headers change.
    let length = prop_oneof![0_usize..40, 250_usize..260, 65_530_usize..65_540];
    let text = prop_oneof![
        ".{0,20}",
        length.clone().prop_map(|length| "t".repeat(length))
    ];
    let shift = (any::<u128>(), 0_u32..128).prop_map(|(integer, shift)| integer >> shift);
    let leaf = prop_oneof![
        Just(Shape::Unit),
        any::<bool>().prop_map(Shape::Bool),
        shift
            .clone()
            .prop_map(|integer| Shape::Signed(integer as i64)),
        shift
            .clone()
            .prop_map(|integer| Shape::Unsigned(integer as u64)),
        shift.prop_map(|integer| Shape::Wide(integer as i128, integer)),
        (-1e9_f32..1e9, -1e300_f64..1e300).prop_map(|(narrow, wide)| Shape::Float(narrow, wide)),
        any::<char>().prop_map(Shape::Char),
        text.prop_map(Shape::Text),
        length.prop_map(|length| Shape::Bytes(Blob(vec![7; length]))),
        any::<(u128, u16)>().prop_map(|(address, port)| Shape::Address(SocketAddr::new(
            IpAddr::V6(Ipv6Addr::from_bits(address)),
            port
        ))),
        any::<u128>().prop_map(|id| Shape::Session(Uuid(id))),
    ];
    leaf.prop_recursive(4, 40, 20, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            prop::option::of(boxed.clone()).prop_map(Shape::Maybe),
            prop::collection::vec(inner.clone(), 0..20).prop_map(Shape::List),
            prop::collection::btree_map(any::<i16>(), inner, 0..20).prop_map(Shape::Map),
            (".{0,40}", boxed).prop_map(|(text, inner)| Shape::Named { text, inner }),
        ]
    })
}

proptest! {
    #[test]
    fn every_shape_returns(shape in shape()) {
        let bytes = encode(&shape);
        prop_assert!(bytes[0] >= 0x80 && bytes[0] != 0xc1);
        prop_assert_eq!(decode::<Shape>(&bytes), Some(shape));
    }

    #[test]
    fn every_float_and_text_returns(text in ".{0,40}", float in any::<f64>()) {
        let bytes = encode(&float);
        prop_assert!(bytes[0] >= 0x80);
        prop_assert_eq!(decode::<f64>(&bytes).unwrap().to_bits(), float.to_bits());
        prop_assert!(encode(&text)[0] >= 0x80);
        prop_assert_eq!(decode::<String>(&encode(&text)), Some(text));
    }

    #[test]
    fn any_bytes_decode_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = decode::<serde_json::Value>(&bytes);
        let _ = decode::<Wide>(&bytes);
        let _ = decode::<Shape>(&bytes);
        let _ = decode::<Untagged>(&bytes);
        let _ = decode::<i64>(&bytes);
    }
}
