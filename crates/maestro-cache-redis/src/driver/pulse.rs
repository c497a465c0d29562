//! How long a link has owed bytes: the only sign of one that is half open, which swallows what it
//! is sent for ever and never reports an error.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

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
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            made: Instant::now(),
            owes_since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            timeouts: AtomicU32::new(0),
            doubted: AtomicU64::new(0),
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        let millis = now.saturating_duration_since(self.made).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX - 1)
    }

    /// To be told when something was written.
    pub(super) fn sent(&self) {
        if self.owes_since.load(Ordering::Relaxed) == 0 {
            let now = self.millis(Instant::now()) + 1;
            self.owes_since.store(now, Ordering::Relaxed);
        }
    }

    /// To be told when the peer gave a sign of life.
    pub(super) fn heard(&self) {
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

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_sent_and_not_answered_is_owed_from_then_on() {
        let pulse = Pulse::new();
        assert_eq!(pulse.silent_for(Instant::now()), None);
        pulse.sent();
        advance(SECOND).await;
        pulse.sent();
        advance(SECOND).await;
        assert_eq!(pulse.silent_for(Instant::now()), Some(2 * SECOND));
        assert_eq!(pulse.timed_out(), 1);
        assert_eq!(pulse.timed_out(), 2);
        assert!(!pulse.is_doubted());
        pulse.doubt();
        assert!(pulse.is_doubted());

        pulse.heard();
        assert_eq!(pulse.silent_for(Instant::now()), None);
        pulse.sent();
        assert!(!pulse.is_doubted(), "the next silence is another one");
        pulse.heard();
        assert_eq!(pulse.timeouts(), 0);
        advance(SECOND).await;
        assert_eq!(pulse.idle_for(Instant::now()), SECOND);
    }
}
