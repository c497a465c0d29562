//! How clients of Redis take their turns: many tasks at the same time, on the threads of one runtime.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::clients::{Client, ClientKind};
use super::server::setup;
use crate::contest::{Contestant, Work};
use crate::load::{Load, Step};

/// Something that both sides can do. What is not asked for by name is the same work on both.
pub(super) trait Operation: Clone + Send + Sync + 'static {
    /// Through our handle.
    fn ours(&self, cache: &maestro_cache::Cache, step: Step<'_>)
    -> impl Future<Output = ()> + Send;

    /// With another client.
    fn theirs(&self, client: &mut Client, step: Step<'_>) -> impl Future<Output = ()> + Send;
}

/// Ours, in so many tasks.
pub(super) fn ours<O: Operation>(operation: &O, tasks: usize, load: &Arc<Load>) -> Contestant {
    ours_by_name("maestro-cache", operation, tasks, load)
}

/// Ours once more, for what it does otherwise.
pub(super) fn ours_by_name<O: Operation>(
    name: &'static str,
    operation: &O,
    tasks: usize,
    load: &Arc<Load>,
) -> Contestant {
    let actor = Ours {
        cache: setup().ours(),
        operation: operation.clone(),
    };
    at_each_step(name, actor, tasks, load)
}

/// Another client, in so many tasks.
pub(super) fn theirs<O: Operation>(
    kind: ClientKind,
    operation: &O,
    tasks: usize,
    load: &Arc<Load>,
) -> Contestant {
    let actor = Theirs {
        client: setup().client(kind),
        operation: operation.clone(),
    };
    at_each_step(kind.name(), actor, tasks, load)
}

fn at_each_step(
    name: &'static str,
    actor: impl Actor,
    tasks: usize,
    load: &Arc<Load>,
) -> Contestant {
    let load = Arc::clone(load);
    Contestant::new(name, Tasks { actor, tasks, load })
}

/// One side of an operation.
trait Actor: Clone + Send + 'static {
    fn act(&mut self, step: Step<'_>) -> impl Future<Output = ()> + Send;
}

#[derive(Clone)]
struct Ours<O> {
    cache: maestro_cache::Cache,
    operation: O,
}

impl<O: Operation> Actor for Ours<O> {
    fn act(&mut self, step: Step<'_>) -> impl Future<Output = ()> + Send {
        self.operation.ours(&self.cache, step)
    }
}

#[derive(Clone)]
struct Theirs<O> {
    client: Client,
    operation: O,
}

impl<O: Operation> Actor for Theirs<O> {
    fn act(&mut self, step: Step<'_>) -> impl Future<Output = ()> + Send {
        self.operation.theirs(&mut self.client, step)
    }
}

struct Tasks<A> {
    actor: A,
    tasks: usize,
    load: Arc<Load>,
}

impl<A: Actor> Tasks<A> {
    /// Has each task walk its share of the turns, and hands back what they say at the end.
    fn spread<W, T>(
        &self,
        operations: usize,
        walk: impl Fn(A, Arc<Load>, Range<usize>) -> W,
    ) -> Vec<T>
    where
        W: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let share = operations.div_ceil(self.tasks);
        setup().runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..self.tasks {
                let turns = self.load.take_turns(share);
                set.spawn(walk(self.actor.clone(), Arc::clone(&self.load), turns));
            }
            set.join_all().await
        })
    }
}

impl<A: Actor> Work for Tasks<A> {
    fn at_once(&self) -> usize {
        self.tasks
    }

    fn time(&mut self, operations: usize) -> Duration {
        let started = Instant::now();
        self.spread(operations, |mut actor, load, turns| async move {
            for turn in turns {
                actor.act(load.step(turn)).await;
            }
        });
        started.elapsed()
    }

    fn sample(&mut self, operations: usize) -> Vec<Duration> {
        let samples = self.spread(operations, |mut actor, load, turns| async move {
            let mut samples = Vec::with_capacity(turns.len());
            for turn in turns {
                let started = Instant::now();
                actor.act(load.step(turn)).await;
                samples.push(started.elapsed());
            }
            samples
        });
        samples.concat()
    }
}
