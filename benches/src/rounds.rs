//! Contestants take turns, so that what disturbs the machine disturbs all of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contest::{Contest, Contestant};
use crate::statistics::Quartiles;

/// How long a race takes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rounds: usize,
    /// How long our turn of a round is to take; the others do as many operations.
    turn: Duration,
}

/// What became of a contest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Its name.
    pub contest: String,
    /// How often each contestant did it in each round.
    pub operations: usize,
    /// In the order of the contest, ours first.
    pub timings: Vec<Timing>,
}

/// What became of a contestant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timing {
    /// Its name.
    pub contestant: String,
    /// What one operation took.
    pub nanos: Quartiles,
    /// Its time divided by ours, round by round.
    pub ours_is_times_as_fast: Quartiles,
    /// The part of its reads that were hits, if it counted them.
    pub hit_rate: Option<f64>,
}

impl Pace {
    /// All contests in a few minutes.
    pub const QUICK: Self = Self {
        rounds: 15,
        turn: Duration::from_millis(30),
    };
    /// With narrower quartiles.
    pub const FULL: Self = Self {
        rounds: 41,
        turn: Duration::from_millis(60),
    };

    pub(crate) fn rounds(self) -> usize {
        self.rounds
    }
}

/// Has the contestants take turns: A B C, then B C A, and so on.
#[must_use]
pub fn race(contest: &Contest, pace: Pace) -> Outcome {
    let mut contestants = contest.contestants();
    let operations = warm_up(&mut contestants, pace);
    for contestant in &contestants {
        let _ = contestant.hit_rate(); // From here on the caches are warm.
    }
    let rounds = take_turns(&mut contestants, pace.rounds, |contestant| {
        contestant.time(operations).as_nanos() as f64 / operations as f64
    });
    let timings = contestants
        .iter()
        .zip(&rounds)
        .map(|(contestant, nanos)| Timing {
            contestant: contestant.name().to_owned(),
            nanos: Quartiles::of(nanos.iter().copied()),
            ours_is_times_as_fast: Quartiles::of_ratios(nanos, &rounds[0]),
            hit_rate: contestant.hit_rate(),
        })
        .collect();
    Outcome {
        contest: contest.name().to_owned(),
        operations,
        timings,
    }
}

/// What each contestant came to, round by round.
pub(crate) fn take_turns<T>(
    contestants: &mut [Contestant],
    rounds: usize,
    mut turn: impl FnMut(&mut Contestant) -> T,
) -> Vec<Vec<T>> {
    let mut results: Vec<Vec<T>> = contestants.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for place in 0..contestants.len() {
            let who = (round + place) % contestants.len();
            results[who].push(turn(&mut contestants[who]));
        }
    }
    results
}

/// Finds out how many operations fill our turn, and has everybody do as many once.
pub(crate) fn warm_up(contestants: &mut [Contestant], pace: Pace) -> usize {
    let ours = &mut contestants[0];
    let at_once = ours.at_once();
    // The first call connects, and says nothing of the others.
    ours.time(at_once);
    let mut operations = at_once;
    let mut spent = ours.time(operations);
    while spent < pace.turn / 2 {
        operations *= 2;
        spent = ours.time(operations);
    }
    let fitting = operations as f64 * pace.turn.div_duration_f64(spent);
    let operations = (fitting as usize).max(1).next_multiple_of(at_once);
    for contestant in contestants {
        contestant.time(operations);
    }
    operations
}
