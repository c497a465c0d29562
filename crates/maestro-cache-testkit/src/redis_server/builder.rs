//! What a server is started with.

use std::time::Duration;

use super::{Certificate, RedisServer};

/// Settings of a [`RedisServer`]; made by [`RedisServer::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder starts nothing until `start` is called"]
pub struct RedisServerBuilder {
    pub(super) password: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) tcp: bool,
    pub(super) tls: Option<Certificate>,
    pub(super) demands_client_certificates: bool,
    pub(super) loading: Option<Duration>,
    pub(super) sentinel: Option<String>,
}

impl RedisServerBuilder {
    /// The password that clients have to give; [`RedisServer::url`] holds it.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// A setting of the server, such as `--maxmemory` and `1mb`.
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.extend([name.into(), value.into()]);
        self
    }

    /// Listens on a free loopback port as well as on the unix socket; the URL is that of the port.
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Listens with TLS on a free loopback port, and shows this certificate there; the URL is that
    /// of the port. It names no authority: whom to trust is for the caller to say.
    pub fn tls(mut self, certificate: &Certificate) -> Self {
        self.tls = Some(certificate.clone());
        self
    }

    /// Over TLS, turns away clients that show no certificate of the authority that issued the
    /// server's own. Without it, no client is asked.
    pub fn demand_client_certificates(mut self) -> Self {
        self.demands_client_certificates = true;
        self
    }

    /// Has a data set that takes about so long to read, and answers that it is LOADING until then,
    /// which is when [`start`](Self::start) returns. So it is after each restart.
    pub fn loading_slowly(mut self, loading: Duration) -> Self {
        self.loading = Some(loading);
        self
    }

    /// Runs as a sentinel, with this in the file that a sentinel reads and writes.
    pub(crate) fn sentinel(mut self, config: String) -> Self {
        self.sentinel = Some(config);
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server` on the `PATH`, or if it does not come up; the text holds what
    /// the server said.
    #[must_use]
    pub fn start(self) -> RedisServer {
        RedisServer::with(self)
    }
}
