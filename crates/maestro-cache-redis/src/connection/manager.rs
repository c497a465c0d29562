//! Making a connection: finding the server, and letting the client connect and greet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::{Manager, Pool, PoolError};
use maestro_cache_core::{Error, ErrorKind, Result};
use redis::io::AsyncDNSResolver;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, RedisError, RedisFuture, Value,
};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Address;
use super::queue::Queue;
#[cfg(feature = "sentinel")]
use super::sentinel::Sentinels;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::error::{self, ConnectionError};
use crate::{chance, commands};

/// How many messages the client takes before it has written the first of them.
const PIPELINE_BUFFER: usize = 1024;

/// How many bytes the client gathers before it writes.
const WRITE_BUFFER_BYTES: usize = 64 << 10;

#[derive(Clone, Default)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

/// How to connect to servers, wherever they are.
#[derive(Clone, Default)]
pub(crate) struct ConnectOptions {
    pub(crate) credentials: Credentials,
    pub(crate) db: i64,
    /// For one server. Finding it and connecting take no longer together.
    pub(crate) timeout: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Arc<Tls>>,
}

pub(crate) enum Target {
    Address(Address),
    /// The one that the sentinels call the master, asked anew for each connection.
    #[cfg(feature = "sentinel")]
    Master(Sentinels),
}

pub(crate) struct Connector {
    pub(super) target: Target,
    pub(super) options: ConnectOptions,
}

/// A connection to a server that was greeted, and the queue of its requests, which ends with it.
pub(crate) struct Connection {
    pub(super) client: deadpool_redis::Connection,
    pub(super) queue: Arc<Queue>,
}

impl Connector {
    /// One attempt, within the time that connecting may take. It fails if the server is found to be a
    /// replica and must not be: whom sentinels name never may.
    pub(super) async fn connect(&self, must_be_a_master: bool) -> Result<Connection> {
        let connecting = async {
            match &self.target {
                Target::Address(address) => {
                    let connection = self.options.connect(address).await?;
                    if must_be_a_master {
                        connection.demand_a_master().await?;
                    }
                    Ok(connection)
                }
                #[cfg(feature = "sentinel")]
                Target::Master(sentinels) => {
                    let (master, by) = sentinels.master().await?;
                    let connection = self.options.connect(&master).await?;
                    connection.demand_a_master().await?;
                    sentinels.was_right(by);
                    Ok(connection)
                }
            }
        };
        let connected = timeout(self.options.timeout, connecting).await;
        connected.unwrap_or_else(|_| Err(error::silent()))
    }
}

impl Connection {
    /// Says something that belongs to connecting, and returns the answer.
    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value> {
        let mut client = self.client.clone();
        let answer = client.send_packed_command(command).await;
        answer.map_err(|error| Error::from(&ConnectionError::from(error)))
    }

    /// Sentinels and addresses may still lead to a master that was just demoted. A user who may not ask
    /// for the role is taken to be right: a replica then refuses the first write.
    async fn demand_a_master(&self) -> Result<()> {
        match self.ask(&commands::command("ROLE", 0, 0)).await? {
            Value::Array(parts) if matches!(parts.first(), Some(Value::BulkString(role)) if role == b"slave") => {
                Err(error::demoted())
            }
            _ => Ok(()),
        }
    }
}

impl ConnectOptions {
    /// The same for somebody else, who has no databases.
    #[cfg(feature = "sentinel")]
    pub(crate) fn with_credentials(&self, credentials: Credentials) -> Self {
        Self {
            credentials,
            db: 0,
            ..self.clone()
        }
    }

    /// Connects and greets.
    ///
    /// The connection is the only one of a pool of its own: the certificates and the address of the
    /// next one may be others.
    pub(super) async fn connect(&self, address: &Address) -> Result<Connection> {
        let queue = Arc::new(Queue::new());
        let ends = EndsWithTheClient(Arc::clone(&queue));
        let config = AsyncConnectionConfig::new()
            // Each call has a deadline of its own, kept by the queue.
            .set_response_timeout(None)
            .set_connection_timeout(Some(self.timeout))
            .set_pipeline_buffer_size(PIPELINE_BUFFER)
            .set_write_backpressure_boundary(WRITE_BUFFER_BYTES)
            .set_dns_resolver(AnyFirst)
            // Nobody asks for news. The client drops this when its connection ends.
            .set_push_sender(move |_| {
                let _ = &ends;
                Ok::<(), ()>(())
            });
        let info = self.connection_info(address).await?;
        let manager = Manager::new_with_config(info, config).map_err(error::connecting)?;
        let pool = Pool::builder(manager).max_size(1).build();
        let pool = pool.map_err(|_| unusable_pool())?;
        match pool.get().await {
            Ok(client) => Ok(Connection { client, queue }),
            Err(PoolError::Backend(error)) => Err(error::connecting(error)),
            Err(_) => Err(unusable_pool()),
        }
    }

    async fn connection_info(&self, address: &Address) -> Result<ConnectionInfo> {
        // RESP3, since its greeting says who one is and keeps the server's own error code. `CLIENT
        // SETINFO` is left out, since users with few rights may not run it.
        let mut redis = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(self.db);
        let Credentials { user, password } = &self.credentials;
        if let Some(user) = user {
            redis = redis.set_username(user);
        }
        if let Some(password) = password {
            redis = redis.set_password(password);
        }
        let info = match address {
            #[cfg(feature = "tls")]
            Address::Tcp { host, port } if let Some(tls) = &self.tls => {
                tls.connection_info(host, *port).await?
            }
            Address::Tcp { host, port } => plain(ConnectionAddr::Tcp(host.clone(), *port))?,
            Address::Unix(path) => plain(ConnectionAddr::Unix(path.clone()))?,
        };
        // Requests are small and wait for nobody.
        let tcp = TcpSettings::default().set_nodelay(true);
        Ok(info.set_redis_settings(redis).set_tcp_settings(tcp))
    }
}

fn plain(address: ConnectionAddr) -> Result<ConnectionInfo> {
    address.into_connection_info().map_err(error::connecting)
}

fn unusable_pool() -> Error {
    Error::new(ErrorKind::Unavailable, "no connection could be made")
}

/// Tells the queue that the client has let go of its connection, however that came about.
struct EndsWithTheClient(Arc<Queue>);

impl Drop for EndsWithTheClient {
    fn drop(&mut self) {
        self.0.end(&ConnectionError::Ended);
    }
}

/// Looks names up anew each time, since servers move, and begins with any of their addresses: one that
/// takes connections and never greets would hold up each attempt.
struct AnyFirst;

impl AsyncDNSResolver for AnyFirst {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let unknown = || {
                let kind = redis::ErrorKind::InvalidClientConfig;
                RedisError::from((kind, "the host has no address"))
            };
            let found = lookup_host((host, port)).await.map_err(|_| unknown())?;
            let mut addresses: Vec<_> = found.collect();
            if addresses.is_empty() {
                return Err(unknown());
            }
            chance::turn(&mut addresses);
            Ok(Box::new(addresses.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}
