//! Several processes that load the same keys from one database, through one Redis, while some of them
//! write and invalidate, and others are killed or stopped.
//!
//! Each writes down what it did, and the history is judged in the end: after an invalidation that was
//! acknowledged, nobody may be told an older version.

mod history;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use maestro_cache_testkit::RedisServer;
use serde::{Deserialize, Serialize};

pub use worker::Worker;

use crate::chance::Chance;
use history::History;

/// Who loads the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contender {
    /// `get_or_compute` on Redis.
    Ours,
    /// The same, where old values may be served: for half of that time while they are loaded again, for
    /// all of it if loading fails.
    OursServingOld(Duration),
    /// What many write by hand: a read of Redis, and on a miss a load and a write.
    GetThenSet,
    /// `moka::future::get_with`, a cache in each process.
    Moka,
}

/// Whether processes are killed and stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// They all work to the end.
    None,
    /// Now and then one is killed and started anew, or stopped for up to five seconds.
    KillsAndStops,
}

/// Whether what a key is loaded from fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// It never does.
    Well,
    /// It is well for two seconds and fails for six, again and again.
    WithOutages,
}

/// What a fleet does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Fleet {
    /// How many processes there are.
    pub processes: u64,
    /// For how long they work.
    pub time: Duration,
    /// How many keys they load.
    pub keys: u32,
    /// How long a loaded value lives.
    pub ttl: Duration,
    /// So many of a thousand calls are writes that invalidate.
    pub writes_of_a_thousand: u64,
    /// And so many write and forget to invalidate.
    pub forgotten_of_a_thousand: u64,
    /// What happens to the processes.
    pub trouble: Trouble,
    /// What happens to what they load from.
    pub source: Source,
}

/// What became of a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Fared {
    /// Reads that were written down.
    pub reads: u64,
    /// Reads that were told that the value cannot be loaded.
    pub failed: u64,
    /// Invalidations that were acknowledged.
    pub invalidations: u64,
    /// Reads that were told a version which had been invalidated before they began.
    pub stale: u64,
    /// How long ago it had been, at most.
    pub stalest: Duration,
    /// Reads that were told a version which had been written over before they began, invalidated or
    /// not.
    pub old: u64,
    /// How long ago it had been, at most.
    pub oldest: Duration,
    /// How often the database was asked for a value.
    pub loads: u64,
    /// How many stored values have expired or are there still.
    pub stored: u64,
    /// Processes that were killed, and those that were stopped for a while.
    pub killed: u64,
    /// See `killed`.
    pub stopped: u64,
}

impl fmt::Display for Fared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reads, {} failed, {} invalidations, {} stale reads (the stalest by {} ms), {} old ones \
             (the oldest by {} ms), {} loads, {} values stored, {} killed, {} stopped",
            self.reads,
            self.failed,
            self.invalidations,
            self.stale,
            self.stalest.as_millis(),
            self.old,
            self.oldest.as_millis(),
            self.loads,
            self.stored,
            self.killed,
            self.stopped
        )
    }
}

impl Fleet {
    /// Lets processes of this program work: `program` with the arguments `worker` and what
    /// [`Worker::parse`] reads.
    #[must_use]
    pub fn run(self, program: &Path, contender: Contender, seed: u64) -> Fared {
        let cache = RedisServer::builder().tcp().start();
        let database = RedisServer::builder().tcp().start();
        let directory = tempfile::tempdir().unwrap();
        let mut journals: Vec<PathBuf> = Vec::new();
        let began = Instant::now();
        let mut chance = Chance::new(seed);
        let start = |journals: &mut Vec<PathBuf>, time: Duration| {
            let journal = directory.path().join(journals.len().to_string());
            let worker = Worker {
                contender,
                cache: cache.url(),
                database: database.url(),
                journal: journal.clone(),
                seed: seed * 1000 + journals.len() as u64,
                fleet: Fleet { time, ..self },
            };
            let process = Command::new(program)
                .args(["worker", &serde_json::to_string(&worker).unwrap()])
                .spawn()
                .unwrap();
            journals.push(journal);
            process
        };
        let mut processes: Vec<Child> = (0..self.processes)
            .map(|_| start(&mut journals, self.time))
            .collect();
        let (mut killed, mut stopped) = (0, 0);
        let left = || self.time.saturating_sub(began.elapsed());
        while self.trouble == Trouble::KillsAndStops && left() > Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(500 + chance.below(1000)));
            let at = usize::try_from(chance.below(self.processes)).unwrap();
            if chance.below(2) == 0 {
                processes[at].kill().unwrap();
                processes[at].wait().unwrap();
                processes[at] = start(&mut journals, left());
                killed += 1;
            } else {
                let pause = Duration::from_millis(chance.below(5000)).min(left());
                signal("-STOP", &processes[at]);
                std::thread::sleep(pause);
                signal("-CONT", &processes[at]);
                stopped += 1;
            }
        }
        for mut process in processes {
            assert!(process.wait().unwrap().success(), "a worker failed");
        }
        let mut history = History::default();
        for journal in journals.iter().filter(|journal| journal.exists()) {
            history.add(journal);
        }
        let judgement = history.judge();
        let loads = database.ask(&["GET", worker::LOADS]);
        Fared {
            reads: judgement.reads,
            failed: judgement.failed,
            invalidations: judgement.invalidations,
            stale: judgement.stale,
            stalest: Duration::from_millis(judgement.stalest_millis),
            old: judgement.old,
            oldest: Duration::from_millis(judgement.oldest_millis),
            loads: loads.text().parse().unwrap(),
            stored: stored(&cache),
            killed,
            stopped,
        }
    }
}

impl Worker {
    /// A worker from the argument behind `worker`.
    #[must_use]
    pub fn parse(argument: &str) -> Option<Self> {
        serde_json::from_str(argument).ok()
    }
}

/// How many values have expired, by the server's own count, or are there still.
fn stored(cache: &RedisServer) -> u64 {
    let stats = cache.ask(&["INFO", "stats"]);
    let expired = stats.text().lines().find_map(|line| {
        line.trim()
            .strip_prefix("expired_keys:")?
            .parse::<u64>()
            .ok()
    });
    let there = u64::try_from(cache.ask(&["DBSIZE"]).number()).unwrap();
    expired.unwrap() + there
}

fn signal(which: &str, process: &Child) {
    let status = Command::new("kill")
        .args([which, &process.id().to_string()])
        .status();
    assert!(status.unwrap().success(), "the worker is there");
}
