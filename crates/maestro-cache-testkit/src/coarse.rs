//! Remaining times without the time that really passed.

use std::time::Duration;

use maestro_cache_core::TimeToLive;

/// The unit in which the suite gives and passes time: so long that what a test itself takes, and a
/// small step of a clock, never matter.
pub(crate) const STEP: Duration = Duration::from_secs(1000);

/// This many steps of time.
pub(crate) fn steps(count: u32) -> Duration {
    STEP * count
}

/// The remaining time, to the nearest step.
pub(crate) fn coarse(ttl: TimeToLive) -> TimeToLive {
    match ttl {
        TimeToLive::Left(left) => {
            let count = (left + STEP / 2).as_millis() / STEP.as_millis();
            let millis = u64::try_from(count * STEP.as_millis()).unwrap_or(u64::MAX);
            TimeToLive::Left(Duration::from_millis(millis))
        }
        other => other,
    }
}

/// What [`coarse`] makes of an entry that was given so many steps.
pub(crate) fn left(count: u32) -> TimeToLive {
    TimeToLive::Left(steps(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_more_or_less_is_the_same() {
        for millis in [-2, 0, 2] {
            let ttl = TimeToLive::Left(Duration::from_millis(
                3_000_000_u64.saturating_add_signed(millis),
            ));
            assert_eq!(coarse(ttl), left(3));
        }
        assert_eq!(coarse(TimeToLive::Missing), TimeToLive::Missing);
    }
}
