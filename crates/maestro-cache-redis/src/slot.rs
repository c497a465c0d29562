//! One place for a connection: made on demand, shared by all callers, replaced when it is lost.
//!
//! This and `connections` are the only modules that make or drop connections; what watches over
//! them in the background one day belongs here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use deadpool_redis::{Connection, Manager, Pool};
use maestro_cache_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisResult};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::call::Request;
use crate::lost;
use crate::settings::Settings;

/// After this many timeouts in a row the peer is taken for gone: a half-open link swallows bytes
/// for ever and never reports an error.
const TIMEOUTS_OF_A_DEAD_LINK: u32 = 3;

/// A place for one connection.
///
/// The connection stays checked out of a pool of one for as long as it lives, so that there is
/// never a second one that calls are sent to, and callers clone it: any number of requests is
/// pipelined over it.
pub(crate) struct Slot {
    address: Arc<str>,
    pool: Pool,
    place: Mutex<Place>,
    /// Held by the one caller that connects.
    connecting: tokio::sync::Mutex<()>,
    /// How often the driver lost a link of this slot.
    disconnects: Arc<AtomicU64>,
}

struct Place {
    state: State,
    generation: u64,
    /// The attempts to connect that failed, and how the last one did.
    failures: u64,
    last_failure: Option<Error>,
}

enum State {
    Empty,
    Linked(Link),
    Closed,
}

/// A connection and what tells whether it still works.
struct Link {
    connection: Connection,
    generation: u64,
    /// The slot's count of lost links when this one was made.
    disconnects: u64,
    /// A task that never ends, beside the driver's: once it has, their runtime is gone.
    runtime: JoinHandle<()>,
    /// Timeouts since the last answer.
    timeouts: Arc<AtomicU32>,
}

/// What a look at the place finds.
enum Found<'a> {
    Works(Lease<'a>),
    /// No connection, after so many attempts that failed.
    Nothing {
        failures: u64,
    },
}

impl Link {
    /// Ends it for new calls; those under way hold clones and may finish.
    fn discard(self) {
        self.runtime.abort();
        // A plain drop would hand it back to the pool, which would give it out again.
        drop(Connection::take(self.connection));
    }
}

impl Slot {
    pub(crate) fn new(settings: &Settings, address: Arc<str>) -> Result<Self> {
        let disconnects = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&disconnects);
        // The driver's own time limits are off: one deadline spans the whole call, and the half a
        // second that is the default would cut it short.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| -> Result<(), SendError> {
                if push.kind == PushKind::Disconnection {
                    count.fetch_add(1, Ordering::Release);
                }
                Ok(())
            });
        let unusable = || Error::new(ErrorKind::Config, "the settings of the server are unusable");
        // The errors are dropped, since they may hold the settings, and with them the password.
        let manager =
            Manager::new_with_config(settings.info.clone(), config).map_err(|_| unusable())?;
        let pool = Pool::builder(manager)
            .max_size(1)
            .build()
            .map_err(|_| unusable())?;
        Ok(Self {
            address,
            pool,
            place: Mutex::new(Place {
                state: State::Empty,
                generation: 0,
                failures: 0,
                last_failure: None,
            }),
            connecting: tokio::sync::Mutex::new(()),
            disconnects,
        })
    }

    /// The connection, which is made if there is none.
    ///
    /// Whoever comes while another one connects waits for the end of that attempt and shares it,
    /// be it good or bad: a server that is down is not asked once for each caller. If the one who
    /// connects goes away, the next in line does it.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>> {
        let failures_before = match self.current()? {
            Found::Works(lease) => return Ok(lease),
            Found::Nothing { failures } => failures,
        };
        let _turn = self.connecting.lock().await;
        if let Found::Works(lease) = self.current()? {
            return Ok(lease);
        }
        if let Some(error) = self.failure_since(failures_before) {
            return Err(error);
        }
        self.connect().await
    }

    /// The connection if there is one that works.
    fn current(&self) -> Result<Found<'_>> {
        let mut place = self.place.lock();
        let link = match &place.state {
            State::Closed => return Err(Error::closed()),
            State::Empty => {
                return Ok(Found::Nothing {
                    failures: place.failures,
                });
            }
            State::Linked(link) => link,
        };
        if link.disconnects == self.disconnects.load(Ordering::Acquire)
            && !link.runtime.is_finished()
        {
            return Ok(Found::Works(self.lease_of(link)));
        }
        // Nothing was sent over it, so the call at hand can go over a new one, even a write.
        let failures = place.failures;
        let state = std::mem::replace(&mut place.state, State::Empty);
        drop(place);
        self.discard(state, "the link was lost");
        Ok(Found::Nothing { failures })
    }

    fn lease_of(&self, link: &Link) -> Lease<'_> {
        Lease {
            slot: self,
            generation: link.generation,
            connection: MultiplexedConnection::clone(&link.connection),
            timeouts: Arc::clone(&link.timeouts),
        }
    }

    fn failure_since(&self, failures: u64) -> Option<Error> {
        let place = self.place.lock();
        place
            .last_failure
            .clone()
            .filter(|_| place.failures != failures)
    }

    async fn connect(&self) -> Result<Lease<'_>> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        // Read before, so that a link which is lost at once is not taken for a good one.
        let disconnects = self.disconnects.load(Ordering::Acquire);
        let made = self.pool.get().await;
        let mut place = self.place.lock();
        let connection = match made {
            Ok(connection) => connection,
            Err(_) if matches!(place.state, State::Closed) => return Err(Error::closed()),
            Err(error) => {
                let error = lost::connecting(&error);
                place.failures += 1;
                place.last_failure = Some(error.clone());
                drop(place);
                tracing::warn!(
                    target: "maestro_cache::redis",
                    address = &*self.address,
                    kind = ?error.kind(),
                    "cannot connect"
                );
                return Err(error);
            }
        };
        place.generation += 1;
        let link = Link {
            connection,
            generation: place.generation,
            disconnects,
            runtime: runtime.spawn(std::future::pending()),
            timeouts: Arc::default(),
        };
        if matches!(place.state, State::Closed) {
            link.discard();
            return Err(Error::closed());
        }
        let lease = self.lease_of(&link);
        place.state = State::Linked(link);
        drop(place);
        tracing::debug!(target: "maestro_cache::redis", address = &*self.address, "connected");
        Ok(lease)
    }

    /// Drops the connection of this generation, and no newer one.
    fn drop_generation(&self, generation: u64, why: &'static str) {
        let mut place = self.place.lock();
        if matches!(&place.state, State::Linked(link) if link.generation == generation) {
            let state = std::mem::replace(&mut place.state, State::Empty);
            drop(place);
            self.discard(state, why);
        }
    }

    pub(crate) fn close(&self) {
        let state = std::mem::replace(&mut self.place.lock().state, State::Closed);
        self.pool.close();
        if let State::Linked(link) = state {
            link.discard();
        }
    }

    fn discard(&self, state: State, why: &'static str) {
        if let State::Linked(link) = state {
            link.discard();
            tracing::warn!(
                target: "maestro_cache::redis",
                address = &*self.address,
                why,
                "connection dropped"
            );
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.close();
    }
}

/// A connection in the hands of one caller.
pub(crate) struct Lease<'a> {
    slot: &'a Slot,
    generation: u64,
    connection: MultiplexedConnection,
    timeouts: Arc<AtomicU32>,
}

impl Lease<'_> {
    /// Sends the request and waits for the answer, a refusal of the server among them. An error
    /// means that the connection is lost.
    pub(crate) async fn send(&mut self, request: Request<'_>) -> RedisResult<redis::Value> {
        let answer = match request {
            Request::Command(command) => self.connection.send_packed_command(command).await,
            Request::Pipeline(pipeline) => self
                .connection
                .send_packed_commands(pipeline, 0, pipeline.len())
                .await
                .map(redis::Value::Array),
        };
        match &answer {
            // Read first: all callers share the cache line, and few ever have to write it.
            Ok(_) if self.timeouts.load(Ordering::Relaxed) != 0 => {
                self.timeouts.store(0, Ordering::Relaxed);
            }
            Ok(_) => {}
            Err(_) => self.slot.drop_generation(self.generation, "the link broke"),
        }
        answer
    }

    /// To be told when the deadline passed before the answer came.
    pub(crate) fn timed_out(&self) {
        if self.timeouts.fetch_add(1, Ordering::Relaxed) + 1 >= TIMEOUTS_OF_A_DEAD_LINK {
            self.slot
                .drop_generation(self.generation, "nothing was answered in time");
        }
    }
}

pub(crate) fn no_runtime() -> Error {
    Error::new(
        ErrorKind::Config,
        "the Redis backend needs a Tokio runtime; call it from within one",
    )
}
