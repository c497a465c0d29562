//! What is to be written to a stream.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;

/// Requests from this size on are written from where they are; smaller ones are joined.
const LARGE: usize = 16 << 10;

/// A buffer that grew beyond this is not kept.
const MOST_KEPT: usize = 1 << 20;

/// Bytes in the order in which they are to be written.
#[derive(Default)]
pub(super) struct Outgoing {
    /// What goes first.
    parts: VecDeque<Bytes>,
    /// What goes last.
    last: Vec<u8>,
    /// How much of the first was written.
    written: usize,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.last.is_empty()
    }

    pub(super) fn push(&mut self, bytes: &Bytes) {
        if bytes.len() < LARGE {
            self.last.extend_from_slice(bytes);
            return;
        }
        // Also if it was written in part: it is the first then, and stays that.
        if !self.last.is_empty() {
            self.parts.push_back(std::mem::take(&mut self.last).into());
        }
        self.parts.push_back(bytes.clone());
    }

    /// Writes some of it. There has to be some.
    pub(super) fn poll_write(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin + ?Sized),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let first: &[u8] = self.parts.front().map_or(&self.last, |part| part);
        let left = first.get(self.written..).unwrap_or_default();
        let len = left.len();
        let wrote = std::task::ready!(Pin::new(stream).poll_write(context, left))?;
        if wrote == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written += wrote;
        if wrote == len {
            self.written = 0;

            if self.parts.pop_front().is_none() {
                self.last.clear();
                if self.last.capacity() > MOST_KEPT {
                    self.last = Vec::new();
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
