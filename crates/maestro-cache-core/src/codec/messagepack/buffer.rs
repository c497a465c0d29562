//! The bytes of a value while it is encoded: on the stack as long as they are few.

use std::{fmt, mem};

use arrayvec::ArrayVec;
use bytes::Bytes;

/// Values up to this size are put together on the stack, and allocated once, at their size.
const ON_STACK: usize = 2048;

/// Bytes to which more are added at the end.
///
/// They are added to `last`, which is emptied into `first` when it is full. So each step writes to
/// a place that is known when it is compiled, and most of a step is known then as well: what adds
/// bytes is inlined, until a short text is two or three instructions and a copy.
#[derive(Default)]
pub(super) struct Buffer {
    first: Vec<u8>,
    last: ArrayVec<u8, ON_STACK>,
}

impl Buffer {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.last.is_empty() && self.first.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.last.len()
    }

    /// Whether so many bytes can be added on the stack. They can be added all the same if not; but
    /// whoever asks for several steps at once spares each of them the look.
    #[inline]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.last.len() <= ON_STACK - bytes
    }

    /// Adds a few bytes.
    #[inline]
    pub(super) fn push<const COUNT: usize>(&mut self, bytes: [u8; COUNT]) {
        if self.last.try_extend_from_slice(&bytes).is_err() {
            self.push_beyond_stack(bytes);
        }
    }

    /// Adds as many bytes as there are.
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.last.try_extend_from_slice(bytes).is_err() {
            self.extend_beyond_stack(bytes);
        }
    }

    // By value: for a reference the bytes would be written to memory on the usual way, too.
    #[cold]
    #[inline(never)]
    fn push_beyond_stack<const COUNT: usize>(&mut self, bytes: [u8; COUNT]) {
        self.extend_beyond_stack(&bytes);
    }

    #[cold]
    #[inline(never)]
    fn extend_beyond_stack(&mut self, bytes: &[u8]) {
        self.empty_last();
        self.first.extend_from_slice(bytes);
    }

    fn empty_last(&mut self) {
        self.first.extend_from_slice(&self.last);
        self.last.clear();
    }

    /// Puts `bytes` in the place of the one byte at `at`, which has to be there.
    pub(super) fn replace(&mut self, at: usize, bytes: &[u8]) {
        let place = match at.checked_sub(self.first.len()) {
            Some(at) => self.last.get_mut(at),
            None => self.first.get_mut(at),
        };
        match (place, bytes) {
            (Some(place), [byte]) => *place = *byte,
            _ => {
                self.empty_last();
                self.first.splice(at..=at, bytes.iter().copied());
            }
        }
    }

    /// All of the bytes, in an allocation of their size: a stored value holds on to no more.
    ///
    /// They are taken from where they are, since to move the buffer would copy all of it.
    #[inline]
    pub(super) fn take(&mut self) -> Bytes {
        if self.first.is_empty() {
            return Box::<[u8]>::from(&*self.last).into();
        }
        self.empty_last();
        mem::take(&mut self.first).into_boxed_slice().into()
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}
