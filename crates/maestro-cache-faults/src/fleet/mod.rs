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
use std::str::FromStr;
use std::time::{Duration, Instant};

use maestro_cache_testkit::RedisServer;

pub use worker::Worker;

use crate::chance::Chance;
use history::History;

/// Who loads the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `get_or_compute` on Redis.
    Ours,
    /// What many write by hand: a read of Redis, and on a miss a load and a write.
    GetThenSet,
    /// `moka::future::get_with`, a cache in each process.
    Moka,
}

impl Contender {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ours, Self::GetThenSet, Self::Moka];

    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::GetThenSet => "get-then-set",
            Self::Moka => "moka",
        }
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = Self::ALL.into_iter();
        all.clone()
            .find(|contender| contender.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = all.map(Self::name).collect();
                format!("{name} is none of {}", names.join(", "))
            })
    }
}

/// Whether processes are killed and stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// They all work to the end.
    None,
    /// Now and then one is killed and started anew, or stopped for up to five seconds.
    KillsAndStops,
}

/// What a fleet does.
#[derive(Clone, Copy, Debug)]
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
    /// What happens to them.
    pub trouble: Trouble,
}

/// What became of a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Fared {
    /// Reads that were written down.
    pub reads: u64,
    /// Invalidations that were acknowledged.
    pub invalidations: u64,
    /// Reads that were told a version which had been invalidated before they began.
    pub stale: u64,
    /// How long ago it had been, at most.
    pub stalest: Duration,
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
            "{} reads, {} invalidations, {} stale reads (the stalest by {} ms), {} loads, {} values \
             stored, {} killed, {} stopped",
            self.reads,
            self.invalidations,
            self.stale,
            self.stalest.as_millis(),
            self.loads,
            self.stored,
            self.killed,
            self.stopped
        )
    }
}

impl Fleet {
    /// Lets processes of this program work: `program` with the arguments that [`Worker::parse`] reads.
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
            let process = Command::new(program)
                .arg("worker")
                .arg(contender.name())
                .args([cache.url(), database.url()])
                .arg(&journal)
                .arg((seed * 1000 + journals.len() as u64).to_string())
                .args([time.as_millis(), self.ttl.as_millis()].map(|it| it.to_string()))
                .args([u64::from(self.keys), self.writes_of_a_thousand].map(|it| it.to_string()))
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
            invalidations: judgement.invalidations,
            stale: judgement.stale,
            stalest: Duration::from_millis(judgement.stalest_millis),
            loads: loads.text().parse().unwrap(),
            stored: stored(&cache),
            killed,
            stopped,
        }
    }
}

impl Worker {
    /// A worker from the arguments behind `worker`.
    #[must_use]
    pub fn parse(arguments: &[String]) -> Option<Self> {
        let [
            contender,
            cache,
            database,
            journal,
            seed,
            time,
            ttl,
            keys,
            writes,
        ] = arguments
        else {
            return None;
        };
        let millis = |text: &str| Some(Duration::from_millis(text.parse().ok()?));
        Some(Self {
            contender: contender.parse().ok()?,
            cache: cache.clone(),
            database: database.clone(),
            journal: journal.into(),
            seed: seed.parse().ok()?,
            fleet: Fleet {
                processes: 1,
                time: millis(time)?,
                ttl: millis(ttl)?,
                keys: keys.parse().ok()?,
                writes_of_a_thousand: writes.parse().ok()?,
                trouble: Trouble::None,
            },
        })
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
