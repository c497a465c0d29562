//! How long a link has owed bytes: the only sign of one that is half open, which swallows what it
//! is sent for ever and never reports an error.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// So many calls under way on one link are worth waiting for.
const CROWD: usize = 4;

/// What is known of the life of a link: when it was last heard, and since when it owes an answer.
///
/// Any byte is a sign of life, also of an answer that nobody waits for any more. So neither callers
/// with a deadline of a millisecond nor a large value that takes its time make a link look dead.
#[derive(Debug)]
pub(crate) struct Pulse {
    made: Instant,
    /// The millisecond in which something was sent for the first time since the last byte came in,
    /// counted from 1; 0 if nothing was.
    owes_since: AtomicU64,
    /// The millisecond of the last byte that came in.
    heard: AtomicU64,
    /// The calls that gave up since then.
    timeouts: AtomicU32,
    /// When the silence began for which the link was doubted last. The next byte ends the silence,
    /// and the doubt with it.
    doubted: AtomicU64,
    /// How many calls wait for an answer.
    calls: AtomicUsize,
}

/// A call that waits for an answer, until this is dropped.
pub(crate) struct Call<'a>(&'a Pulse);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pulse {
    fn new() -> Self {
        Self {
            made: Instant::now(),
            owes_since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            timeouts: AtomicU32::new(0),
            doubted: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        let millis = now.saturating_duration_since(self.made).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX - 1)
    }

    fn sent(&self) {
        if self.owes_since.load(Ordering::Relaxed) == 0 {
            let now = self.millis(Instant::now()) + 1;
            self.owes_since.store(now, Ordering::Relaxed);
        }
    }

    fn heard(&self) {
        self.owes_since.store(0, Ordering::Relaxed);
        let now = self.millis(Instant::now());
        self.heard.store(now, Ordering::Relaxed);
        if self.timeouts.load(Ordering::Relaxed) > 0 {
            self.timeouts.store(0, Ordering::Relaxed);
        }
    }

    /// To be told of a call that gave up. Returns how many did since the last byte came in.
    pub(crate) fn timed_out(&self) -> u32 {
        self.timeouts
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    pub(crate) fn timeouts(&self) -> u32 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// How long the link has owed an answer and not sent a byte; none if it owes nothing.
    pub(crate) fn silent_for(&self, now: Instant) -> Option<Duration> {
        let since = self.owes_since.load(Ordering::Relaxed).checked_sub(1)?;
        let silent = self.millis(now).saturating_sub(since);
        Some(Duration::from_millis(silent))
    }

    pub(crate) fn call(&self) -> Call<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Call(self)
    }

    /// Doubts the link for as long as its present silence lasts.
    pub(crate) fn doubt(&self) {
        let since = self.owes_since.load(Ordering::Relaxed);
        self.doubted.store(since, Ordering::Relaxed);
    }

    /// Whether it has been silent ever since it was doubted.
    pub(crate) fn is_doubted(&self) -> bool {
        let since = self.owes_since.load(Ordering::Relaxed);
        since != 0 && since == self.doubted.load(Ordering::Relaxed)
    }

    /// How long ago the last byte came in.
    pub(crate) fn idle_for(&self, now: Instant) -> Duration {
        let heard = self.heard.load(Ordering::Relaxed);
        Duration::from_millis(self.millis(now).saturating_sub(heard))
    }
}

/// A stream that keeps its pulse.
pub(super) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// The last write had to wait, so that the next one shows that the peer still reads.
    was_blocked: bool,
    /// The next write has waited for others already.
    gave_way: bool,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Self, Arc<Pulse>) {
        let pulse = Arc::new(Pulse::new());
        let watched = Self {
            stream,
            pulse: Arc::clone(&pulse),
            was_blocked: false,
            gave_way: false,
        };
        (watched, pulse)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.heard();
        }
        read
    }
}

impl<S> Watched<S> {
    /// Whether to let other tasks run before the next write. With many calls under way some of them are
    /// about to send as well, and what they send goes into the same packet: writing costs more than
    /// anything else about a small request. With few, nobody waits.
    fn gives_way(&mut self, context: &Context<'_>) -> bool {
        let is_crowded = self.pulse.calls.load(Ordering::Relaxed) >= CROWD;
        self.gave_way = is_crowded && !self.gave_way;
        if self.gave_way {
            context.waker().wake_by_ref();
        }
        self.gave_way
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn after_write(&mut self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.was_blocked = true,
            // A large value on its way: the peer made room for more of it.
            Poll::Ready(Ok(_)) if self.was_blocked => {
                self.was_blocked = false;
                self.pulse.heard();
                self.pulse.sent();
            }
            Poll::Ready(_) => self.pulse.sent(),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.gives_way(context) {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.after_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.gives_way(context) {
            return Poll::Pending;
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.after_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_and_not_answered_is_owed_from_then_on() {
        let (near, mut far) = duplex(64);
        let (mut near, pulse) = Watched::new(near);
        assert_eq!(pulse.silent_for(Instant::now()), None);
        near.write_all(b"a").await.unwrap();
        advance(SECOND).await;
        near.write_all(b"b").await.unwrap();
        advance(SECOND).await;
        assert_eq!(pulse.silent_for(Instant::now()), Some(2 * SECOND));
        assert_eq!(pulse.timed_out(), 1);
        assert_eq!(pulse.timed_out(), 2);
        assert!(!pulse.is_doubted());
        pulse.doubt();
        assert!(pulse.is_doubted());

        far.write_all(b"x").await.unwrap();
        near.read_u8().await.unwrap();
        assert_eq!(pulse.silent_for(Instant::now()), None);
        near.write_all(b"c").await.unwrap();
        assert!(!pulse.is_doubted(), "the next silence is another one");
        far.write_all(b"x").await.unwrap();
        near.read_u8().await.unwrap();
        assert_eq!(pulse.timeouts(), 0);
        advance(SECOND).await;
        assert_eq!(pulse.idle_for(Instant::now()), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_goes_on_reading_a_large_value_is_alive() {
        let (near, mut far) = duplex(4);
        let (mut near, pulse) = Watched::new(near);
        let sending = tokio::spawn(async move {
            near.write_all(&[0; 10]).await.unwrap();
            near
        });
        let mut some = [0; 4];
        for _ in 0..2 {
            tokio::task::yield_now().await;
            advance(SECOND).await;
            far.read_exact(&mut some).await.unwrap();
        }
        let _near = sending.await.unwrap();
        let silent = pulse.silent_for(Instant::now()).unwrap();
        assert!(silent < SECOND, "{silent:?}");
        advance(SECOND).await;
        // It was read to the end, and from then on an answer is owed.
        assert!(pulse.silent_for(Instant::now()).unwrap() >= SECOND);
    }
}
