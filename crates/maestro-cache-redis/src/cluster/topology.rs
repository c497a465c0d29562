//! Drawing the map: which master has which slots.

use std::sync::{Arc, Weak};
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Result};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::slots::Owners;
use super::{Cluster, Map, Node};
use crate::call::{Deadline, Intent, late};
use crate::commands;
use crate::connection::{Address, first_success, no_runtime};
use crate::deployment::Slot;
use crate::reply::Reply;
use crate::{chance, error};

/// The shortest time between two drawings: while a cluster chooses a master, calls that fail ask for
/// one after the other.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// How long one node may be silent before the next one is asked too.
const HEAD_START: Duration = Duration::from_millis(300);

/// How long a drawing may take. One whose runtime rests is taken to be given up by then.
const LONGEST_DRAWING: Duration = Duration::from_secs(5);

/// A range of slots and the address of its master.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    from: u16,
    to: u16,
    master: Address,
}

/// The drawing that is under way, or was the last. A number tells it from those before.
#[derive(Default)]
pub(super) struct Drawing {
    number: u64,
    /// When it is over at the latest, while it is under way.
    until: Option<Instant>,
}

impl Drawing {
    fn is_under_way(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }
}

/// Draws the map. Those who wait are told when it ends, also if its runtime is dropped.
struct Cartographer {
    number: u64,
    cluster: Weak<Cluster>,
}

impl Cluster {
    /// The node of the slot. Draws the map if there is none, or if the slot is nobody's on it.
    pub(super) async fn owner(
        self: &Arc<Self>,
        slot: Slot,
        deadline: Deadline,
    ) -> Result<Arc<Node>> {
        let known = self.map.lock().owners.get(slot).map(Arc::clone);
        if let Some(node) = known {
            return Ok(node);
        }
        self.draw(deadline).await?;
        let map = self.map.lock();
        match map.owners.get(slot) {
            Some(node) => Ok(Arc::clone(node)),
            None if map.is_closed => Err(Error::closed()),
            None => Err(Error::new(
                ErrorKind::Unavailable,
                "the cluster has no node for this key; see its CLUSTER INFO",
            )),
        }
    }

    /// All masters with slots.
    pub(super) async fn masters(self: &Arc<Self>, deadline: Deadline) -> Result<Vec<Arc<Node>>> {
        let known = self.map.lock().owners.nodes();
        if !known.is_empty() {
            return Ok(known);
        }
        self.draw(deadline).await?;
        Ok(self.map.lock().owners.nodes())
    }

    /// Waits until the map was drawn once more, from now on. All who wait share one drawing, which
    /// goes on when they go away.
    pub(super) async fn draw(self: &Arc<Self>, deadline: Deadline) -> Result<()> {
        if Handle::try_current().is_err() {
            return Err(no_runtime());
        }
        let wanted = {
            let map = self.map.lock();
            // One that is under way may have been told before what is asked for now.
            map.round + 1 + u64::from(map.drawing.is_under_way())
        };
        let drawn = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                {
                    let map = self.map.lock();
                    if map.is_closed {
                        return Err(Error::closed());
                    }
                    if map.round >= wanted {
                        return map.failure.clone().map_or(Ok(()), Err);
                    }
                }
                self.draw_soon();
                changed.await;
                // A runtime that is being shut down drops who draws at once, so that this would go round
                // for ever. Whoever yields there is dropped as well.
                yield_now().await;
            }
        };
        let drawn = timeout_at(deadline.instant(), drawn).await;
        drawn.unwrap_or_else(|_| {
            Err(late(
                "no node of the cluster said whose the key is within the deadline",
            ))
        })
    }

    /// Has the map drawn anew, in the background, unless that is under way.
    pub(super) fn draw_soon(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut map = self.map.lock();
        if map.is_closed || map.drawing.is_under_way() {
            return;
        }
        let due = map
            .drawn
            .map_or_else(Instant::now, |drawn| drawn + SHORTEST_PAUSE);
        let until = due + LONGEST_DRAWING.max(self.connect.timeout * 2);
        map.drawing = Drawing {
            number: map.drawing.number + 1,
            until: Some(until),
        };
        let cartographer = Cartographer {
            number: map.drawing.number,
            cluster: Arc::downgrade(self),
        };
        // A runtime that is being shut down drops the task at once, which locks the map.
        drop(map);
        runtime.spawn(async move {
            sleep_until(due).await;
            cartographer.draw(until).await;
        });
    }

    /// Those who may know: the masters, and the seeds of the URL.
    fn witnesses(&self) -> Vec<Arc<Node>> {
        let mut map = self.map.lock();
        let mut witnesses = map.owners.nodes();
        for seed in &self.seeds {
            if let Ok(node) = self.node_of(&mut map, seed.clone(), None)
                && !witnesses.iter().any(|known| Arc::ptr_eq(known, &node))
            {
                witnesses.push(node);
            }
        }
        // Any of them first, so that one that is wrong does not stay so.
        chance::turn(&mut witnesses);
        witnesses
    }

    fn learn(&self, number: u64, drawn: Result<Vec<Range>>) {
        let mut map = self.map.lock();
        if map.is_closed || map.drawing.number != number {
            return;
        }
        let now = Instant::now();
        map.drawing.until = None;
        map.round += 1;
        map.drawn = Some(now);
        map.failure = drawn.and_then(|ranges| self.apply(&mut map, ranges)).err();
        if let Some(kind) = map.failure.as_ref().map(Error::kind)
            && let Some(left_out) = map.warnings.may_warn(now)
        {
            tracing::warn!(
                target: "maestro_cache::redis",
                cluster = &*self.name,
                ?kind,
                left_out,
                "the nodes of the cluster cannot be listed"
            );
        }
        drop(map);
        self.changed.notify_waiters();
    }

    fn apply(&self, map: &mut Map, ranges: Vec<Range>) -> Result<()> {
        let mut owners = Owners::default();
        for range in ranges {
            let node = self.node_of(map, range.master, None)?;
            owners.set_range(range.from, range.to, &node);
        }
        // Nodes without slots go, and their connections once the calls under way are over.
        let masters = owners.nodes();
        let now = Instant::now();
        map.nodes.retain(|_, node| {
            node.kept_until.is_some_and(|until| now < until)
                || masters.iter().any(|master| Arc::ptr_eq(master, node))
        });
        map.owners = owners;
        Ok(())
    }
}

impl Cartographer {
    /// Holds the cluster only in between, so that it may be dropped.
    async fn draw(&self, until: Instant) {
        let Some((witnesses, patience)) = self
            .cluster
            .upgrade()
            .map(|cluster| (cluster.witnesses(), cluster.connect.timeout))
        else {
            return;
        };
        let head_start = HEAD_START.min(patience / 2);
        let drawn = timeout_at(
            until,
            first_success(witnesses, head_start, |witness| async move {
                ask(&witness, Deadline::after(patience)).await
            }),
        );
        let drawn = match drawn.await {
            Ok(Some(drawn)) => drawn,
            Ok(None) => Err(Error::closed()),
            Err(_) => Err(error::silent()),
        };
        if let Some(cluster) = self.cluster.upgrade() {
            cluster.learn(self.number, drawn);
        }
    }
}

impl Drop for Cartographer {
    fn drop(&mut self) {
        let Some(cluster) = self.cluster.upgrade() else {
            return;
        };
        {
            let drawing = &mut cluster.map.lock().drawing;
            if drawing.number != self.number || drawing.until.take().is_none() {
                return;
            }
        }
        cluster.changed.notify_waiters();
    }
}

async fn ask(witness: &Node, deadline: Deadline) -> Result<Vec<Range>> {
    let request = commands::keyed("CLUSTER", "SLOTS").into();
    let reply = witness
        .server
        .call(deadline, Intent::Read, &request)
        .await?;
    read(reply, &witness.address)
}

/// Each range is its ends, its master, and its replicas.
fn read(reply: Reply, asked: &Address) -> Result<Vec<Range>> {
    let unreadable = || {
        Error::new(
            ErrorKind::Backend,
            "the answer to CLUSTER SLOTS cannot be read; is there a proxy in between?",
        )
    };
    let mut ranges = Vec::new();
    for range in reply.many()? {
        let mut parts = range.many()?.into_iter();
        let (Some(from), Some(to), Some(master)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(unreadable());
        };
        let mut master = master.many()?.into_iter();
        let (Some(host), Some(port)) = (master.next(), master.next()) else {
            return Err(unreadable());
        };
        let number = |reply: Reply| u16::try_from(reply.integer()?).map_err(|_| unreadable());
        let host = host.text_or_nothing()?;
        ranges.push(Range {
            from: number(from)?,
            to: number(to)?,
            master: Address::named(host, number(port)?, asked),
        });
    }
    // A node that was set up anew says so, and is not to be believed.
    if ranges.is_empty() {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "a node of the cluster knows of no slots; see its CLUSTER INFO",
        ));
    }
    Ok(ranges)
}
