//! The other clients, each with its defaults, with which most programs use them.

use ::redis::aio::{ConnectionManager, MultiplexedConnection};
use ::redis::{Cmd, FromRedisValue, Pipeline};

const ANSWERED: &str = "the server of this measurement answers";

/// Which client.
#[derive(Clone, Copy, Debug)]
pub(super) enum ClientKind {
    Multiplexed,
    Manager,
    Pool,
}

/// A client at work.
#[derive(Clone)]
pub(super) enum Client {
    Multiplexed(MultiplexedConnection),
    Manager(ConnectionManager),
    /// A checkout for each call.
    Pool(deadpool_redis::Pool),
}

impl ClientKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Multiplexed => "one multiplexed connection",
            Self::Manager => "ConnectionManager",
            Self::Pool => "deadpool-redis",
        }
    }
}

impl Client {
    pub(super) async fn connect(kind: ClientKind, url: &str) -> Self {
        let client = || ::redis::Client::open(url).expect("the address of the server is right");
        match kind {
            ClientKind::Multiplexed => {
                let connection = client().get_multiplexed_async_connection().await;
                Self::Multiplexed(connection.expect(ANSWERED))
            }
            ClientKind::Manager => {
                let manager = client().get_connection_manager().await;
                Self::Manager(manager.expect(ANSWERED))
            }
            ClientKind::Pool => {
                let config = deadpool_redis::Config::from_url(url);
                let pool = config.create_pool(Some(deadpool_redis::Runtime::Tokio1));
                Self::Pool(pool.expect("the settings of the pool are right"))
            }
        }
    }

    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> T {
        let answer = match self {
            Self::Multiplexed(connection) => command.query_async(connection).await,
            Self::Manager(manager) => command.query_async(manager).await,
            Self::Pool(pool) => {
                let mut connection = pool.get().await.expect(ANSWERED);
                command.query_async(&mut connection).await
            }
        };
        answer.expect(ANSWERED)
    }

    pub(super) async fn pipeline<T: FromRedisValue>(&mut self, commands: &Pipeline) -> T {
        let answer = match self {
            Self::Multiplexed(connection) => commands.query_async(connection).await,
            Self::Manager(manager) => commands.query_async(manager).await,
            Self::Pool(pool) => {
                let mut connection = pool.get().await.expect(ANSWERED);
                commands.query_async(&mut connection).await
            }
        };
        answer.expect(ANSWERED)
    }
}
