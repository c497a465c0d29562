//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use maestro_cache_core::ErrorKind;
use tokio::time::Instant;

use crate::load::{Call, Kind};

/// The calls of a run and what they say.
#[derive(Debug)]
pub struct Report {
    pub(crate) calls: Vec<Call>,
    /// When the fault began and ended.
    pub(crate) fault: Instant,
    pub(crate) heal: Instant,
    pub(crate) end: Instant,
    /// Tasks whose last call never came back.
    pub hanging: usize,
    /// Answers that cannot be: another key's value, or one that was overwritten.
    pub wrong: Vec<String>,
    /// Acknowledged values that are missing.
    pub lost: usize,
    /// Counters that are below what was acknowledged.
    pub counted_too_little: Vec<String>,
    /// Counters that are above what can have been counted.
    pub counted_twice: Vec<String>,
    /// What `health_check` said while the fault lasted, and how long that took.
    pub health: Option<(Option<ErrorKind>, Duration)>,
    /// How many connections there were to a server when the load had ended.
    pub connections: usize,
    /// How many there were when the client was gone.
    pub connections_left: usize,
}

impl Report {
    /// The calls that began in a time.
    fn between(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Call> {
        self.calls
            .iter()
            .filter(move |call| (from..to).contains(&call.at))
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// The failures by kind, of the calls that began while the fault lasted.
    #[must_use]
    pub fn failures_during(&self) -> BTreeMap<String, usize> {
        let mut failures = BTreeMap::new();
        for kind in self
            .between(self.fault, self.heal)
            .filter_map(|call| call.failure)
        {
            *failures.entry(format!("{kind:?}")).or_default() += 1;
        }
        failures
    }

    /// How many calls failed in the whole run.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.calls
            .iter()
            .filter(|call| call.failure.is_some())
            .count()
    }

    /// How many reads failed in the whole run.
    #[must_use]
    pub fn failed_reads(&self) -> usize {
        let failed = |call: &&Call| call.kind == Kind::Read && call.failure.is_some();
        self.calls.iter().filter(failed).count()
    }

    /// How many calls succeeded while the fault lasted, after the first moment of it.
    #[must_use]
    pub fn successes_during(&self) -> usize {
        self.between(self.fault, self.heal)
            .filter(|call| call.failure.is_none())
            .count()
    }

    /// How long the longest call took.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let longest = self.calls.iter().map(|call| call.took).max();
        longest.unwrap_or_default()
    }

    /// What 99 of 100 calls took at most, of those that began later than so long after the fault.
    #[must_use]
    pub fn p99_during(&self, after: Duration) -> Duration {
        let mut times: Vec<_> = self
            .between(self.fault + after, self.heal)
            .map(|call| call.took)
            .collect();
        times.sort_unstable();
        times
            .get(times.len() * 99 / 100)
            .copied()
            .unwrap_or_default()
    }

    /// How long after the end of the fault the last call began that failed, and whether calls
    /// succeeded behind that: none if they never did.
    #[must_use]
    pub fn recovered_after(&self) -> Option<Duration> {
        let last_failure = self
            .between(self.heal, self.end)
            .filter(|call| call.failure.is_some())
            .map(|call| call.at)
            .max();
        let from = last_failure.unwrap_or(self.heal);
        self.between(from, self.end)
            .any(|call| call.failure.is_none() && call.at > from)
            .then(|| from - self.heal)
    }

    /// How long after the beginning of the fault the last call began that failed.
    #[must_use]
    pub fn recovered_by_itself_after(&self) -> Option<Duration> {
        let last_failure = self
            .calls
            .iter()
            .filter(|call| call.failure.is_some() && call.at >= self.fault)
            .map(|call| call.at)
            .max();
        let from = last_failure.unwrap_or(self.fault);
        self.between(from, self.end)
            .any(|call| call.failure.is_none() && call.at > from)
            .then(|| from - self.fault)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recovered = match self.recovered_after() {
            Some(after) => format!("{} ms", after.as_millis()),
            None => "**never**".to_owned(),
        };
        let failures: Vec<_> = self
            .failures_during()
            .into_iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        write!(
            f,
            "{} | {} ms | {} ms | {recovered} | {} | {} | {}",
            if failures.is_empty() {
                "none".to_owned()
            } else {
                failures.join(", ")
            },
            self.p99_during(Duration::from_millis(1500)).as_millis(),
            self.longest().as_millis(),
            self.wrong.len(),
            self.counted_twice.len(),
            self.hanging,
        )
    }
}
