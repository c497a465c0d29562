//! One process of a fleet: some tasks that read, and now and then write and invalidate.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Cache, StaleIfError};
use maestro_cache_redis::RedisCache;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::history::{Event, Journal, now};
use super::{Contender, Fleet, Source};
use crate::chance::Chance;

const TASKS: u64 = 8;

/// The key that counts how often the database was asked for a value.
pub(super) const LOADS: &str = "loads";

/// What one process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Worker {
    pub(super) contender: Contender,
    pub(super) cache: String,
    pub(super) database: String,
    pub(super) journal: PathBuf,
    pub(super) seed: u64,
    pub(super) fleet: Fleet,
}

#[derive(Clone)]
enum Store {
    Ours(Cache),
    OursServingOld(Cache, Duration),
    GetThenSet(Cache),
    Moka(moka::future::Cache<u32, u64>),
}

struct Process {
    store: Store,
    database: MultiplexedConnection,
    journal: Journal,
    fleet: Fleet,
}

impl Worker {
    /// Works until the time is over.
    pub async fn run(self) {
        let ours = || {
            let backend = RedisCache::new(&self.cache).unwrap();
            Cache::builder(backend)
                .key_prefix("fleet:")
                .build()
                .unwrap()
        };
        let store = match self.contender {
            Contender::Ours => Store::Ours(ours()),
            Contender::OursServingOld(old) => Store::OursServingOld(ours(), old),
            Contender::GetThenSet => Store::GetThenSet(ours()),
            Contender::Moka => Store::Moka(
                moka::future::Cache::builder()
                    .time_to_live(self.fleet.ttl)
                    .build(),
            ),
        };
        let client = redis::Client::open(self.database.as_str()).unwrap();
        // A process that was stopped finds all its timers due, and the answers beside them.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&patient);
        let process = Arc::new(Process {
            store,
            database: connecting.await.unwrap(),
            journal: Journal::new(&self.journal),
            fleet: self.fleet,
        });
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let process = Arc::clone(&process);
            let chance = Chance::new(self.seed * TASKS + task);
            tasks.spawn(async move { process.work(chance).await });
        }
        let flushes = {
            let process = Arc::clone(&process);
            tokio::spawn(async move {
                let mut flush = interval(Duration::from_millis(100));
                loop {
                    flush.tick().await;
                    process.journal.flush();
                }
            })
        };
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        flushes.abort();
        process.journal.flush();
    }
}

impl Process {
    async fn work(self: &Arc<Self>, mut chance: Chance) {
        let end = Instant::now() + self.fleet.time;
        let writes = self.fleet.writes_of_a_thousand;
        let forgotten = self.fleet.forgotten_of_a_thousand;
        while Instant::now() < end {
            let key = u32::try_from(chance.below(self.fleet.keys.into())).unwrap();
            let choice = chance.below(1000);
            if choice < writes + forgotten {
                let version = self.write(key).await;
                if choice < writes {
                    self.invalidate(key, version).await;
                }
            } else {
                self.read(key, Duration::from_micros(chance.below(3000)))
                    .await;
            }
            // Memory alone would never let the others have a turn.
            tokio::task::yield_now().await;
        }
    }

    async fn read(self: &Arc<Self>, key: u32, load_takes: Duration) {
        let began = now();
        let process = Arc::clone(self);
        let load = move || async move { process.load(key, load_takes).await };
        let version = match &self.store {
            Store::Ours(cache) => {
                let name = name(key);
                let load = cache.get_or_compute(&name, load).ttl(self.fleet.ttl);
                load.await.ok()
            }
            Store::OursServingOld(cache, old) => {
                let back_off = *old / 8;
                let name = name(key);
                let load = cache
                    .get_or_compute(&name, load)
                    .ttl(self.fleet.ttl)
                    .stale_while_revalidate(*old / 2)
                    .stale_if_error(StaleIfError::within(*old).back_off(back_off));
                load.await.ok()
            }
            Store::GetThenSet(cache) => match cache.get::<u64>(&name(key)).await {
                Ok(Some(version)) => Some(version),
                _ => {
                    let loaded = load().await.ok();
                    if let Some(version) = loaded {
                        // One that is not stored is loaded again.
                        let _ = cache.set(&name(key), &version).ttl(self.fleet.ttl).await;
                    }
                    loaded
                }
            },
            Store::Moka(cache) => cache.try_get_with(key, load()).await.ok(),
        };
        self.journal.note(match version {
            Some(version) => Event::Read {
                key,
                began,
                version,
            },
            None => Event::Failed { key, began },
        });
    }

    /// Reads the version first, and takes its time with the rest.
    async fn load(&self, key: u32, takes: Duration) -> Result<u64, Outage> {
        let mut database = self.database.clone();
        let (version, _): (Option<u64>, u64) = redis::pipe()
            .get(name(key))
            .incr(LOADS, 1)
            .query_async(&mut database)
            .await
            .expect("the database is well");
        sleep(takes).await;
        if self.fleet.source == Source::WithOutages && is_out(now()) {
            return Err(Outage);
        }
        Ok(version.unwrap_or(0))
    }

    async fn write(&self, key: u32) -> u64 {
        let mut database = self.database.clone();
        let mut increment = redis::cmd("INCR");
        increment.arg(name(key));
        let version = increment.query_async(&mut database).await;
        let version = version.expect("the database is well");
        let by = now();
        self.journal.note(Event::Written { key, by, version });
        version
    }

    async fn invalidate(&self, key: u32, version: u64) {
        let is_invalidated = match &self.store {
            Store::Ours(cache) | Store::OursServingOld(cache, _) | Store::GetThenSet(cache) => {
                cache.delete(&name(key)).await.is_ok()
            }
            Store::Moka(cache) => {
                cache.invalidate(&key).await;
                true
            }
        };
        if is_invalidated {
            let by = now();
            self.journal.note(Event::Invalidated { key, by, version });
        }
    }
}

/// Why nothing is loaded for a while.
#[derive(Debug)]
struct Outage;

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an outage of the database")
    }
}

impl std::error::Error for Outage {}

/// Whether all processes are in an outage by then: six seconds of eight.
fn is_out(now: u64) -> bool {
    now / 1_000_000_000 % 8 >= 2
}

fn name(key: u32) -> String {
    format!("key:{key}")
}
