//! What a cache is built from, checked: which servers, and how to speak to them.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Result};

use crate::RedisCacheBuilder;
#[cfg(feature = "tls")]
use crate::RedisTls;
#[cfg(feature = "tls")]
use crate::connection::Tls;
use crate::connection::{ConnectOptions, Credentials};
use crate::url::{ParsedUrl, Place};

pub(crate) struct Settings {
    pub(crate) place: Place,
    #[cfg(feature = "sentinel")]
    pub(crate) sentinel_login: Option<Credentials>,
    pub(crate) connect: ConnectOptions,
    /// How many connections there are to a server.
    pub(crate) connections: usize,
    pub(crate) max_in_flight: usize,
    /// The addresses and the database, without the user: for people.
    pub(crate) name: Arc<str>,
}

/// What may be said both by the URL and by the builder, whose word goes first.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) connections: Option<usize>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) max_in_flight: Option<usize>,
    pub(crate) sentinel_login: Option<Credentials>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<RedisTls>,
}

impl Options {
    /// These, and where they say nothing, the others.
    fn or(self, others: Self) -> Self {
        Self {
            connections: self.connections.or(others.connections),
            connect_timeout: self.connect_timeout.or(others.connect_timeout),
            max_in_flight: self.max_in_flight.or(others.max_in_flight),
            sentinel_login: self.sentinel_login.or(others.sentinel_login),
            #[cfg(feature = "tls")]
            tls: self.tls.or(others.tls),
        }
    }
}

impl Settings {
    /// The options of the code go before those of the URL.
    pub(crate) fn new(
        url: &str,
        options: Options,
        #[cfg(feature = "tls")] default_tls: Option<RedisTls>,
    ) -> Result<Self> {
        let parsed = ParsedUrl::new(url)?;
        let name = parsed.name();
        let options = options.or(parsed.options);
        #[cfg(feature = "tls")]
        let default_tls = default_tls.filter(|_| parsed.is_encrypted);
        let connect = ConnectOptions {
            credentials: parsed.login,
            db: parsed.db,
            timeout: connect_timeout(options.connect_timeout)?,
            #[cfg(feature = "tls")]
            tls: tls(parsed.is_encrypted, options.tls.or(default_tls))?,
        };
        if options.sentinel_login.is_some() && !matches!(parsed.place, Place::Sentinels { .. }) {
            return Err(config(
                "there is a login for sentinels, and the URL names none; write \
                 `redis-sentinel://`, or leave it out",
            ));
        }
        Ok(Self {
            place: parsed.place,
            #[cfg(feature = "sentinel")]
            sentinel_login: options.sentinel_login,
            connect,
            connections: connections(options.connections)?,
            max_in_flight: max_in_flight(options.max_in_flight)?,
            name: name.into(),
        })
    }
}

fn connections(connections: Option<usize>) -> Result<usize> {
    let connections = connections.unwrap_or(RedisCacheBuilder::DEFAULT_CONNECTIONS);
    if (1..=RedisCacheBuilder::MAX_CONNECTIONS).contains(&connections) {
        return Ok(connections);
    }
    Err(config(format!(
        "`connections` is the number of shared connections, 1 to {}",
        RedisCacheBuilder::MAX_CONNECTIONS
    )))
}

fn connect_timeout(timeout: Option<Duration>) -> Result<Duration> {
    let timeout = timeout.unwrap_or(RedisCacheBuilder::DEFAULT_CONNECT_TIMEOUT);
    let allowed = Duration::from_millis(10)..=Duration::from_secs(60);
    if allowed.contains(&timeout) {
        return Ok(timeout);
    }
    Err(config(
        "`connect_timeout` is the time that connecting may take, 10ms to 60s",
    ))
}

fn max_in_flight(max_in_flight: Option<usize>) -> Result<usize> {
    match max_in_flight.unwrap_or(RedisCacheBuilder::DEFAULT_MAX_IN_FLIGHT) {
        0 => Err(config(
            "`max_in_flight` is the number of calls that may wait for answers, at least 1",
        )),
        calls => Ok(calls),
    }
}

#[cfg(feature = "tls")]
fn tls(is_encrypted: bool, tls: Option<RedisTls>) -> Result<Option<Arc<Tls>>> {
    match (is_encrypted, tls) {
        (true, tls) => Tls::new(tls.unwrap_or_default()).map(Some),
        (false, None) => Ok(None),
        (false, Some(_)) => Err(config(
            "there are settings of TLS, and the URL is not encrypted; write `rediss://`, \
             `rediss-cluster://` or `rediss-sentinel://`, or leave them out",
        )),
    }
}

pub(crate) fn feature_is_off(feature: &str) -> Error {
    config(format!(
        "the URL of the server needs the feature `{feature}` of the cache, which is off in this \
         build; turn it on in Cargo.toml"
    ))
}

pub(crate) fn config(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}
