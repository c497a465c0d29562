//! How long single calls take, the slow ones above all.

use serde::{Deserialize, Serialize};

use crate::contest::Contest;
use crate::rounds::{Pace, take_turns, warm_up};
use crate::statistics::{Quartiles, quantile};

/// What single calls of a contestant took: for each percentile, the median of the rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latencies {
    /// The name of the contest.
    pub contest: String,
    /// The name of the contestant.
    pub contestant: String,
    /// Half of the calls take less.
    pub p50_nanos: f64,
    /// One call in a hundred takes longer.
    pub p99_nanos: f64,
    /// One call in a thousand takes longer.
    pub p999_nanos: f64,
    /// The second divided by the first, round by round: how unequal calls are treated.
    pub p99_by_p50: Quartiles,
    /// Our 99th percentile divided by its, round by round.
    pub our_p99_by_its: Quartiles,
    /// The same for the 99.9th.
    pub our_p999_by_its: Quartiles,
}

#[derive(Clone, Copy)]
struct Percentiles {
    p50: f64,
    p99: f64,
    p999: f64,
}

/// Has the contestants take turns, with the clock read around each call.
///
/// A thousand calls are asked of each turn at least, or there would be no slowest one in a thousand.
#[must_use]
pub fn race_latencies(contest: &Contest, pace: Pace) -> Vec<Latencies> {
    const LEAST_CALLS: usize = 4_000;
    let mut contestants = contest.contestants();
    let calls = warm_up(&mut contestants, pace).max(LEAST_CALLS);
    let rounds = take_turns(&mut contestants, pace.rounds(), |contestant| {
        let samples = contestant.sample(calls);
        let mut nanos: Vec<f64> = samples.iter().map(|call| call.as_nanos() as f64).collect();
        nanos.sort_by(f64::total_cmp);
        Percentiles {
            p50: quantile(&nanos, 0.5),
            p99: quantile(&nanos, 0.99),
            p999: quantile(&nanos, 0.999),
        }
    });
    let each = |rounds: &[Percentiles], of: fn(&Percentiles) -> f64| -> Vec<f64> {
        rounds.iter().map(of).collect()
    };
    let our_p99 = each(&rounds[0], |round| round.p99);
    let our_p999 = each(&rounds[0], |round| round.p999);
    contestants
        .iter()
        .zip(&rounds)
        .map(|(contestant, rounds)| {
            let p50 = each(rounds, |round| round.p50);
            let p99 = each(rounds, |round| round.p99);
            let p999 = each(rounds, |round| round.p999);
            Latencies {
                contest: contest.name().to_owned(),
                contestant: contestant.name().to_owned(),
                p99_by_p50: Quartiles::of_ratios(&p99, &p50),
                our_p99_by_its: Quartiles::of_ratios(&our_p99, &p99),
                our_p999_by_its: Quartiles::of_ratios(&our_p999, &p999),
                p50_nanos: Quartiles::of(p50).median,
                p99_nanos: Quartiles::of(p99).median,
                p999_nanos: Quartiles::of(p999).median,
            }
        })
        .collect()
}
