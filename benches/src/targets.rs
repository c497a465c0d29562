//! What has to be reached, each a line.

use crate::Report;

const OURS: &str = "maestro-cache";
const MULTIPLEXED: &str = "one multiplexed connection";
const CHECKOUT: &str = "deadpool-redis";
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
    Tail(&'static str, &'static str),
    /// Our 99th percentile divided by our median.
    Fairness(&'static str),
    /// What the first contest takes of ours, divided by what the second takes.
    Growth(&'static str, &'static str),
    /// Without those of the loop that repeats it.
    Instructions(&'static str),
    /// The instructions of the first operation less those of the second.
    MoreInstructions(&'static str, &'static str),
    AllocationsASharedHit,
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
    AllocationsASharedHit, Fairness, Growth, HitRateGap, Instructions, MoreInstructions, Tail,
    TimesAsFast,
};

/// All of them.
pub const TARGETS: &[Target] = &[
    target(
        TimesAsFast("memory/get shared hit, 1 thread", "moka::sync, Arc"),
        AtLeast(2.0),
    ),
    target(
        TimesAsFast("memory/get shared hit, 2 threads", "moka::sync, Arc"),
        AtLeast(2.7),
    ),
    target(
        TimesAsFast("memory/get owned hit, 1 thread", "moka::sync, decoding"),
        AtLeast(1.3),
    ),
    target(
        TimesAsFast("memory/load, hit", "maestro-cache, get"),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("redis/load, hit, 16 tasks", "maestro-cache, get"),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("memory/get miss, 1 thread", "moka::sync"),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("memory/set, 1 thread", "moka::sync, encoding"),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("memory/set with TTL, 1 thread", "moka::sync, encoding"),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("memory/mixed 95/5 shared, 1 thread", "moka::sync, Arc"),
        AtLeast(1.2),
    ),
    target(
        HitRateGap("memory/zipf read-through, 1 thread", "moka::sync, Arc"),
        AtLeast(-1.0),
    ),
    target(
        TimesAsFast(
            "memory/uniform over 200,000 keys, 1 thread",
            "moka::sync, Arc",
        ),
        AtLeast(0.95),
    ),
    target(
        Tail("memory/get shared hit, 1 thread", "moka::sync, Arc"),
        AtMost(1.0),
    ),
    target(
        Growth(
            "memory/get shared hit of 1 MiB",
            "memory/get shared hit of 10 B",
        ),
        AtMost(1.1),
    ),
    target(Instructions("memory/get shared hit"), AtMost(450.0)),
    target(
        MoreInstructions(
            "memory/get bytes hit",
            "memory/get bytes hit, backend alone",
        ),
        AtMost(60.0),
    ),
    target(
        MoreInstructions("memory/load, hit", "memory/get owned hit"),
        AtMost(103.0), // 5 %.
    ),
    target(AllocationsASharedHit, AtMost(0.0)),
    target(
        TimesAsFast("codec/encode 88 B struct", "rmp_serde::to_vec"),
        AtLeast(5.0),
    ),
    target(
        TimesAsFast("redis/get typed, 1 task", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("redis/get typed, 16 tasks", MULTIPLEXED),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("redis/get typed, 64 tasks", MULTIPLEXED),
        AtLeast(1.9),
    ),
    target(
        TimesAsFast("redis/get typed, 256 tasks", MULTIPLEXED),
        AtLeast(3.5),
    ),
    target(
        TimesAsFast("redis/get bytes, 1 task", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("redis/get bytes, 16 tasks", MULTIPLEXED),
        AtLeast(0.95),
    ),
    target(
        TimesAsFast("redis/get bytes, 64 tasks", MULTIPLEXED),
        AtLeast(1.9),
    ),
    target(
        TimesAsFast("redis/get bytes, 256 tasks", MULTIPLEXED),
        AtLeast(3.5),
    ),
    target(
        TimesAsFast("redis/set typed with TTL, 64 tasks", MULTIPLEXED),
        AtLeast(1.4),
    ),
    target(
        TimesAsFast("redis/set typed with TTL, 256 tasks", MULTIPLEXED),
        AtLeast(1.8),
    ),
    target(
        TimesAsFast("redis/set bytes with TTL, 64 tasks", MULTIPLEXED),
        AtLeast(1.4),
    ),
    target(
        TimesAsFast("redis/set bytes with TTL, 256 tasks", MULTIPLEXED),
        AtLeast(1.8),
    ),
    target(
        TimesAsFast("redis/get_many of 100, 16 tasks", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast("redis/set_many of 100 with TTL, 16 tasks", MULTIPLEXED),
        AtLeast(1.0),
    ),
    target(
        TimesAsFast(
            "redis/increment with TTL, beside INCRBY, 16 tasks",
            MULTIPLEXED,
        ),
        AtLeast(0.82),
    ),
    target(
        TimesAsFast(
            "redis/increment with TTL, beside INCRBY, 64 tasks",
            MULTIPLEXED,
        ),
        AtLeast(0.82),
    ),
    target(
        TimesAsFast("redis/clear 10,000 of 100,000", SCAN_AND_DEL),
        AtLeast(2.7),
    ),
    target(
        TimesAsFast("redis/get typed, 1 task", CHECKOUT),
        AtLeast(2.0),
    ),
    target(
        TimesAsFast("redis/get typed, 64 tasks", CHECKOUT),
        AtLeast(9.0),
    ),
    target(Fairness("redis/get typed, 256 tasks"), AtMost(4.0)),
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
            | Tail(contest, _)
            | Fairness(contest)
            | Growth(contest, _)
            | Instructions(contest)
            | MoreInstructions(contest, _) => contest,
            AllocationsASharedHit => "memory/get shared hit",
        }
    }

    /// Which figure, and beside what.
    #[must_use]
    pub fn measure(&self) -> String {
        match self.figure {
            TimesAsFast(_, other) => format!("times as fast as {other}"),
            HitRateGap(_, other) => format!("points of hit rate above {other}"),
            Tail(_, other) => format!("p99 ÷ that of {other}"),
            Fairness(_) => "p99 ÷ p50".to_owned(),
            Growth(_, other) => format!("time ÷ that of {other}"),
            Instructions(_) => "instructions".to_owned(),
            MoreInstructions(_, other) => format!("instructions more than {other}"),
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
            Tail(contest, other) => Some(report.latencies(contest, other)?.our_p99_by_its.median),
            Fairness(contest) => Some(report.latencies(contest, OURS)?.p99_by_p50.median),
            Growth(contest, other) => {
                Some(timing(contest, OURS)?.nanos.median / timing(other, OURS)?.nanos.median)
            }
            Instructions(operation) => Some(instructions(operation)? - instructions("loop")?),
            MoreInstructions(operation, other) => {
                Some(instructions(operation)? - instructions(other)?)
            }
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
            | Tail(contest, _)
            | Fairness(contest)
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
