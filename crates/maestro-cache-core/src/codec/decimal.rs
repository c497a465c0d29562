//! Decimal text, which every integer at the top level is, as a value.

use serde::de::{Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Canonical decimal text: digits without a leading zero, a minus sign at most.
pub(super) fn is_decimal(bytes: &[u8]) -> bool {
    match bytes.strip_prefix(b"-").unwrap_or(bytes) {
        [b'0'] => bytes.len() == 1,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A deserializer of one integer that was decimal text.
pub(super) enum DecimalDeserializer {
    Signed(i128),
    Unsigned(u128),
}

impl DecimalDeserializer {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|_| is_decimal(bytes))?;
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
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
