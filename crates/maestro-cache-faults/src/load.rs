//! A steady load whose every answer can be judged: values that say what they are, and counters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use maestro_cache_core::ErrorKind;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::client::{Connected, Failure};

/// How many tasks write and read values, and how many count.
const VALUE_TASKS: usize = 8;
const COUNTER_TASKS: usize = 4;

/// How many there are in all; each makes one call at a time.
pub(crate) const TASKS: usize = VALUE_TASKS + COUNTER_TASKS;

/// The keys of a task that writes values.
const KEYS: usize = 16;

/// The pause between two calls of a task: some thousand calls a second in all.
const PAUSE: Duration = Duration::from_millis(5);

/// What a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write,
}

/// What became of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) kind: Kind,
    pub(crate) at: Instant,
    pub(crate) took: Duration,
    pub(crate) failure: Option<ErrorKind>,
}

/// What is remembered of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Each of them.
    Calls,
    /// How many there were, so that a long run needs no more memory than a short one.
    Totals,
}

/// What a task has to say in the end.
#[derive(Debug)]
pub(crate) struct Account {
    memory: Memory,
    pub(crate) calls: Vec<Call>,
    pub(crate) total: u64,
    pub(crate) failed: u64,
    pub(crate) longest: Duration,
    /// Answers that cannot be.
    pub(crate) wrong: Vec<String>,
    /// Values that were acknowledged and are missing.
    pub(crate) lost: usize,
    pub(crate) counters: Vec<Counter>,
}

impl Account {
    fn new(memory: Memory) -> Self {
        Self {
            memory,
            calls: Vec::new(),
            total: 0,
            failed: 0,
            longest: Duration::ZERO,
            wrong: Vec::new(),
            lost: 0,
            counters: Vec::new(),
        }
    }

    fn write_down(&mut self, call: Call) {
        self.total += 1;
        self.failed += u64::from(call.failure.is_some());
        self.longest = self.longest.max(call.took);
        if self.memory == Memory::Calls {
            self.calls.push(call);
        }
    }
}

/// What is known of a counter.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    pub(crate) key: String,
    pub(crate) acknowledged: i64,
    pub(crate) unknown: i64,
}

/// A load under way.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Account>>,
}

impl Load {
    /// Starts it. The keys begin with the prefix.
    pub(crate) fn start(client: &Connected, prefix: &str, memory: Memory) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let values = (0..VALUE_TASKS).map(|task| {
            let prefix = format!("{prefix}v{task}-");
            tokio::spawn(values(client.clone(), prefix, memory, Arc::clone(&stop)))
        });
        let counters = (0..COUNTER_TASKS).map(|task| {
            let key = format!("{prefix}c{task}");
            tokio::spawn(counter(client.clone(), key, memory, Arc::clone(&stop)))
        });
        Self {
            tasks: values.chain(counters).collect(),
            stop,
        }
    }

    /// Stops it. Tasks that do not end within the time hang, and are counted.
    pub(crate) async fn stop(self, patience: Duration) -> (Vec<Account>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut accounts, mut hanging) = (Vec::new(), 0);
        let deadline = Instant::now() + patience;
        for mut task in self.tasks {
            match tokio::time::timeout_at(deadline, &mut task).await {
                Ok(account) => accounts.push(account.expect("the load does not panic")),
                Err(_) => {
                    task.abort();
                    hanging += 1;
                }
            }
        }
        (accounts, hanging)
    }
}

/// What a key may hold: the last value that was acknowledged, or one whose fate is unknown, since
/// that may arrive at any time.
#[derive(Default)]
struct Expected {
    acknowledged: Option<u64>,
    unknown: Vec<u64>,
}

async fn values(
    mut client: Connected,
    prefix: String,
    memory: Memory,
    stop: Arc<AtomicBool>,
) -> Account {
    let mut account = Account::new(memory);
    let mut expected: BTreeMap<usize, Expected> = BTreeMap::new();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let at = (number / 2) as usize % KEYS;
        let key = format!("{prefix}{at}");
        let expected = expected.entry(at).or_default();
        if number.is_multiple_of(2) {
            let value = format!("{key}#{number}");
            match timed(&mut account, Kind::Write, client.set(&key, &value)).await {
                Ok(()) => {
                    expected.acknowledged = Some(number);
                }
                Err(failure) if failure.may_have_happened => expected.unknown.push(number),
                Err(_) => {}
            }
        } else {
            match timed(&mut account, Kind::Read, client.get(&key)).await {
                Ok(Some(value)) => {
                    let seen = value
                        .split_once('#')
                        .filter(|(owner, _)| *owner == key)
                        .and_then(|(_, number)| number.parse::<u64>().ok());
                    let fits = seen.is_some_and(|seen| {
                        expected.acknowledged == Some(seen) || expected.unknown.contains(&seen)
                    });
                    if !fits {
                        let acknowledged = expected.acknowledged;
                        account.wrong.push(format!(
                            "{key} holds {value:?}, and {acknowledged:?} was acknowledged last"
                        ));
                    }
                }
                Ok(None) => {
                    if expected.acknowledged.take().is_some() {
                        account.lost += 1;
                    }
                }
                Err(_) => {}
            }
        }
        sleep(PAUSE).await;
    }
    account
}

async fn counter(
    mut client: Connected,
    key: String,
    memory: Memory,
    stop: Arc<AtomicBool>,
) -> Account {
    let mut account = Account::new(memory);
    let mut counter = Counter {
        key: key.clone(),
        acknowledged: 0,
        unknown: 0,
    };
    while !stop.load(Ordering::Relaxed) {
        match timed(&mut account, Kind::Write, client.increment(&key)).await {
            Ok(()) => counter.acknowledged += 1,
            Err(failure) if failure.may_have_happened => counter.unknown += 1,
            Err(_) => {}
        }
        sleep(PAUSE).await;
    }
    account.counters.push(counter);
    account
}

async fn timed<T>(
    account: &mut Account,
    kind: Kind,
    call: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let at = Instant::now();
    let answer = call.await;
    account.write_down(Call {
        kind,
        at,
        took: at.elapsed(),
        failure: answer.as_ref().err().map(|failure| failure.kind),
    });
    answer
}
