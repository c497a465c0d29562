//! What is counted in instructions: single contestants, one process each, under callgrind.

use crate::contest::Contestant;

/// An operation whose instructions are counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// What it is called in `benches/instructions.tsv`.
    pub name: &'static str,
    contest: &'static str,
    contestant: &'static str,
    times: usize,
}

/// Enough that what happens once in a while, such as maintenance, is counted at its share.
const READS: usize = 5_000;
const WRITES: usize = 2_000;
const BATCHES: usize = 20;

const OURS: &str = "maestro-cache";

/// All that are counted. Those of others are there to be set beside ours; every count includes the
/// loop, which is counted by itself as well.
pub const COUNTED: &[Counted] = &[
    counted("loop", "memory/nothing", "nothing", READS),
    counted(
        "memory/get shared hit",
        "memory/get shared hit, 1 thread",
        OURS,
        READS,
    ),
    counted(
        "memory/get owned hit",
        "memory/get owned hit, 1 thread",
        OURS,
        READS,
    ),
    counted(
        "memory/get bytes hit",
        "memory/get bytes hit, 1 thread",
        OURS,
        READS,
    ),
    counted("memory/get miss", "memory/get miss, 1 thread", OURS, READS),
    counted("memory/set", "memory/set, 1 thread", OURS, WRITES),
    counted(
        "memory/set of a new key, evicting",
        "memory/set of a new key, evicting, 1 thread",
        OURS,
        WRITES,
    ),
    counted(
        "memory/increment",
        "memory/increment, 1 thread",
        OURS,
        WRITES,
    ),
    counted(
        "memory/get_many of 100",
        "memory/get_many of 100",
        OURS,
        BATCHES,
    ),
    counted(
        "memory/set_many of 100",
        "memory/set_many of 100",
        OURS,
        BATCHES,
    ),
    counted("memory/load, hit", "memory/load, hit", OURS, READS),
    counted("memory/load, miss", "memory/load, miss", OURS, WRITES),
    counted(
        "memory/load, transient",
        "memory/load, transient",
        OURS,
        WRITES,
    ),
    counted("memory/load, failing", "memory/load, failing", OURS, WRITES),
    counted(
        "codec/encode 88 B struct",
        "codec/encode 88 B struct",
        OURS,
        READS,
    ),
    counted(
        "codec/decode 88 B struct",
        "codec/decode 88 B struct",
        OURS,
        READS,
    ),
    counted(
        "moka::sync get hit",
        "memory/get shared hit, 1 thread",
        "moka::sync, Arc",
        READS,
    ),
    counted(
        "moka::sync get miss",
        "memory/get miss, 1 thread",
        "moka::sync, Arc",
        READS,
    ),
    counted(
        "moka::sync set",
        "memory/set, 1 thread",
        "moka::sync, Arc",
        WRITES,
    ),
    counted(
        "moka::sync set of a new key, evicting",
        "memory/set of a new key, evicting, 1 thread",
        "moka::sync, Arc",
        WRITES,
    ),
    counted(
        "locked map get hit",
        "memory/get shared hit, 1 thread",
        "locked map, Arc",
        READS,
    ),
    counted(
        "rmp_serde::to_vec",
        "codec/encode 88 B struct",
        "rmp_serde::to_vec",
        READS,
    ),
    counted(
        "rmp_serde::from_slice",
        "codec/decode 88 B struct",
        "rmp_serde::from_slice",
        READS,
    ),
];

const fn counted(
    name: &'static str,
    contest: &'static str,
    contestant: &'static str,
    times: usize,
) -> Counted {
    Counted {
        name,
        contest,
        contestant,
        times,
    }
}

impl Counted {
    /// The one with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        COUNTED.iter().copied().find(|counted| counted.name == name)
    }

    /// Whether it is ours to keep from growing.
    #[must_use]
    pub fn is_ours(self) -> bool {
        self.name.starts_with("memory/") || self.name.starts_with("codec/")
    }

    /// How often it is done where callgrind counts.
    #[must_use]
    pub fn times(self) -> usize {
        self.times
    }

    /// Does the operation where callgrind counts, and often enough before that each key was met: what the
    /// first use of an entry costs beyond the later ones is no part of a hit.
    pub fn run(self) {
        const ROUNDS_BEFORE: usize = 8;
        let mut contestant = self.contestant();
        contestant.time(ROUNDS_BEFORE * self.times);
        counted_by_callgrind(&mut contestant, self.times);
    }

    fn contestant(self) -> Contestant {
        let contests = crate::contests();
        let contest = contests
            .iter()
            .find(|contest| contest.name() == self.contest);
        let contestants = contest.expect("the contest exists").contestants();
        contestants
            .into_iter()
            .find(|contestant| contestant.name() == self.contestant)
            .expect("the contestant takes part")
    }
}

/// By this name callgrind knows when to count.
#[inline(never)]
fn counted_by_callgrind(contestant: &mut Contestant, operations: usize) {
    contestant.time(operations);
}
