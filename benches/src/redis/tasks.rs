//! How clients of Redis take their turns: many tasks at the same time, on the threads of one runtime.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::clients::{Client, ClientKind};
use super::placement::Placement;
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

/// So many tasks that ask for these keys at the same time.
#[derive(Clone)]
pub(super) struct Callers {
    pub(super) tasks: usize,
    pub(super) load: Arc<Load>,
    placement: Arc<Placement>,
}

impl Callers {
    pub(super) fn new(tasks: usize, load: &Arc<Load>) -> Self {
        Self {
            tasks,
            load: Arc::clone(load),
            placement: Arc::clone(&setup().placement),
        }
    }

    /// The same ones where the server has a core of its own.
    pub(super) fn beside_server(mut self) -> Self {
        self.placement = Arc::new(Placement::beside_server(setup().server_pid()));
        self
    }

    /// Ours.
    pub(super) fn ours<O: Operation>(&self, operation: &O) -> Contestant {
        self.ours_by_name("maestro-cache", operation)
    }

    /// Ours once more, for what it does otherwise.
    pub(super) fn ours_by_name<O: Operation>(
        &self,
        name: &'static str,
        operation: &O,
    ) -> Contestant {
        let actor = Ours {
            cache: setup().ours(),
            operation: operation.clone(),
        };
        self.contestant(name, actor)
    }

    /// Another client.
    pub(super) fn theirs<O: Operation>(&self, kind: ClientKind, operation: &O) -> Contestant {
        let actor = Theirs {
            client: setup().client(kind, &self.placement),
            operation: operation.clone(),
        };
        self.contestant(kind.name(), actor)
    }

    fn contestant(&self, name: &'static str, actor: impl Actor) -> Contestant {
        let callers = self.clone();
        Contestant::new(name, Tasks { actor, callers })
    }
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
    callers: Callers,
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
        let Callers {
            tasks,
            load,
            placement,
        } = &self.callers;
        let share = operations.div_ceil(*tasks);
        placement.runtime.block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..*tasks {
                let turns = load.take_turns(share);
                set.spawn(walk(self.actor.clone(), Arc::clone(load), turns));
            }
            set.join_all().await
        })
    }
}

impl<A: Actor> Work for Tasks<A> {
    fn at_once(&self) -> usize {
        self.callers.tasks
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
