//! Which keys are asked for, and in which order: the same for every contestant.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What stands before every key: our handle puts it there, the others' keys have it already.
pub const PREFIX: &str = "bench:";

/// Keys, and the order in which they are asked for, over and over.
#[derive(Debug)]
pub struct Load {
    stored_keys: Vec<String>,
    /// As long as a power of two, so that going round costs next to nothing.
    order: Vec<u32>,
    next: AtomicUsize,
}

/// One turn: which key it is about.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The number of this turn.
    pub turn: usize,
    /// The number of the key.
    pub id: usize,
    /// The key as our handle is given it.
    pub name: &'a str,
    /// The key as it is stored, prefix included.
    pub stored: &'a str,
}

impl Load {
    /// So many keys, each as likely as the others at each turn.
    #[must_use]
    pub fn uniform(keys: usize) -> Self {
        let mut random = Random::new();
        Self::new(keys, || random.below(keys))
    }

    /// So many keys, the second half as likely as the first, the third a third as likely, and so on.
    #[must_use]
    pub fn zipf(keys: usize) -> Self {
        let mut sum = 0.0;
        let up_to: Vec<f64> = (1..=keys)
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        let mut random = Random::new();
        Self::new(keys, || {
            let point = random.unit() * sum;
            up_to.partition_point(|sum| *sum < point).min(keys - 1)
        })
    }

    /// So many keys, one after the other.
    #[must_use]
    pub fn in_order(keys: usize) -> Self {
        let mut ids = (0..keys).cycle();
        Self::new(keys, || ids.next().unwrap_or_default())
    }

    /// As many keys, none of which another load has.
    #[must_use]
    pub fn absent(keys: usize) -> Self {
        let mut load = Self::uniform(keys);
        for key in &mut load.stored_keys {
            *key = key.replace("user:", "none:");
        }
        load
    }

    fn new(keys: usize, mut choose: impl FnMut() -> usize) -> Self {
        let turns = (keys * 4).next_power_of_two().max(1 << 14);
        Self {
            stored_keys: (0..keys).map(|id| format!("{PREFIX}user:{id}")).collect(),
            order: (0..turns).map(|_| choose() as u32).collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Each key once, to fill a cache.
    pub fn each_once(&self) -> impl Iterator<Item = Step<'_>> {
        (0..self.stored_keys.len()).map(|id| self.of(id, id))
    }

    /// Takes so many turns; the next caller gets those behind them.
    pub(crate) fn take_turns(&self, turns: usize) -> std::ops::Range<usize> {
        let first = self.next.fetch_add(turns, Ordering::Relaxed);
        first..first + turns
    }

    /// What a turn is about.
    pub(crate) fn step(&self, turn: usize) -> Step<'_> {
        self.of(self.order[turn & (self.order.len() - 1)] as usize, turn)
    }

    /// What this turn and those behind it are about.
    pub(crate) fn following(&self, step: Step<'_>, count: usize) -> impl Iterator<Item = Step<'_>> {
        (step.turn..step.turn + count).map(|turn| self.step(turn))
    }

    fn of(&self, id: usize, turn: usize) -> Step<'_> {
        let stored = &self.stored_keys[id];
        Step {
            turn,
            id,
            name: &stored[PREFIX.len()..],
            stored,
        }
    }
}

/// The numbers of splitmix64: alike in each run, so that runs can be set beside each other.
struct Random(u64);

impl Random {
    fn new() -> Self {
        Self(88)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}
