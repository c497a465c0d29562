//! What has to be reached, each a line.

use crate::Report;

const OURS: &str = "maestro-cache";
const MOKA: &str = "moka::sync, Arc";
const MULTIPLEXED: &str = "one multiplexed connection";
const SCAN_AND_DEL: &str = "SCAN COUNT 100 + DEL";

/// Something to be reached.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    figure: Figure,
    bound: Bound,
}

#[derive(Clone, Copy, Debug)]
enum Figure {
    /// How many times as fast as another contestant ours is.
    TimesAsFast(&'static str, &'static str),
    /// Our hit rate less that of another contestant, in percentage points.
    HitRateGap(&'static str, &'static str),
    /// Our 99th percentile divided by that of another contestant.
    P99(&'static str, &'static str),
    /// The same for the 99.9th.
    P999(&'static str, &'static str),
    /// What the first contest takes of ours, divided by what the second takes.
    Growth(&'static str, &'static str),
    /// Without those of the loop that repeats it.
    Instructions(&'static str),
    AllocationsASharedHit,
    /// The server's time for ours, divided by that for the plain command.
    TimeOfServer(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Reached, with this figure.
    Pass(f64),
    /// Not reached.
    Short(f64),
    /// Not part of this run.
    NotMeasured,
}

use Bound::{AtLeast, AtMost};
use Figure::{
    AllocationsASharedHit, Growth, HitRateGap, Instructions, P99, P999, TimeOfServer, TimesAsFast,
};

/// All of them.
pub const TARGETS: &[Target] = &[
    target(
        TimesAsFast("memory/get shared hit, 1 thread", MOKA),
        AtLeast(2.0),
    ),
    target(
        TimesAsFast("memory/get shared hit, 2 threads", MOKA),
        AtLeast(2.7),
    ),
    target(TimesAsFast("memory/set, 1 thread", MOKA), AtLeast(2.5)),
    target(TimesAsFast("memory/set, 2 threads", MOKA), AtLeast(5.0)),
    target(
        TimesAsFast("memory/increment, 1 thread", "moka::sync, and_compute_with"),
        AtLeast(3.0),
    ),
    target(
        TimesAsFast("memory/set of a new key, evicting, 1 thread", MOKA),
        AtLeast(0.75),
    ),
    target(
        TimesAsFast("memory/get miss, 1 thread", MOKA),
        AtLeast(0.85),
    ),
    target(
        TimesAsFast("memory/mixed 95/5 shared, 1 thread", MOKA),
        AtLeast(2.0),
    ),
    target(
        TimesAsFast("memory/zipf read-through, 1 thread", MOKA),
        AtLeast(0.9),
    ),
    target(
        TimesAsFast("memory/uniform read-through, 1 thread", MOKA),
        AtLeast(0.85),
    ),
    target(
        HitRateGap("memory/zipf read-through, 1 thread", MOKA),
        AtLeast(-1.0),
    ),
    target(
        HitRateGap("memory/zipf read-through, TinyLFU, 1 thread", MOKA),
        AtLeast(-1.0),
    ),
    target(Instructions("memory/get shared hit"), AtMost(450.0)),
    target(AllocationsASharedHit, AtMost(0.0)),
    target(
        Growth(
            "memory/get shared hit of 1 MiB",
            "memory/get shared hit of 10 B",
        ),
        AtMost(1.1),
    ),
    target(
        TimesAsFast("memory/load, hit", "maestro-cache, get"),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("codec/encode 88 B struct", "rmp_serde::to_vec"),
        AtLeast(3.5),
    ),
    target(
        TimesAsFast("redis/get bytes, 1 task", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("redis/get bytes, 16 tasks", MULTIPLEXED),
        AtLeast(0.9),
    ),
    target(
        TimesAsFast("redis/get bytes, 64 tasks", MULTIPLEXED),
        AtLeast(1.35),
    ),
    target(
        TimesAsFast("redis/get bytes, 256 tasks", MULTIPLEXED),
        AtLeast(1.8),
    ),
    target(
        TimesAsFast("redis/get typed, 1 task", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("redis/get typed, 16 tasks", MULTIPLEXED),
        AtLeast(0.9),
    ),
    target(
        TimesAsFast("redis/get typed, 64 tasks", MULTIPLEXED),
        AtLeast(1.3),
    ),
    target(
        TimesAsFast("redis/get typed, 256 tasks", MULTIPLEXED),
        AtLeast(1.8),
    ),
    target(
        TimesAsFast("redis/set bytes with TTL, 1 task", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("redis/set bytes with TTL, 16 tasks", MULTIPLEXED),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("redis/set bytes with TTL, 64 tasks", MULTIPLEXED),
        AtLeast(1.1),
    ),
    target(
        TimesAsFast("redis/set bytes with TTL, 256 tasks", MULTIPLEXED),
        AtLeast(1.6),
    ),
    target(
        TimesAsFast(
            "redis/get bytes, server on its own core, 16 tasks",
            MULTIPLEXED,
        ),
        AtLeast(1.1),
    ),
    target(
        TimesAsFast(
            "redis/get bytes, server on its own core, 64 tasks",
            MULTIPLEXED,
        ),
        AtLeast(2.4),
    ),
    target(
        TimesAsFast(
            "redis/get bytes, server on its own core, 256 tasks",
            MULTIPLEXED,
        ),
        AtLeast(4.2),
    ),
    target(
        TimesAsFast(
            "redis/set bytes with TTL, server on its own core, 16 tasks",
            MULTIPLEXED,
        ),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast(
            "redis/set bytes with TTL, server on its own core, 64 tasks",
            MULTIPLEXED,
        ),
        AtLeast(2.0),
    ),
    target(
        TimesAsFast(
            "redis/set bytes with TTL, server on its own core, 256 tasks",
            MULTIPLEXED,
        ),
        AtLeast(2.8),
    ),
    target(
        TimesAsFast(
            "redis/increment with TTL, beside INCRBY, 64 tasks",
            MULTIPLEXED,
        ),
        AtLeast(0.9),
    ),
    target(
        TimesAsFast("redis/get_many of 100, 16 tasks", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(P99("redis/get typed, 16 tasks", MULTIPLEXED), AtMost(1.5)),
    target(P999("redis/get typed, 16 tasks", MULTIPLEXED), AtMost(2.0)),
    target(
        TimesAsFast("redis/load, hit, 16 tasks", "maestro-cache, get"),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("redis/clear 10,000 of 100,000", SCAN_AND_DEL),
        AtLeast(2.7),
    ),
    target(TimeOfServer("redis/server time of delete"), AtMost(1.5)),
    target(TimeOfServer("redis/server time of exists"), AtMost(1.5)),
    target(TimeOfServer("redis/server time of ttl"), AtMost(1.5)),
    target(TimeOfServer("redis/server time of expire"), AtMost(1.5)),
    target(TimeOfServer("redis/server time of take"), AtMost(1.5)),
    target(TimeOfServer("redis/server time of add"), AtMost(1.5)),
    target(
        TimeOfServer("redis/server time of increment with TTL"),
        AtMost(1.5),
    ),
];

const fn target(figure: Figure, bound: Bound) -> Target {
    Target { figure, bound }
}

impl Target {
    /// The operation that it is about.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self.figure {
            TimesAsFast(contest, _)
            | HitRateGap(contest, _)
            | P99(contest, _)
            | P999(contest, _)
            | Growth(contest, _)
            | Instructions(contest)
            | TimeOfServer(contest) => contest,
            AllocationsASharedHit => "memory/get shared hit",
        }
    }

    /// Which figure, and beside what.
    #[must_use]
    pub fn measure(&self) -> String {
        match self.figure {
            TimesAsFast(_, other) => format!("times as fast as {other}"),
            HitRateGap(_, other) => format!("points of hit rate above {other}"),
            P99(_, other) => format!("p99 ÷ that of {other}"),
            P999(_, other) => format!("p99.9 ÷ that of {other}"),
            Growth(_, other) => format!("time ÷ that of {other}"),
            Instructions(_) => "instructions".to_owned(),
            TimeOfServer(_) => "time of the server ÷ that of the plain command".to_owned(),
            AllocationsASharedHit => "allocations".to_owned(),
        }
    }

    /// The bound, such as `≥ 2`.
    #[must_use]
    pub fn bound(&self) -> String {
        match self.bound {
            AtLeast(bound) => format!("≥ {bound}"),
            AtMost(bound) => format!("≤ {bound}"),
        }
    }

    /// Whether a run reached it.
    #[must_use]
    pub fn verdict(&self, report: &Report) -> Verdict {
        match (self.figure(report), self.bound) {
            (None, _) => Verdict::NotMeasured,
            (Some(figure), AtLeast(bound)) if figure >= bound => Verdict::Pass(figure),
            (Some(figure), AtMost(bound)) if figure <= bound => Verdict::Pass(figure),
            (Some(figure), _) => Verdict::Short(figure),
        }
    }

    fn figure(&self, report: &Report) -> Option<f64> {
        let timing = |contest, contestant| report.outcome(contest)?.timing(contestant);
        let instructions = |operation| Some(report.instructions(operation)? as f64);
        match self.figure {
            TimesAsFast(contest, other) => {
                Some(timing(contest, other)?.ours_is_times_as_fast.median)
            }
            HitRateGap(contest, other) => {
                let ours = timing(contest, OURS)?.hit_rate?;
                Some(100.0 * (ours - timing(contest, other)?.hit_rate?))
            }
            P99(contest, other) => Some(report.latencies(contest, other)?.our_p99_by_its.median),
            P999(contest, other) => Some(report.latencies(contest, other)?.our_p999_by_its.median),
            Growth(contest, other) => {
                Some(timing(contest, OURS)?.nanos.median / timing(other, OURS)?.nanos.median)
            }
            Instructions(operation) => Some(instructions(operation)? - instructions("loop")?),
            TimeOfServer(operation) => Some(report.server_time(operation)?.ours_by_plain.median),
            AllocationsASharedHit => Some(report.footprint.as_ref()?.allocations_a_shared_hit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_about_something_that_is_measured() {
        let contests = crate::contests();
        for target in TARGETS {
            let (TimesAsFast(contest, _)
            | HitRateGap(contest, _)
            | P99(contest, _)
            | P999(contest, _)
            | Growth(contest, _)) = target.figure
            else {
                continue;
            };
            assert!(contests.iter().any(|it| it.name() == contest), "{contest}");
        }
    }

    #[test]
    fn what_was_not_measured_is_neither_reached_nor_missed() {
        for target in TARGETS {
            assert_eq!(target.verdict(&Report::default()), Verdict::NotMeasured);
        }
    }
}
