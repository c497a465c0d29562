//! Making a connection: finding the server, opening a stream, greeting.

mod address;
mod race;
#[cfg(feature = "sentinel")]
mod sentinel;
mod stream;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use maestro_cache_core::{Error, Result};

pub(crate) use address::Address;
#[cfg(feature = "cluster")]
pub(crate) use race::first_success;
#[cfg(feature = "sentinel")]
pub(crate) use sentinel::Sentinels;
pub(crate) use stream::Stream;
#[cfg(feature = "tls")]
pub(crate) use tls::{Tls, distrust, is_about_trust};

use crate::call::Deadline;
#[cfg(feature = "sentinel")]
use crate::driver::Why;
use crate::driver::{Answer, Driver};
use crate::request::Request;
use crate::resp::{Command, Pipeline, Value};
use crate::{classify, lost};

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

/// A connection to a server that was greeted.
pub(crate) struct Connection {
    pub(crate) driver: Arc<Driver>,
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
        let driver = Driver::start(self.open(address).await?);
        let connection = Connection {
            driver: Arc::new(driver),
        };
        match connection.ask(self.greeting().into()).await {
            Ok(Value::Array(answers)) => {
                for answer in &answers {
                    if let Value::Refusal(refusal) = answer {
                        return Err(classify::refusal(refusal));
                    }
                }
                Ok(connection)
            }
            Ok(_) => Err(lost::no_redis()),
            Err(unanswered) => Err(lost::greeting(&unanswered)),
        }
    }

    async fn open(&self, address: &Address) -> Result<stream::BoxedStream> {
        let opened = stream::open(address).await?;
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.wrap(opened, address).await;
        }
        Ok(opened)
    }

    /// RESP3, since its greeting says who one is and keeps the server's own error code. `CLIENT
    /// SETINFO` is left out, since users with few rights may not run it.
    fn greeting(&self) -> Pipeline {
        let Login { user, password } = &self.login;
        let mut greeting = Pipeline::new();
        let mut hello;
        if let Some(password) = password {
            let user = user.as_deref().unwrap_or("default");
            hello = Command::new("HELLO", 4, user.len() + password.len() + 5);
            hello.number(3).arg("AUTH").arg(user).arg(password);
        } else {
            hello = Command::new("HELLO", 1, 1);
            hello.number(3);
        }
        greeting.add(hello);
        if self.db != 0 {
            let mut select = Command::new("SELECT", 1, 8);
            select.number(self.db);
            greeting.add(select);
        }
        greeting
    }
}

impl Connection {
    /// Says something that belongs to connecting, and returns the answer.
    #[cfg(feature = "sentinel")]
    async fn say(&self, command: Command) -> Result<Value> {
        let answer = self.ask(command.into()).await;
        answer.map_err(|unanswered| match &unanswered.why {
            Why::Lost(lost) => lost::request(lost),
            Why::Late => lost::unanswered(),
        })
    }

    /// Sends the request and waits for the answer, without a deadline: whoever connects has one.
    async fn ask(&self, request: Request) -> Answer {
        let never = Deadline::after(Duration::MAX);
        self.driver.ask(never.instant(), request).await
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
