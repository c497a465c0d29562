//! One direction of one connection: bytes in, and later bytes out.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::connection::Orders;
use super::fault::Fault;

const CHUNK_BYTES: usize = 16 * 1024;

/// How many chunks may be on their way; beyond that the sender has to wait.
const MOST_CHUNKS: usize = 1024;

/// How a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Closed,
    Reset,
}

impl From<io::Error> for End {
    /// What breaks on one side is broken on the other.
    fn from(_: io::Error) -> Self {
        Self::Reset
    }
}

#[derive(Clone, Copy)]
pub(super) enum Direction {
    Questions,
    Answers { connection: u64 },
}

/// A chunk, and when it arrives.
type Due = (Instant, Vec<u8>);

/// Forwards until the sender has said all; an error ends both directions.
pub(super) async fn run(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    direction: Direction,
    orders: watch::Receiver<Orders>,
) -> Result<(), End> {
    let (sender, chunks) = mpsc::channel(MOST_CHUNKS);
    tokio::try_join!(
        receive(from, sender, direction, orders.clone()),
        deliver(to, chunks, direction, orders),
    )?;
    Ok(())
}

async fn receive(
    mut from: ReadHalf<'_>,
    chunks: mpsc::Sender<Due>,
    direction: Direction,
    mut orders: watch::Receiver<Orders>,
) -> Result<(), End> {
    loop {
        until_it_flows(&mut orders).await?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        chunk.truncate(count);
        let due = Instant::now() + delay(direction, orders.borrow().fault);
        chunks.send((due, chunk)).await.map_err(|_| End::Reset)?;
    }
}

async fn deliver(
    mut to: WriteHalf<'_>,
    mut chunks: mpsc::Receiver<Due>,
    direction: Direction,
    mut orders: watch::Receiver<Orders>,
) -> Result<(), End> {
    let mut delivered = Delivered::default();
    while let Some((due, chunk)) = chunks.recv().await {
        tokio::time::sleep_until(due).await;
        if let Direction::Answers { connection } = direction {
            let fault = orders.borrow().fault;
            delivered.chunks += 1;
            if fault.strikes(connection, delivered.chunks) {
                return Err(End::Reset);
            }
        }
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            until_it_flows(&mut orders).await?;
            let told = *orders.borrow_and_update();
            let may_go = delivered.may_go(direction, told);
            let part = match may_go {
                Some(bytes) => {
                    &rest[..rest.len().min(usize::try_from(bytes).unwrap_or(usize::MAX))]
                }
                None => rest,
            };
            if !part.is_empty() {
                let count = tokio::select! {
                    biased;
                    // The client does not read just now, and something else holds from here on.
                    changed = orders.changed() => {
                        changed.map_err(|_| End::Reset)?;
                        continue;
                    }
                    count = to.write(part) => count?,
                };
                rest = &rest[count..];
                delivered.bytes += count as u64;
            }
            if delivered.may_go(direction, told) == Some(0) {
                return Err(match told.fault {
                    Fault::TruncateHandshake { .. } => End::Closed,
                    _ => End::Reset,
                });
            }
        }
    }
    // What the sender has said, the receiver has; now it may hear that this was all.
    until_it_flows(&mut orders).await?;
    to.shutdown().await?;
    Ok(())
}

/// What came through a connection in one direction.
#[derive(Default)]
struct Delivered {
    generation: u64,
    bytes: u64,
    chunks: u64,
}

impl Delivered {
    /// How many bytes may still come through, where that is limited.
    fn may_go(&mut self, direction: Direction, told: Orders) -> Option<u64> {
        if self.generation != told.generation {
            self.generation = told.generation;
            self.bytes = 0;
        }
        match direction {
            Direction::Questions => None,
            Direction::Answers { .. } => {
                let most = told.fault.most_answer_bytes()?;
                Some(most.saturating_sub(self.bytes))
            }
        }
    }
}

fn delay(direction: Direction, fault: Fault) -> Duration {
    match direction {
        Direction::Questions => fault.delay_of_questions(),
        Direction::Answers { .. } => fault.delay_of_answers(),
    }
}

async fn until_it_flows(orders: &mut watch::Receiver<Orders>) -> Result<(), End> {
    orders
        .wait_for(|orders| orders.fault != Fault::BlackHole)
        .await
        .map(drop)
        // The proxy is going down.
        .map_err(|_| End::Reset)
}
