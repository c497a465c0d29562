//! One place for a connection: made on demand, shared by all callers, replaced when it is lost.
//!
//! This and `connections` are the only modules that make or drop connections; what watches over
//! them in the background one day belongs here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool};
use maestro_cache_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use redis::aio::{MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisResult};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::lost;
use crate::request::Request;
use crate::settings::Settings;
use crate::silence::{Silence, Verdict};

/// The longest that one attempt to connect may take. A caller with a long deadline whose attempt is
/// swallowed would keep all others from another one otherwise, though the server is well by then.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(1);

/// The longest that a link which missed an answer is listened to. What asks it keeps it open, so
/// this ends also where nobody ever finds out that the link is dead.
const LONGEST_QUESTION: Duration = Duration::from_secs(1);

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
    silence: Arc<Silence>,
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
    ///
    /// An attempt that takes too long is no end for anybody whose own deadline is further away:
    /// the next in line makes another one, and the one who made it goes to the end of the line.
    pub(crate) async fn lease(&self) -> Result<Lease<'_>> {
        loop {
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
            if let Some(lease) = self.connect().await? {
                return Ok(lease);
            }
        }
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
            silence: Arc::clone(&link.silence),
        }
    }

    fn failure_since(&self, failures: u64) -> Option<Error> {
        let place = self.place.lock();
        place
            .last_failure
            .clone()
            .filter(|_| place.failures != failures)
    }

    /// One attempt. None if it took too long.
    async fn connect(&self) -> Result<Option<Lease<'_>>> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        // Read before, so that a link which is lost at once is not taken for a good one.
        let disconnects = self.disconnects.load(Ordering::Acquire);
        let Ok(made) = timeout(LONGEST_ATTEMPT, self.pool.get()).await else {
            self.warn_of_failure(ErrorKind::Timeout);
            return Ok(None);
        };
        let mut place = self.place.lock();
        let connection = match made {
            Ok(connection) => connection,
            Err(_) if matches!(place.state, State::Closed) => return Err(Error::closed()),
            Err(error) => {
                let error = lost::connecting(&error);
                place.failures += 1;
                place.last_failure = Some(error.clone());
                drop(place);
                self.warn_of_failure(error.kind());
                return Err(error);
            }
        };
        place.generation += 1;
        let link = Link {
            connection,
            generation: place.generation,
            disconnects,
            runtime: runtime.spawn(std::future::pending()),
            silence: Arc::default(),
        };
        if matches!(place.state, State::Closed) {
            link.discard();
            return Err(Error::closed());
        }
        let lease = self.lease_of(&link);
        place.state = State::Linked(link);
        drop(place);
        tracing::debug!(target: "maestro_cache::redis", address = &*self.address, "connected");
        Ok(Some(lease))
    }

    fn warn_of_failure(&self, kind: ErrorKind) {
        tracing::warn!(
            target: "maestro_cache::redis",
            address = &*self.address,
            ?kind,
            "cannot connect"
        );
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
    silence: Arc<Silence>,
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
            Ok(_) => self.silence.answered(),
            Err(_) => self.slot.drop_generation(self.generation, "the link broke"),
        }
        answer
    }

    /// To be told when the deadline of a request passed before the answer came.
    pub(crate) fn timed_out(&self, sent: Instant) {
        match self.silence.timed_out(sent, Instant::now()) {
            Verdict::Questionable => self.ask_whether_it_answers(),
            Verdict::Doubtful => {}
            Verdict::Dead => self
                .slot
                .drop_generation(self.generation, "nothing was answered in time"),
        }
    }

    /// Sends a request that nobody gives up early. Where all callers are hasty, each answer of a
    /// slow server comes when its caller is gone, and the link would seem to be silent.
    fn ask_whether_it_answers(&self) {
        let mut connection = self.connection.clone();
        let silence = Arc::clone(&self.silence);
        tokio::spawn(async move {
            let ping = redis::cmd("PING");
            let answer = timeout(LONGEST_QUESTION, connection.send_packed_command(&ping)).await;
            if matches!(answer, Ok(Ok(_))) {
                silence.answered();
            }
        });
    }
}

pub(crate) fn no_runtime() -> Error {
    Error::new(
        ErrorKind::Config,
        "the Redis backend needs a Tokio runtime; call it from within one",
    )
}
