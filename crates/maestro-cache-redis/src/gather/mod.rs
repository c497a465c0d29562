//! Concurrent `GET`s become one [`MGET`](https://redis.io/docs/latest/commands/mget/).
//!
//! What a request costs is mostly the same for one key and for fifty: a message to the driver, a
//! packet, a wake-up. While few calls are under way each goes out at once and on its own. Beyond that
//! they are gathered, and a task asks for all that have come together by the time it gets its turn.
//! Nobody waits for company: a task is on its way as soon as somebody waits, and a full batch does not
//! wait for those before it.

mod ask;
mod large;

use std::sync::Arc;

use maestro_cache_core::{CacheFuture, Result, Value};
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};
use tokio::task::yield_now;
use tokio::time::timeout_at;

use crate::call::{Deadline, Intent, late};
use crate::commands;
use crate::in_flight::Permit;
use crate::reply::Reply;
use crate::request::Request;
use crate::server::Server;
use ask::{Answer, Ask};
use large::Large;

/// So many calls may be under way besides one that goes out on its own.
const FEW: usize = 4;

/// So many batches are under way before the next one waits until it is full.
const BATCHES: usize = 2;

/// A batch of so many is full. More save nothing, and delay the first ones.
const FULL: usize = 64;

/// A server whose `GET`s are gathered.
pub(crate) struct Gathering {
    pub(crate) server: Server,
    state: Mutex<State>,
    large: Large,
}

struct State {
    /// Those that wait for the next batch.
    waiting: Vec<Waiting>,
    batches: usize,
    /// Where the batches run. Nobody relies on a runtime that is not their own: it may rest, or end.
    runtime: Option<Id>,
}

/// One that waits for a batch.
struct Waiting {
    ask: Arc<Ask>,
    deadline: Deadline,
}

/// The caller's side of one that waits; withdrawn when it is dropped.
struct Together(Arc<Ask>);

impl Gathering {
    pub(crate) fn new(server: Server) -> Arc<Self> {
        Arc::new(Self {
            server,
            state: Mutex::new(State {
                waiting: Vec::new(),
                batches: 0,
                runtime: None,
            }),
            large: Large::new(),
        })
    }

    /// The value of the key. How it is asked for is decided here and now, so that the future of one that
    /// joins a batch is small.
    pub(crate) fn get<'a>(
        self: &'a Arc<Self>,
        permit: Permit<'a>,
        deadline: Deadline,
        key: &str,
    ) -> CacheFuture<'a, Option<Value>> {
        if let Some(together) = self.join(deadline, key, permit.others()) {
            return CacheFuture::pending(async move {
                let _permit = permit;
                self.reply(deadline, together).await?.value()
            });
        }
        let key: Box<str> = key.into();
        CacheFuture::pending(async move {
            let _permit = permit;
            self.get_alone(deadline, &key).await?.value()
        })
    }

    /// The reply to `GET` of the key, which goes out on its own.
    async fn get_alone(&self, deadline: Deadline, key: &str) -> Result<Reply> {
        let get = commands::keyed("GET", key);
        let request = Request::Command(&get);
        let reply = self.server.call(deadline, Intent::Read, request).await?;
        self.large.note(key, reply.as_value());
        Ok(reply)
    }

    /// Gathers a `GET` of the key, if so many others are under way that it pays.
    fn join(self: &Arc<Self>, deadline: Deadline, key: &str, others: usize) -> Option<Together> {
        if others < FEW || self.large.holds(key) {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let mut state = self.state.lock();
        if state.batches > 0 && state.runtime != Some(runtime.id()) {
            return None;
        }
        let ask = Arc::new(Ask::new(key));
        state.waiting.push(Waiting {
            ask: Arc::clone(&ask),
            deadline,
        });
        let is_full = state.waiting.len().is_multiple_of(FULL);
        let begins = state.batches < BATCHES || is_full;
        if begins {
            state.batches += 1;
            state.runtime = Some(runtime.id());
        }
        // A runtime that is being shut down drops the batch at once, which locks the state.
        drop(state);
        if begins {
            runtime.spawn(Batch::of(self).run());
        }
        Some(Together(ask))
    }

    /// The reply of the batch to one that joined.
    async fn reply(&self, deadline: Deadline, together: Together) -> Result<Reply> {
        let ask = &*together.0;
        match timeout_at(deadline.instant(), ask.answer()).await {
            Ok(Answer::Value(value)) => {
                self.large.note(&ask.key, &value);
                Ok(Reply::new(value, Intent::Read.outcome_unanswered()))
            }
            Ok(Answer::Failure(error)) => Err(error),
            // What a batch cannot say, such as that a key holds a list, its own `GET` does. That is
            // rare, and its future is large.
            Ok(Answer::None) => Box::pin(self.get_alone(deadline, &ask.key)).await,
            Err(_) => Err(late("the server did not answer within the deadline")),
        }
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.0.withdraw();
    }
}

/// A task that asks for what has come together, batch by batch, until nobody waits.
struct Batch {
    gathering: Arc<Gathering>,
    asked: Vec<Waiting>,
}

impl Batch {
    fn of(gathering: &Arc<Gathering>) -> Self {
        Self {
            gathering: Arc::clone(gathering),
            asked: Vec::new(),
        }
    }

    async fn run(mut self) {
        loop {
            // Whoever is about to ask as well comes along.
            yield_now().await;
            if !self.take_those_who_wait() {
                return;
            }
            self.ask().await;
        }
    }

    /// False if there are none.
    fn take_those_who_wait(&mut self) -> bool {
        let mut state = self.gathering.state.lock();
        let most = state.waiting.len().min(FULL);
        self.asked.extend(state.waiting.drain(..most));
        drop(state);
        !self.asked.is_empty()
    }

    async fn ask(&mut self) {
        self.asked.retain(|waiting| waiting.ask.is_wanted());
        let Some(deadline) = self.asked.iter().map(|waiting| waiting.deadline).max() else {
            return;
        };
        let keys: Vec<_> = self.asked.iter().map(|waiting| &*waiting.ask.key).collect();
        let mget = commands::over_keys("MGET", &keys);
        let request = Request::Command(&mget);
        let server = &self.gathering.server;
        match server.call(deadline, Intent::Read, request).await {
            Err(error) => {
                for waiting in self.asked.drain(..) {
                    waiting.ask.finish(Answer::Failure(error.clone()));
                }
            }
            Ok(reply) => {
                let values = reply.values_of(keys.len());
                for (waiting, value) in self.asked.drain(..).zip(values) {
                    waiting
                        .ask
                        .finish(value.map_or(Answer::None, Answer::Value));
                }
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut state = self.gathering.state.lock();
        state.batches -= 1;
        // With its runtime gone, nobody would come for those who wait.
        let left = if state.batches == 0 {
            std::mem::take(&mut state.waiting)
        } else {
            Vec::new()
        };
        drop(state);
        for waiting in self.asked.drain(..).chain(left) {
            waiting.ask.finish(Answer::None);
        }
    }
}
