//! The integer rule: what is an integer at the top level is decimal text.
//!
//! `increment` works on decimal text, as Redis' `INCRBY` does. Writing top-level integers that way
//! under every codec makes counters and values one thing. JSON has it by nature; MessagePack
//! writes them by its serializer, and reads them by this module.

use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

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
