//! MessagePack by `rmp-serde`: field names, human readable, and top-level integers as decimal text.
//!
//! Human readable, because a type that serializes in two ways, such as `IpAddr`, has to hear the same
//! answer when it is written and when it is read. Inside of tagged, flattened and untagged types serde
//! answers for the format, and says that it is.
//!
//! A top-level integer is decimal text, since `increment` works on that, as Redis' `INCRBY` does. So
//! counters and values are one thing.

use std::cell::Cell;
use std::io::{self, Write};

use rmp_serde::{Deserializer, Serializer, decode, encode};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::{Error as _, Serialize};

use super::decimal::{DecimalDeserializer, is_decimal};

/// A first byte below this is a positive fixint in MessagePack. A top-level integer is never written
/// as one: such bytes are decimal text.
const FIRST_BEYOND_FIXINT: u8 = 0x80;

/// Values may be nested this deep, as in JSON. Deeper bytes, which only somebody else can have
/// written, are an error and not the end of the stack.
const MAX_DEPTH: usize = 128;

/// A thread keeps its buffer up to this capacity.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;

thread_local! {
    /// Where values are written, before they are allocated at their size. It has the capacity that
    /// the values of the thread needed so far, so that nothing grows.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes to a vector. `Vec` is a writer itself, but one that is not inlined, and then those functions
/// of `rmp` are not inlined either that write headers and names of fields.
struct Writer(Vec<u8>);

impl Write for Writer {
    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline(always)]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[inline]
pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Box<[u8]>, encode::Error> {
    // Taken out of its place: a `Serialize` may encode another value meanwhile, or panic. Where the
    // thread is ending there is none.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let mut serializer = Serializer::new(Writer(buffer))
        .with_struct_map()
        .with_human_readable();
    value.serialize(&mut serializer)?;
    let Writer(buffer) = serializer.into_inner();
    if let Some(text) = decimal(&buffer, value) {
        return Ok(text.into_bytes().into());
    }
    check_length(buffer.len())?;
    Ok(at_its_size(buffer))
}

/// The bytes without room for more, so that a stored value holds on to no more than its own.
#[inline]
fn at_its_size(buffer: Vec<u8>) -> Box<[u8]> {
    if buffer.capacity() > MAX_KEPT_CAPACITY {
        return buffer.into_boxed_slice();
    }
    let bytes = Box::from(buffer.as_slice());
    // An error means that the thread is ending.
    let _ = BUFFER.try_with(|kept| kept.set(buffer));
    bytes
}

/// A length has 32 bits in MessagePack, and `rmp-serde` drops the upper half of a longer one.
fn check_length(length: usize) -> Result<(), encode::Error> {
    u32::try_from(length)
        .map(drop)
        .map_err(|_| encode::Error::custom("a value takes less than 4 GiB"))
}

/// The text of the integer that a value is, if it is one. Its first byte tells, since a value begins
/// with what it is.
#[inline]
fn decimal<T: Serialize + ?Sized>(bytes: &[u8], value: &T) -> Option<String> {
    match bytes {
        [0x00..=0x7f | 0xcc..=0xd3 | 0xe0..=0xff, ..] => narrow_decimal(bytes),
        [0xc4, 16, ..] => wide_decimal(value),
        _ => None,
    }
}

#[cold]
fn narrow_decimal(bytes: &[u8]) -> Option<String> {
    let integer: i128 = rmp_serde::from_slice(bytes).ok()?;
    Some(integer.to_string())
}

/// An integer of 128 bits is a byte string of its bytes in MessagePack. JSON tells the two apart.
#[cold]
fn wide_decimal<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    let text = serde_json::to_string(value).ok()?;
    is_decimal(text.as_bytes()).then_some(text)
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
    let mut deserializer = Deserializer::from_read_ref(bytes).with_human_readable();
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
    use super::*;

    fn kept() -> Vec<u8> {
        BUFFER.take()
    }

    #[test]
    fn thread_keeps_its_buffer() {
        encode("a text").unwrap();
        let buffer = kept();
        let (place, capacity) = (buffer.as_ptr(), buffer.capacity());
        assert!(capacity > 0);
        BUFFER.set(buffer);
        encode("a text").unwrap();
        let buffer = kept();
        assert_eq!((buffer.as_ptr(), buffer.capacity()), (place, capacity));
    }

    #[test]
    fn large_buffer_is_not_kept() {
        encode(&"t".repeat(MAX_KEPT_CAPACITY / 2)).unwrap();
        let capacity = kept().capacity();
        assert!(capacity > 0 && capacity <= MAX_KEPT_CAPACITY);
        encode(&"t".repeat(MAX_KEPT_CAPACITY + 1)).unwrap();
        assert_eq!(kept().capacity(), 0);
    }

    #[test]
    fn length_beyond_32_bits_is_refused() {
        assert!(check_length(u32::MAX as usize).is_ok());
        assert!(check_length(u32::MAX as usize + 1).is_err());
    }
}
