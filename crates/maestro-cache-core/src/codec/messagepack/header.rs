//! What stands in front of texts, byte strings, sequences and maps: what it is, and its length.

use arrayvec::ArrayVec;
use serde::ser::Error;

use super::buffer::Buffer;
use super::failure::EncodeFailure;

/// The first bytes by which MessagePack tells what follows, and how much of it.
pub(super) struct Header {
    /// The length is in this byte itself, if it is below `short_below`.
    short: u8,
    short_below: usize,
    /// The length is in the byte behind this one. Sequences and maps have none of these.
    one_byte: Option<u8>,
    two_bytes: u8,
    four_bytes: u8,
}

pub(super) const TEXT: Header = Header {
    short: 0xa0,
    short_below: 32,
    one_byte: Some(0xd9),
    two_bytes: 0xda,
    four_bytes: 0xdb,
};

pub(super) const BYTES: Header = Header {
    short: 0,
    short_below: 0,
    one_byte: Some(0xc4),
    two_bytes: 0xc5,
    four_bytes: 0xc6,
};

pub(super) const SEQUENCE: Header = Header {
    short: 0x90,
    short_below: 16,
    one_byte: None,
    two_bytes: 0xdc,
    four_bytes: 0xdd,
};

pub(super) const MAP: Header = Header {
    short: 0x80,
    short_below: 16,
    one_byte: None,
    two_bytes: 0xde,
    four_bytes: 0xdf,
};

impl Header {
    /// Writes the header for this length. Where that is known when this is compiled, one byte or two
    /// are left of it.
    #[inline]
    pub(super) fn write(&self, len: usize, buffer: &mut Buffer) -> Result<(), EncodeFailure> {
        if let Some(byte) = self.short(len) {
            buffer.push([byte]);
        } else if let (Some(marker), Ok(len)) = (self.one_byte, u8::try_from(len)) {
            buffer.push([marker, len]);
        } else {
            return self.write_long(len, buffer);
        }
        Ok(())
    }

    #[inline(never)]
    fn write_long(&self, len: usize, buffer: &mut Buffer) -> Result<(), EncodeFailure> {
        buffer.extend(&self.long(len)?);
        Ok(())
    }

    /// Puts the header for this length in the place of the one for nothing, which is at `at`.
    pub(super) fn rewrite(
        &self,
        len: usize,
        at: usize,
        buffer: &mut Buffer,
    ) -> Result<(), EncodeFailure> {
        match self.short(len) {
            Some(byte) => buffer.replace(at, &[byte]),
            None => buffer.replace(at, &self.long(len)?),
        }
        Ok(())
    }

    #[inline]
    fn short(&self, len: usize) -> Option<u8> {
        (len < self.short_below).then_some(self.short | len as u8)
    }

    fn long(&self, len: usize) -> Result<ArrayVec<u8, 5>, EncodeFailure> {
        let mut bytes = ArrayVec::new();
        if let Ok(len) = u16::try_from(len) {
            bytes.push(self.two_bytes);
            bytes.extend(len.to_be_bytes());
        } else if let Ok(len) = u32::try_from(len) {
            bytes.push(self.four_bytes);
            bytes.extend(len.to_be_bytes());
        } else {
            return Err(EncodeFailure::custom(
                "MessagePack holds no text, byte string, sequence or map of 2^32 or more",
            ));
        }
        Ok(bytes)
    }
}
