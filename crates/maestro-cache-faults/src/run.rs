//! A run: load, a fault, its end, and the time until calls succeed again.

use std::fmt;
use std::time::Duration;

use maestro_cache_core::ErrorKind;
use maestro_cache_testkit::Answer;
use tokio::time::{Instant, sleep};

use crate::client::{Client, Connected};
use crate::load::{Account, Counter, Load, Memory};
use crate::report::Report;
use crate::witness::Witness;

/// How many connections our client has by default.
pub(crate) const CONNECTIONS: usize = 2;

/// How long a server may take to notice that connections ended.
const SETTLING: Duration = Duration::from_secs(10);

/// How long the load runs before the fault.
const CALM: Duration = Duration::from_millis(700);

/// Settings of a [`Run`].
#[derive(Clone, Debug)]
#[must_use = "a run begins with `start`"]
pub struct RunBuilder {
    client: Client,
    deadline: Duration,
    is_down_at_first: bool,
}

/// A run under way.
pub struct Run {
    connected: Connected,
    load: Load,
    prefix: String,
    fault: Instant,
    heal: Instant,
    health: Option<(Option<ErrorKind>, Duration)>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Run {
    /// Settings of a run with this client.
    pub fn with(client: Client) -> RunBuilder {
        RunBuilder {
            client,
            deadline: Duration::from_secs(1),
            is_down_at_first: false,
        }
    }

    /// Notes that the fault begins. To be called right before it is made.
    pub fn fault(&mut self) {
        self.fault = Instant::now();
    }

    /// Waits while the fault lasts. Asks for the health in the middle.
    pub async fn lasts(&mut self, time: Duration) {
        sleep(time / 2).await;
        let began = Instant::now();
        if let Some(cache) = self.connected.cache() {
            let health = cache.health_check().await;
            let kind = health.error.as_ref().map(maestro_cache_core::Error::kind);
            self.health = Some((kind, began.elapsed()));
        }
        sleep((time / 2).saturating_sub(began.elapsed())).await;
    }

    /// Notes that the fault is over. To be called right after it was mended.
    pub fn healed(&mut self) {
        self.heal = Instant::now();
    }

    /// Goes on for so long, stops the load, and asks the witness: what the counters hold, and how
    /// many connections there are before and after the client is dropped.
    pub async fn end(self, after: Duration, witness: &impl Witness) -> Report {
        sleep(after).await;
        let end = Instant::now();
        let (accounts, hanging) = self.load.stop(Duration::from_secs(15)).await;
        let mut report = Report {
            calls: Vec::new(),
            fault: self.fault,
            heal: self.heal,
            end,
            hanging,
            wrong: Vec::new(),
            lost: 0,
            counted_too_little: Vec::new(),
            counted_twice: Vec::new(),
            health: self.health,
            connections: settled(witness, CONNECTIONS).await,
            connections_left: 0,
        };
        drop(self.connected);
        report.connections_left = settled(witness, 0).await;
        for account in accounts {
            let Account {
                calls,
                wrong,
                lost,
                counters,
                ..
            } = account;
            report.calls.extend(calls);
            report.wrong.extend(wrong);
            report.lost += lost;
            for counter in counters {
                judge(&counter, &witness.value(&counter.key), &mut report);
            }
        }
        report
    }

    /// What the keys of the run begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

/// How many connections there are, once there are no more than so many or it does not come to that:
/// a server hears of the end of one a moment after the fact.
async fn settled(witness: &impl Witness, expected: usize) -> usize {
    let patience = Instant::now() + SETTLING;
    loop {
        let connections = witness.connections();
        if connections <= expected || Instant::now() > patience {
            return connections;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn judge(counter: &Counter, answer: &Answer, report: &mut Report) {
    let count: i64 = match answer {
        Answer::Nil => 0,
        other => other.text().parse().expect("a counter holds a number"),
    };
    let Counter {
        key,
        acknowledged,
        unknown,
    } = counter;
    let text = format!("{key} is {count}, of {acknowledged} acknowledged and {unknown} unknown");
    if count < *acknowledged {
        report.counted_too_little.push(text);
    } else if count > acknowledged + unknown {
        report.counted_twice.push(text);
    }
}

impl RunBuilder {
    /// The deadline of each call, where the client has one; a second by default.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The server is in trouble from the first call on.
    pub fn down_at_first(mut self) -> Self {
        self.is_down_at_first = true;
        self
    }

    /// Starts the load, and returns after a while of calm.
    pub async fn start(self, url: &str) -> Run {
        let connected = self.client.build(url, self.deadline);
        let prefix = "load:".to_owned();
        let load = Load::start(&connected, &prefix, Memory::Calls);
        let now = Instant::now();
        if !self.is_down_at_first {
            sleep(CALM).await;
        }
        Run {
            connected,
            load,
            prefix,
            fault: now,
            heal: now,
            health: None,
        }
    }
}
