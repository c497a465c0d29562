//! The integer rule: what is an integer at the top level is decimal text.
//!
//! `increment` works on decimal text, as Redis' `INCRBY` does. Writing top-level integers that way
//! under every codec makes counters and values one thing. JSON has it by nature; this module gives
//! it to MessagePack.

use std::fmt::Write;

use arrayvec::ArrayString;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::{Serialize, Serializer};

/// The longest is `i128::MIN`: a sign and 39 digits.
pub(super) type DecimalText = ArrayString<40>;

/// A serializer that catches an integer at the top level and leaves everything else to another.
pub(super) struct OrDecimal<'a, S> {
    other: S,
    decimal: &'a mut Option<DecimalText>,
}

impl<'a, S: Serializer<Ok = ()>> OrDecimal<'a, S> {
    pub(super) fn new(other: S, decimal: &'a mut Option<DecimalText>) -> Self {
        Self { other, decimal }
    }

    fn catch(self, integer: impl std::fmt::Display) -> Result<(), S::Error> {
        let mut text = DecimalText::new();
        write!(text, "{integer}").map_err(serde::ser::Error::custom)?;
        *self.decimal = Some(text);
        Ok(())
    }
}

/// Methods that hand their arguments to the other serializer.
macro_rules! to_other {
    ($($method:ident($($name:ident: $type:ty),*) -> $output:ty;)*) => {$(
        fn $method(self, $($name: $type),*) -> Result<$output, S::Error> {
            self.other.$method($($name),*)
        }
    )*};
}

macro_rules! catch {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, integer: $type) -> Result<(), S::Error> {
            self.catch(integer)
        }
    )*};
}

impl<S: Serializer<Ok = ()>> Serializer for OrDecimal<'_, S> {
    type Ok = ();
    type Error = S::Error;
    type SerializeSeq = S::SerializeSeq;
    type SerializeTuple = S::SerializeTuple;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = S::SerializeMap;
    type SerializeStruct = S::SerializeStruct;
    type SerializeStructVariant = S::SerializeStructVariant;

    catch! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
    }

    // Both are transparent on the wire: what they hold is still at the top level.
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), S::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        if name == rmp_serde::MSGPACK_EXT_STRUCT_NAME {
            return self.other.serialize_newtype_struct(name, value);
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.other
            .serialize_newtype_variant(name, index, variant, value)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), S::Error> {
        self.other.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.other.is_human_readable()
    }

    to_other! {
        serialize_bool(value: bool) -> ();
        serialize_f32(value: f32) -> ();
        serialize_f64(value: f64) -> ();
        serialize_char(value: char) -> ();
        serialize_str(value: &str) -> ();
        serialize_bytes(value: &[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(name: &'static str) -> ();
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> ();
        serialize_seq(len: Option<usize>) -> S::SerializeSeq;
        serialize_tuple(len: usize) -> S::SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> S::SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> S::SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> S::SerializeMap;
        serialize_struct(name: &'static str, len: usize) -> S::SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize)
            -> S::SerializeStructVariant;
    }
}

/// A deserializer of one integer that was decimal text.
pub(super) enum DecimalDeserializer {
    Signed(i128),
    Unsigned(u128),
}

impl DecimalDeserializer {
    /// Reads canonical decimal text: digits without a leading zero, a minus sign at most.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
        let canonical = match digits {
            [b'0'] => digits.len() == bytes.len(),
            [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        let text = std::str::from_utf8(bytes).ok().filter(|_| canonical)?;
        text.parse()
            .map(Self::Signed)
            .or_else(|_| text.parse().map(Self::Unsigned))
            .ok()
    }
}

impl<'de> Deserializer<'de> for DecimalDeserializer {
    // The error of MessagePack, since that is the codec which needs this.
    type Error = rmp_serde::decode::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self {
            Self::Signed(value) => {
                if let Ok(value) = i64::try_from(value) {
                    visitor.visit_i64(value)
                } else if let Ok(value) = u64::try_from(value) {
                    visitor.visit_u64(value)
                } else {
                    visitor.visit_i128(value)
                }
            }
            Self::Unsigned(value) => visitor.visit_u128(value),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        if name == rmp_serde::MSGPACK_EXT_STRUCT_NAME {
            return Err(Self::Error::custom(
                "a decimal integer is no extension type",
            ));
        }
        visitor.visit_newtype_struct(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
