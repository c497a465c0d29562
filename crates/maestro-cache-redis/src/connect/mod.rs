//! Making a connection: finding the server, opening a stream, greeting.

mod address;
mod pulse;
mod race;
#[cfg(feature = "sentinel")]
mod sentinel;
mod stream;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use maestro_cache_core::{Error, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub(crate) use address::Address;
pub(crate) use pulse::Pulse;
#[cfg(feature = "cluster")]
pub(crate) use race::first_success;
#[cfg(feature = "sentinel")]
pub(crate) use sentinel::Sentinels;
#[cfg(feature = "tls")]
pub(crate) use tls::{Tls, distrust, is_about_trust};

use crate::lost;

/// Who one is on a server.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// How to speak to servers, wherever they are.
#[derive(Clone, Default)]
pub(crate) struct Manner {
    pub(crate) login: Login,
    pub(crate) db: i64,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}

/// Which server to connect to.
pub(crate) enum Target {
    Address(Address),
    /// The one that the sentinels call the master, asked anew for each connection.
    #[cfg(feature = "sentinel")]
    Master(Sentinels),
}

impl Manner {
    /// The same manner for somebody else, who has no databases.
    #[cfg(feature = "sentinel")]
    pub(crate) fn with_login(&self, login: Login) -> Self {
        let mut manner = self.clone();
        manner.login = login;
        manner.db = 0;
        manner
    }
}

impl Target {
    /// Whether the next connection may be to another server.
    pub(crate) fn may_move(&self) -> bool {
        match self {
            Self::Address(_) => false,
            #[cfg(feature = "sentinel")]
            Self::Master(_) => true,
        }
    }
}

/// Makes connections to a server.
pub(crate) struct Connector {
    target: Target,
    manner: Manner,
}

/// A connection: its front, which is cloned for each call, and what drives it.
pub(crate) struct Connection {
    pub(crate) commands: MultiplexedConnection,
    pub(crate) driver: Arc<Driver>,
}

/// The task that reads and writes. It ends with the last one who holds it.
pub(crate) struct Driver {
    task: JoinHandle<()>,
    end: Arc<End>,
    pulse: Arc<Pulse>,
}

/// The end of a driver's task, for those who wait for it.
#[derive(Default)]
struct End {
    is_over: AtomicBool,
    over: Notify,
}

/// Tells of the end however it comes: by itself, aborted, or with its runtime.
struct TellsOfTheEnd(Arc<End>);

impl Drop for TellsOfTheEnd {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Release);
        self.0.over.notify_waiters();
    }
}

impl Connector {
    pub(crate) fn new(target: Target, manner: Manner) -> Self {
        Self { target, manner }
    }

    /// One attempt. It has no time limit of its own.
    async fn connect(&self) -> Result<Connection> {
        match &self.target {
            Target::Address(address) => self.manner.connect(address).await,
            #[cfg(feature = "sentinel")]
            Target::Master(sentinels) => {
                let named = sentinels.master().await?;
                let connection = self.manner.connect(named.master()).await?;
                let connection = sentinel::demand_a_master(connection).await?;
                named.was_right();
                Ok(connection)
            }
        }
    }
}

impl Manner {
    /// Opens a stream and greets.
    async fn connect(&self, address: &Address) -> Result<Connection> {
        let stream = self.open(address).await?;
        let (stream, pulse) = pulse::Watched::new(stream);
        // The driver's own time limit is off: one deadline spans the whole call, and the half a
        // second that is the default would cut it short.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (commands, driver) =
            MultiplexedConnection::new_with_config(&self.greeting(), stream, config)
                .await
                .map_err(|error| lost::greeting(&error))?;
        Ok(Connection {
            commands,
            driver: Arc::new(Driver::start(driver, pulse)),
        })
    }

    async fn open(&self, address: &Address) -> Result<stream::BoxedStream> {
        let opened = stream::open(address).await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.wrap(opened, address).await;
        }
        Ok(opened)
    }

    /// RESP3, since its greeting keeps the server's own error code, where the older one only says
    /// that the password was refused. `CLIENT SETINFO` is left out, since users with few rights may
    /// not run it.
    fn greeting(&self) -> RedisConnectionInfo {
        let mut greeting = RedisConnectionInfo::default()
            .set_db(self.db)
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        if let Some(user) = &self.login.user {
            greeting = greeting.set_username(user.as_str());
        }
        if let Some(password) = &self.login.password {
            greeting = greeting.set_password(password.as_str());
        }
        greeting
    }
}

impl Driver {
    fn start(driver: impl Future<Output = ()> + Send + 'static, pulse: Arc<Pulse>) -> Self {
        let end = Arc::new(End::default());
        let tells = TellsOfTheEnd(Arc::clone(&end));
        // The driver is dropped first: what it has to say to callers is said by then.
        let task = tokio::spawn(async move {
            let _tells = tells;
            driver.await;
        });
        Self { task, end, pulse }
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// True once nothing can be sent any more: the link broke, or the runtime of the task is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_over.load(Ordering::Acquire)
    }

    /// Returns once nothing can be sent any more.
    pub(crate) async fn over(&self) {
        let mut over = std::pin::pin!(self.end.over.notified());
        over.as_mut().enable();
        if !self.is_over() {
            over.await;
        }
    }

    /// Ends it now. Whoever waits for an answer is told that the connection broke.
    pub(crate) fn end(&self) {
        self.task.abort();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end();
    }
}

/// The pool makes connections with this, and bounds their number. None is ever handed back to it:
/// each stays checked out for as long as it lives. (One that arrives when the supervisor is gone is.)
impl Manager for Connector {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection> {
        self.connect().await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        if connection.driver.is_over() {
            return Err(RecycleError::message("the link broke"));
        }
        Ok(())
    }
}
