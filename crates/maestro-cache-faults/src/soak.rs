//! A long run with one fault after the other, chosen at random: does anything grow, hang or go wrong?

use std::fs;
use std::time::Duration;

use crate::chance::Chance;
use maestro_cache_testkit::{Fault, FaultProxy, RedisServer};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::Client;
use crate::load::{Load, Memory};

/// A long run.
#[derive(Clone, Copy, Debug)]
#[must_use = "it begins with `run`"]
pub struct Soak {
    time: Duration,
    seed: u64,
}

/// What a long run came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Soaked {
    /// How many faults there were.
    pub faults: u64,
    /// How many calls, and how many of them failed.
    pub calls: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How long the longest call took.
    pub longest: Duration,
    /// Calls that never came back.
    pub hanging: usize,
    /// Answers that cannot be.
    pub wrong: Vec<String>,
    /// The memory of the process in KiB, and its open files, every so often.
    pub samples: Vec<(u64, usize)>,
}

/// What may happen. The server's own troubles first.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Kill,
    Freeze,
    CloseConnections,
    OfTheNetwork(Fault),
}

impl Soak {
    /// A run of so long. The seed decides on the faults.
    pub fn new(time: Duration, seed: u64) -> Self {
        Self { time, seed }
    }

    /// Runs it and prints a line for each sample.
    pub async fn run(self) -> Soaked {
        let server = RedisServer::builder().tcp().start();
        let proxy = FaultProxy::start(server.port().unwrap());
        let client = Client::Maestro.build(&proxy.url(), Duration::from_secs(1));
        let load = Load::start(&client, "soak:", Memory::Totals);
        let began = Instant::now();
        let mut random = Chance::new(self.seed);
        let (mut faults, mut samples) = (0, Vec::new());
        let mut next_sample = Duration::from_secs(10);
        while began.elapsed() < self.time {
            let trouble = trouble(&mut random);
            let lasts = Duration::from_millis(100 + random.below(2900));
            block_in_place(|| begin(trouble, &server, &proxy));
            sleep(lasts).await;
            block_in_place(|| end(trouble, &server, &proxy));
            faults += 1;
            sleep(Duration::from_millis(500 + random.below(3000))).await;
            if began.elapsed() >= next_sample {
                next_sample += Duration::from_secs(30);
                let sample = (memory_in_kib(), open_files());
                println!(
                    "{:>5} s  {faults:>5} faults  {:>7} KiB  {:>4} files",
                    began.elapsed().as_secs(),
                    sample.0,
                    sample.1
                );
                samples.push(sample);
            }
        }
        sleep(Duration::from_secs(7)).await;
        let (accounts, hanging) = load.stop(Duration::from_secs(15)).await;
        let mut soaked = Soaked {
            faults,
            calls: 0,
            failed: 0,
            longest: Duration::ZERO,
            hanging,
            wrong: Vec::new(),
            samples,
        };
        for account in accounts {
            soaked.calls += account.total;
            soaked.failed += account.failed;
            soaked.longest = soaked.longest.max(account.longest);
            soaked.wrong.extend(account.wrong);
        }
        soaked
    }
}

fn begin(trouble: Trouble, server: &RedisServer, proxy: &FaultProxy) {
    match trouble {
        Trouble::Kill => server.stop(),
        Trouble::Freeze => server.pause(),
        Trouble::CloseConnections => proxy.kill_all(),
        Trouble::OfTheNetwork(fault) => proxy.set_fault(fault),
    }
}

fn end(trouble: Trouble, server: &RedisServer, proxy: &FaultProxy) {
    match trouble {
        Trouble::Kill => server.restart(),
        Trouble::Freeze => server.resume(),
        Trouble::CloseConnections => {}
        Trouble::OfTheNetwork(_) => proxy.heal(),
    }
}

fn trouble(chance: &mut Chance) -> Trouble {
    let delay = Duration::from_millis(chance.below(1500));
    let bytes = chance.below(400);
    let seed = chance.next();
    match chance.below(12) {
        0 => Trouble::Kill,
        1 => Trouble::Freeze,
        2 => Trouble::CloseConnections,
        3 => Trouble::OfTheNetwork(Fault::Delay(delay)),
        4 => Trouble::OfTheNetwork(Fault::DelayAnswers(delay)),
        5 => Trouble::OfTheNetwork(Fault::Refuse),
        6 => Trouble::OfTheNetwork(Fault::SwallowOld),
        7 => Trouble::OfTheNetwork(Fault::SwallowAll),
        8 => Trouble::OfTheNetwork(Fault::BlackHole),
        9 => Trouble::OfTheNetwork(Fault::ResetMidReply { after_bytes: bytes }),
        10 => Trouble::OfTheNetwork(Fault::TruncateHandshake { bytes }),
        _ => Trouble::OfTheNetwork(Fault::DropRandomly {
            seed,
            per_mille: 20,
        }),
    }
}

/// The resident memory of this process, which Linux says; 0 elsewhere.
fn memory_in_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The open files and sockets of this process, which Linux lists; 0 elsewhere.
fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
