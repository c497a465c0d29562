//! Sequences and maps, whose length may be told when all of it is written.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq};

use super::buffer::Buffer;
use super::failure::EncodeFailure;
use super::header::{Header, MAP, SEQUENCE};

type Result<T = ()> = std::result::Result<T, EncodeFailure>;

/// The elements of a sequence, or the keys and values of a map. How many there are may only be
/// known when all are written, as with `#[serde(flatten)]`.
pub(super) struct Elements<'a> {
    buffer: &'a mut Buffer,
    /// Where the header for an unknown length goes.
    header_at: Option<usize>,
    written: usize,
}

impl<'a> Elements<'a> {
    #[inline]
    pub(super) fn begin(
        buffer: &'a mut Buffer,
        header: &Header,
        len: Option<usize>,
    ) -> Result<Self> {
        let header_at = len.is_none().then(|| buffer.len());
        header.write(len.unwrap_or(0), buffer)?;
        Ok(Self {
            buffer,
            header_at,
            written: 0,
        })
    }

    #[inline]
    fn write<T: Serialize + ?Sized>(&mut self, element: &T) -> Result {
        element.serialize(&mut *self.buffer)?;
        self.written += 1;
        Ok(())
    }

    #[inline]
    fn finish(self, header: &Header, len: usize) -> Result {
        match self.header_at {
            None => Ok(()),
            Some(at) => header.rewrite(len, at, self.buffer),
        }
    }
}

impl SerializeSeq for Elements<'_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, element: &T) -> Result {
        self.write(element)
    }

    #[inline]
    fn end(self) -> Result {
        let len = self.written;
        self.finish(&SEQUENCE, len)
    }
}

impl SerializeMap for Elements<'_> {
    type Ok = ();
    type Error = EncodeFailure;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.write(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.write(value)
    }

    #[inline]
    fn end(self) -> Result {
        let len = self.written / 2;
        self.finish(&MAP, len)
    }
}
