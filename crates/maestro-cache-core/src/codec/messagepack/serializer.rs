//! From a value to MessagePack: what each kind of value looks like.

use std::fmt::Write;

use rmp_serde::MSGPACK_EXT_STRUCT_NAME;
use serde::Serialize;
use serde::ser::{
    Error, SerializeStruct, SerializeStructVariant, SerializeTuple, SerializeTupleStruct,
    SerializeTupleVariant,
};

use super::buffer::Buffer;
use super::elements::Elements;
use super::failure::EncodeFailure;
use super::header::{BYTES, Header, MAP, SEQUENCE, TEXT};

const NIL: u8 = 0xc0;
const FALSE: u8 = 0xc2;
const TRUE: u8 = 0xc3;
const F32: u8 = 0xca;
const F64: u8 = 0xcb;
const U8: u8 = 0xcc;
const U16: u8 = 0xcd;
const U32: u8 = 0xce;
const U64: u8 = 0xcf;
const I8: u8 = 0xd0;
const I16: u8 = 0xd1;
const I32: u8 = 0xd2;
const I64: u8 = 0xd3;

/// Integers from here to there are their own byte.
const SMALLEST_IN_A_BYTE: i64 = -32;
const BIGGEST_IN_A_BYTE: u64 = 127;

type Result<T = ()> = std::result::Result<T, EncodeFailure>;

/// A text up to this length has a header of two bytes at most.
const SHORT_TEXT: usize = 255;

impl Buffer {
    #[inline]
    fn header(&mut self, header: &Header, len: usize) -> Result {
        header.write(len, self)
    }

    #[inline]
    fn text(&mut self, text: &str) -> Result {
        if text.len() <= SHORT_TEXT && self.has_room(2 + SHORT_TEXT) {
            self.header(&TEXT, text.len())?;
            self.extend(text.as_bytes());
            return Ok(());
        }
        self.long_text(text)
    }

    #[inline(never)]
    fn long_text(&mut self, text: &str) -> Result {
        self.header(&TEXT, text.len())?;
        self.extend(text.as_bytes());
        Ok(())
    }

    #[inline]
    fn variant(&mut self, name: &str) -> Result {
        self.header(&MAP, 1)?;
        self.text(name)
    }

    #[inline]
    fn unsigned(&mut self, value: u64) {
        if value <= BIGGEST_IN_A_BYTE {
            self.push([value as u8]);
        } else if let Ok(value) = u8::try_from(value) {
            self.push([U8, value]);
        } else if let Ok(value) = u16::try_from(value) {
            self.number(U16, value.to_be_bytes());
        } else if let Ok(value) = u32::try_from(value) {
            self.number(U32, value.to_be_bytes());
        } else {
            self.number(U64, value.to_be_bytes());
        }
    }

    fn signed(&mut self, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.unsigned(value);
        } else if value >= SMALLEST_IN_A_BYTE {
            self.push([value as u8]);
        } else if let Ok(value) = i8::try_from(value) {
            self.number(I8, value.to_be_bytes());
        } else if let Ok(value) = i16::try_from(value) {
            self.number(I16, value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.number(I32, value.to_be_bytes());
        } else {
            self.number(I64, value.to_be_bytes());
        }
    }

    #[inline]
    fn number<const BYTES: usize>(&mut self, marker: u8, bytes: [u8; BYTES]) {
        self.push([marker]);
        self.push(bytes);
    }

    /// The integer rule: what is an integer at the top level is decimal text. It is at the top level
    /// if nothing was written before it, since whatever holds others begins with a header.
    #[cold]
    fn decimal(&mut self, integer: impl std::fmt::Display) -> Result {
        write!(self, "{integer}").map_err(EncodeFailure::custom)
    }
}

macro_rules! integers {
    ($($method:ident($type:ty) as $write:ident;)*) => {$(
        #[inline]
        fn $method(self, integer: $type) -> Result {
            if self.is_empty() {
                return self.decimal(integer);
            }
            self.$write(integer.into());
            Ok(())
        }
    )*};
}

/// MessagePack has no integers of 128 bits; those are the bytes of them, as in `rmp-serde`.
macro_rules! wide_integers {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, integer: $type) -> Result {
            if self.is_empty() {
                return self.decimal(integer);
            }
            self.serialize_bytes(&integer.to_be_bytes())
        }
    )*};
}

impl<'a> serde::Serializer for &'a mut Buffer {
    type Ok = ();
    type Error = EncodeFailure;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Elements<'a>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    #[inline]
    fn is_human_readable(&self) -> bool {
        false
    }

    integers! {
        serialize_i8(i8) as signed;
        serialize_i16(i16) as signed;
        serialize_i32(i32) as signed;
        serialize_i64(i64) as signed;
        serialize_u8(u8) as unsigned;
        serialize_u16(u16) as unsigned;
        serialize_u32(u32) as unsigned;
        serialize_u64(u64) as unsigned;
    }

    wide_integers! {
        serialize_i128(i128);
        serialize_u128(u128);
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result {
        self.push([if value { TRUE } else { FALSE }]);
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result {
        self.number(F32, value.to_be_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result {
        self.number(F64, value.to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        self.header(&BYTES, value.len())?;
        self.extend(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result {
        self.push([NIL]);
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.header(&SEQUENCE, 0)
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.text(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result {
        if name == MSGPACK_EXT_STRUCT_NAME {
            // Rare, and made by a trick of `rmp-serde`, which knows it best.
            let mut extension = Vec::new();
            rmp_serde::Serializer::new(&mut extension).serialize_newtype_struct(name, value)?;
            self.extend(&extension);
            return Ok(());
        }
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'a>> {
        Elements::begin(self, &SEQUENCE, len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self> {
        self.header(&SEQUENCE, len)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Self> {
        self.header(&SEQUENCE, len)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self> {
        self.variant(variant)?;
        self.header(&SEQUENCE, len)?;
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Elements<'a>> {
        Elements::begin(self, &MAP, len)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Self> {
        self.header(&MAP, len)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self> {
        self.variant(variant)?;
        self.header(&MAP, len)?;
        Ok(self)
    }
}

/// What needs nothing but to write each element.
macro_rules! elements {
    ($($state:ident::$method:ident;)*) => {$(
        impl $state for &mut Buffer {
            type Ok = ();
            type Error = EncodeFailure;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, element: &T) -> Result {
                element.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result {
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

macro_rules! fields {
    ($($state:ident;)*) => {$(
        impl $state for &mut Buffer {
            type Ok = ();
            type Error = EncodeFailure;

            #[inline(always)] // So that the name, and with it the header, is known when it is compiled.
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result {
                self.text(name)?;
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result {
                Ok(())
            }
        }
    )*};
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}
