//! What is encoded, beside what `rmp-serde` makes of it: byte by byte, errors included.

use std::fmt::{self, Debug, Display};

use proptest::prelude::*;
use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::encode;

/// A value that calls one method of a serializer.
#[derive(Clone, Debug)]
enum Shape {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Displayed(String),
    Bytes(Vec<u8>),
    None,
    Some(Box<Shape>),
    Unit,
    UnitStruct,
    UnitVariant(Name),
    NewtypeStruct(Box<Shape>),
    NewtypeVariant(Name, Box<Shape>),
    Seq(Length, Vec<Shape>),
    Tuple(Vec<Shape>),
    TupleStruct(Vec<Shape>),
    TupleVariant(Name, Vec<Shape>),
    Map(Length, Vec<(Shape, Shape)>),
    Struct(Vec<(Name, Shape)>),
    StructVariant(Name, Vec<(Name, Shape)>),
    /// What `rmp-serde` takes for an extension type, whether it is one or not.
    Extension(Box<Shape>),
    Fails(String),
}

/// Whether a sequence or a map says at first how many elements there will be.
#[derive(Clone, Copy, Debug)]
enum Length {
    Known,
    Unknown,
}

impl Length {
    fn of<T>(self, elements: &[T]) -> Option<usize> {
        match self {
            Self::Known => Some(elements.len()),
            Self::Unknown => None,
        }
    }
}

/// The name of a field or a variant, by its length.
#[derive(Clone, Copy)]
struct Name(usize);

const LONGEST_NAME: usize = 70_000;

impl Name {
    fn as_str(self) -> &'static str {
        static BYTES: [u8; LONGEST_NAME] = [b'n'; LONGEST_NAME];
        std::str::from_utf8(BYTES[..self.0].as_ref()).unwrap()
    }
}

impl Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I8(value) => serializer.serialize_i8(*value),
            Self::I16(value) => serializer.serialize_i16(*value),
            Self::I32(value) => serializer.serialize_i32(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::I128(value) => serializer.serialize_i128(*value),
            Self::U8(value) => serializer.serialize_u8(*value),
            Self::U16(value) => serializer.serialize_u16(*value),
            Self::U32(value) => serializer.serialize_u32(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::U128(value) => serializer.serialize_u128(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Displayed(value) => serializer.collect_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::None => serializer.serialize_none(),
            Self::Some(value) => serializer.serialize_some(value),
            Self::Unit => serializer.serialize_unit(),
            Self::UnitStruct => serializer.serialize_unit_struct("Struct"),
            Self::UnitVariant(name) => serializer.serialize_unit_variant("Enum", 3, name.as_str()),
            Self::NewtypeStruct(value) => serializer.serialize_newtype_struct("Struct", value),
            Self::NewtypeVariant(name, value) => {
                serializer.serialize_newtype_variant("Enum", 3, name.as_str(), value)
            }
            Self::Seq(length, elements) => {
                let mut seq = serializer.serialize_seq(length.of(elements))?;
                for element in elements {
                    seq.serialize_element(element)?;
                }
                seq.end()
            }
            Self::Tuple(elements) => {
                let mut tuple = serializer.serialize_tuple(elements.len())?;
                for element in elements {
                    tuple.serialize_element(element)?;
                }
                tuple.end()
            }
            Self::TupleStruct(fields) => {
                let mut tuple = serializer.serialize_tuple_struct("Struct", fields.len())?;
                for field in fields {
                    tuple.serialize_field(field)?;
                }
                tuple.end()
            }
            Self::TupleVariant(name, fields) => {
                let mut tuple =
                    serializer.serialize_tuple_variant("Enum", 3, name.as_str(), fields.len())?;
                for field in fields {
                    tuple.serialize_field(field)?;
                }
                tuple.end()
            }
            Self::Map(length, entries) => {
                let mut map = serializer.serialize_map(length.of(entries))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Struct(fields) => {
                let mut state = serializer.serialize_struct("Struct", fields.len())?;
                for (name, value) in fields {
                    state.serialize_field(name.as_str(), value)?;
                }
                state.end()
            }
            Self::StructVariant(name, fields) => {
                let mut state =
                    serializer.serialize_struct_variant("Enum", 3, name.as_str(), fields.len())?;
                for (name, value) in fields {
                    state.serialize_field(name.as_str(), value)?;
                }
                state.end()
            }
            Self::Extension(value) => {
                serializer.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, value)
            }
            Self::Fails(why) => Err(S::Error::custom(why)),
        }
    }
}

impl Shape {
    /// The text of an integer at the top level: the one thing that `rmp-serde` writes otherwise.
    fn decimal(&self) -> Option<String> {
        let integer: &dyn Display = match self {
            Self::Some(value) | Self::NewtypeStruct(value) => return value.decimal(),
            Self::I8(value) => value,
            Self::I16(value) => value,
            Self::I32(value) => value,
            Self::I64(value) => value,
            Self::I128(value) => value,
            Self::U8(value) => value,
            Self::U16(value) => value,
            Self::U32(value) => value,
            Self::U64(value) => value,
            Self::U128(value) => value,
            _ => return None,
        };
        Some(integer.to_string())
    }
}

fn by_rmp_serde<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    value
        .serialize(&mut serializer)
        .map_err(|error| format!("{error:?}"))?;
    Ok(bytes)
}

fn by_us<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    encode(value)
        .map(Vec::from)
        .map_err(|error| format!("{error:?}"))
}

#[track_caller]
fn assert_alike(shape: &Shape) {
    let expected = shape
        .decimal()
        .map_or_else(|| by_rmp_serde(shape), |text| Ok(text.into_bytes()));
    // Not `assert_eq`, which would print pages.
    assert!(by_us(shape) == expected, "{shape:?}");
}

/// The lengths at which headers change, and those around the room on the stack.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0_usize..40,
        2 => prop::sample::select(vec![254_usize, 255, 256, 257]),
        2 => 2000_usize..2060,
        1 => prop::sample::select(vec![4095_usize, 65_535, 65_536]),
    ]
}

fn name() -> impl Strategy<Value = Name> {
    length().prop_map(Name)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,20}", length().prop_map(|length| "t".repeat(length))]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    (any::<u8>(), length()).prop_map(|(byte, length)| vec![byte; length])
}

/// Integers of all sizes: a random one of 64 bits hardly ever is a small one.
fn any_integer() -> impl Strategy<Value = Shape> {
    (any::<i128>(), 0_u32..128).prop_flat_map(|(integer, shift)| {
        let integer = integer >> shift;
        prop::sample::select(vec![
            Shape::I8(integer as i8),
            Shape::I16(integer as i16),
            Shape::I32(integer as i32),
            Shape::I64(integer as i64),
            Shape::I128(integer),
            Shape::U8(integer as u8),
            Shape::U16(integer as u16),
            Shape::U32(integer as u32),
            Shape::U64(integer as u64),
            Shape::U128(integer as u128),
        ])
    })
}

fn leaf() -> impl Strategy<Value = Shape> {
    prop_oneof![
        6 => any_integer(),
        1 => any::<bool>().prop_map(Shape::Bool),
        1 => any::<f32>().prop_map(Shape::F32),
        1 => any::<f64>().prop_map(Shape::F64),
        1 => any::<char>().prop_map(Shape::Char),
        3 => text().prop_map(Shape::Text),
        1 => text().prop_map(Shape::Displayed),
        2 => bytes().prop_map(Shape::Bytes),
        1 => prop::sample::select(vec![Shape::None, Shape::Unit, Shape::UnitStruct]),
        1 => name().prop_map(Shape::UnitVariant),
        1 => (any::<i8>(), bytes()).prop_map(|(tag, bytes)| extension(tag, bytes)),
    ]
}

fn extension(tag: i8, bytes: Vec<u8>) -> Shape {
    let fields = vec![Shape::I8(tag), Shape::Bytes(bytes)];
    Shape::Extension(Box::new(Shape::Tuple(fields)))
}

fn known_or_not() -> impl Strategy<Value = Length> {
    prop::sample::select(vec![Length::Known, Length::Unknown])
}

fn some_of<T: Debug>(element: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(element, 0..20)
}

fn shape() -> impl Strategy<Value = Shape> {
    leaf().prop_recursive(4, 60, 20, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let fields = some_of((name(), inner.clone())).boxed();
        prop_oneof![
            1 => boxed.clone().prop_map(Shape::Some),
            1 => boxed.clone().prop_map(Shape::NewtypeStruct),
            1 => (name(), boxed).prop_map(|(name, value)| Shape::NewtypeVariant(name, value)),
            3 => (known_or_not(), some_of(inner.clone()))
                .prop_map(|(length, elements)| Shape::Seq(length, elements)),
            1 => some_of(inner.clone()).prop_map(Shape::Tuple),
            1 => some_of(inner.clone()).prop_map(Shape::TupleStruct),
            1 => (name(), some_of(inner.clone()))
                .prop_map(|(name, fields)| Shape::TupleVariant(name, fields)),
            3 => (known_or_not(), some_of((inner.clone(), inner)))
                .prop_map(|(length, entries)| Shape::Map(length, entries)),
            1 => fields.clone().prop_map(Shape::Struct),
            1 => (name(), fields).prop_map(|(name, fields)| Shape::StructVariant(name, fields)),
        ]
    })
}

/// Shapes in which something fails, somewhere.
fn failing_shape() -> impl Strategy<Value = Shape> {
    let failing = prop_oneof![
        text().prop_map(Shape::Fails),
        shape().prop_map(|shape| Shape::Extension(Box::new(shape))),
        some_of(leaf()).prop_map(|fields| Shape::Extension(Box::new(Shape::Tuple(fields)))),
    ];
    (known_or_not(), some_of(shape()), failing, some_of(shape())).prop_map(
        |(length, mut elements, failing, more)| {
            elements.push(failing);
            elements.extend(more);
            Shape::Seq(length, elements)
        },
    )
}

proptest! {
    #[test]
    fn every_shape_is_encoded_as_by_rmp_serde(shape in shape()) {
        assert_alike(&shape);
    }

    #[test]
    fn so_is_every_shape_where_the_stack_ends(before in 1980_usize..2060, shape in shape()) {
        let before = Shape::Text("t".repeat(before));
        assert_alike(&Shape::Seq(Length::Known, vec![before.clone(), shape.clone()]));
        assert_alike(&Shape::Seq(Length::Unknown, vec![before, shape]));
    }

    #[test]
    fn what_fails_fails_alike(shape in failing_shape()) {
        assert_alike(&shape);
    }
}

#[test]
fn integers_are_alike_where_their_size_changes() {
    for bits in 0..128 {
        for near in -2..=2 {
            for sign in [1, -1] {
                let integer = (1_i128 << bits).wrapping_add(near).wrapping_mul(sign);
                for shape in [
                    Shape::I8(integer as i8),
                    Shape::I16(integer as i16),
                    Shape::I32(integer as i32),
                    Shape::I64(integer as i64),
                    Shape::I128(integer),
                    Shape::U8(integer as u8),
                    Shape::U16(integer as u16),
                    Shape::U32(integer as u32),
                    Shape::U64(integer as u64),
                    Shape::U128(integer as u128),
                ] {
                    assert_alike(&Shape::Some(Box::new(shape.clone())));
                    assert_alike(&Shape::Tuple(vec![shape]));
                }
            }
        }
    }
}

#[test]
fn sequences_and_maps_are_alike_where_their_headers_change() {
    for length in [0, 1, 15, 16, 17, 255, 256, 65_535, 65_536] {
        let elements = vec![Shape::Unit; length];
        let entries = vec![(Shape::U8(7), Shape::Unit); length];
        let fields = vec![(Name(1), Shape::Unit); length];
        for shape in [
            Shape::Seq(Length::Known, elements.clone()),
            Shape::Seq(Length::Unknown, elements.clone()),
            Shape::Tuple(elements.clone()),
            Shape::TupleStruct(elements.clone()),
            Shape::TupleVariant(Name(2), elements),
            Shape::Map(Length::Known, entries.clone()),
            Shape::Map(Length::Unknown, entries),
            Shape::Struct(fields.clone()),
            Shape::StructVariant(Name(2), fields),
        ] {
            assert_alike(&shape);
        }
    }
}

#[test]
fn texts_names_and_byte_strings_are_alike_where_their_headers_change() {
    for length in [0, 1, 31, 32, 33, 255, 256, 257, 2047, 2048, 65_535, 65_536] {
        for shape in [
            Shape::Text("t".repeat(length)),
            Shape::Bytes(vec![7; length]),
            Shape::UnitVariant(Name(length)),
            Shape::NewtypeVariant(Name(length), Box::new(Shape::U8(5))),
            Shape::Struct(vec![(Name(length), Shape::U8(5))]),
            extension(-5, vec![7; length]),
        ] {
            assert_alike(&shape);
        }
    }
}

#[test]
fn what_no_header_holds_is_an_error() {
    /// `rmp-serde` writes the length without its upper half.
    struct Endless;

    impl Serialize for Endless {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_seq(Some(1 << 32))?.end()
        }
    }

    assert!(encode(&Endless).is_err());
}

#[test]
fn a_value_may_encode_another_one_meanwhile() {
    struct Outer(&'static str);

    impl Serialize for Outer {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let inner = encode(self.0).map_err(S::Error::custom)?;
            (self.0, serde_json::Value::from(&*inner)).serialize(serializer)
        }
    }

    assert_eq!(by_us(&Outer("inner")), by_rmp_serde(&Outer("inner")));
}
