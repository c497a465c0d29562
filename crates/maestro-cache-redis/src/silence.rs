//! How long a link has answered nobody: the only sign of one that is half open, which swallows
//! bytes for ever and never reports an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// After this many timeouts in a row the peer may be taken for gone.
const TIMEOUTS_OF_A_DEAD_LINK: u32 = 3;

/// A link that is dead has been silent for this long. Callers with a deadline of a millisecond
/// would drop a healthy one otherwise, whenever its server is busy for three of them.
const SILENCE_OF_A_DEAD_LINK: Duration = Duration::from_millis(100);

/// The timeouts since the last answer.
#[derive(Default)]
pub(crate) struct Silence {
    /// True if there are any. All callers read it, and few ever have to write it.
    broken_off: AtomicBool,
    row: Mutex<Row>,
}

#[derive(Default)]
struct Row {
    timeouts: u32,
    /// When the first of the calls that got no answer was sent.
    since: Option<Instant>,
}

/// What a timeout says about the link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The link gave an answer not long ago, and this is the first one that is missed.
    Questionable,
    /// More than one answer is missed, and yet too few, or not for long.
    Doubtful,
    Dead,
}

impl Silence {
    /// To be told of every answer.
    pub(crate) fn answered(&self) {
        if self.broken_off.load(Ordering::Relaxed) {
            let mut row = self.row.lock();
            *row = Row::default();
            self.broken_off.store(false, Ordering::Relaxed);
        }
    }

    /// To be told when a call that was sent then got no answer by now.
    pub(crate) fn timed_out(&self, sent: Instant, now: Instant) -> Verdict {
        let mut row = self.row.lock();
        self.broken_off.store(true, Ordering::Relaxed);
        row.timeouts = row.timeouts.saturating_add(1);
        let since = row.since.map_or(sent, |since| since.min(sent));
        row.since = Some(since);
        if row.timeouts >= TIMEOUTS_OF_A_DEAD_LINK
            && now.saturating_duration_since(since) >= SILENCE_OF_A_DEAD_LINK
        {
            Verdict::Dead
        } else if row.timeouts == 1 {
            Verdict::Questionable
        } else {
            Verdict::Doubtful
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on calls that were sent and given up at these milliseconds.
    fn verdicts<const N: usize>(silence: &Silence, calls: [(u64, u64); N]) -> [Verdict; N] {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        calls.map(|(sent, now)| silence.timed_out(at(sent), at(now)))
    }

    #[test]
    fn three_timeouts_and_a_tenth_of_a_second_of_silence_are_the_end() {
        use Verdict::{Dead, Doubtful, Questionable};
        let calls = [(0, 40), (40, 80), (80, 99), (99, 100), (100, 101)];
        let expected = [Questionable, Doubtful, Doubtful, Dead, Dead];
        assert_eq!(verdicts(&Silence::default(), calls), expected);
    }

    #[test]
    fn two_timeouts_are_not_the_end_however_long_they_took() {
        let calls = [(0, 60_000), (60_000, 120_000)];
        let expected = [Verdict::Questionable, Verdict::Doubtful];
        assert_eq!(verdicts(&Silence::default(), calls), expected);
    }

    #[test]
    fn many_timeouts_in_a_short_time_are_not_the_end() {
        let calls = std::array::from_fn::<_, 99, _>(|at| (at as u64, at as u64 + 1));
        let verdicts = verdicts(&Silence::default(), calls);
        assert!(!verdicts.contains(&Verdict::Dead));
    }

    #[test]
    fn the_silence_begins_when_the_first_of_them_was_sent_in_whatever_order_they_end() {
        let calls = [(98, 99), (99, 100), (0, 101)];
        let [.., last] = verdicts(&Silence::default(), calls);
        assert_eq!(last, Verdict::Dead);
    }

    #[test]
    fn an_answer_is_a_new_beginning() {
        let silence = Silence::default();
        let calls = [(0, 80), (0, 90)];
        assert!(!verdicts(&silence, calls).contains(&Verdict::Dead));
        silence.answered();
        let expected = [Verdict::Questionable, Verdict::Doubtful];
        assert_eq!(verdicts(&silence, calls), expected);
    }
}
