//! Whether a link is alive, judged by its answers: the only sign of one that is half open, which
//! swallows what it is sent for ever and never reports an error.
//!
//! Callers only count. The supervisor looks at the counts every now and then, so that no call reads a
//! clock for this.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// What callers know of the life of a link.
#[derive(Debug, Default)]
pub(crate) struct Liveness {
    answers: AtomicU64,
    /// Something was sent, and nothing was answered since.
    is_owed: AtomicBool,
    /// The calls that gave up since the last answer.
    timeouts: AtomicU32,
    /// One more than the answers that there were when the link was suspected; 0 if it was not. The
    /// next answer ends the suspicion.
    suspected: AtomicU64,
}

/// What the supervisor has seen of it.
#[derive(Debug)]
pub(super) struct Watch {
    answers: u64,
    /// When the last answer was seen to have come, or the link to be made.
    heard: Instant,
    /// Since when an answer is owed and none has come.
    silent_since: Option<Instant>,
}

impl Liveness {
    pub(super) fn sent(&self) {
        // Reading what others share is cheap, and writing it is not.
        if !self.is_owed.load(Ordering::Relaxed) {
            self.is_owed.store(true, Ordering::Relaxed);
        }
    }

    /// To be told of an answer, and whether others are still to come.
    pub(super) fn answered(&self, are_more_owed: bool) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if !are_more_owed {
            self.is_owed.store(false, Ordering::Relaxed);
        }
        if self.timeouts.load(Ordering::Relaxed) > 0 {
            self.timeouts.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn has_answered(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Relaxed)
    }

    /// To be told of a call that gave up. Returns how many did since the last answer.
    pub(super) fn timed_out(&self) -> u32 {
        let before = self.timeouts.fetch_add(1, Ordering::Relaxed);
        before.saturating_add(1)
    }

    pub(super) fn timeouts(&self) -> u32 {
        self.timeouts.load(Ordering::Relaxed)
    }

    /// Suspects the link until its next answer.
    pub(super) fn suspect(&self) {
        let answers = self.answers.load(Ordering::Relaxed);
        self.suspected.store(answers + 1, Ordering::Relaxed);
    }

    pub(super) fn is_suspected(&self) -> bool {
        let suspected = self.suspected.load(Ordering::Relaxed);
        suspected != 0 && suspected == self.answers.load(Ordering::Relaxed) + 1
    }
}

impl Watch {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            answers: 0,
            heard: now,
            silent_since: None,
        }
    }

    /// Looks, and returns for how long it has owed an answer and sent none; nothing if it owes none.
    pub(super) fn look(&mut self, liveness: &Liveness, now: Instant) -> Option<Duration> {
        let answers = liveness.answers.load(Ordering::Relaxed);
        if answers != self.answers {
            self.answers = answers;
            self.heard = now;
            self.silent_since = None;
        }
        if !liveness.is_owed() {
            self.silent_since = None;
            return None;
        }
        let since = *self.silent_since.get_or_insert(now);
        Some(now.saturating_duration_since(since))
    }

    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }
}

#[cfg(test)]
#[path = "../../tests/unit/connection/liveness.rs"]
mod tests;
