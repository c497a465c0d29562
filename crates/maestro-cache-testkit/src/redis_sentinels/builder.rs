//! How the servers and their sentinels come to be.

use std::time::Duration;

use super::{NAME, RedisSentinels, ask_often, port};
use crate::redis_server::{Certificate, RedisServer, RedisServerBuilder};

const SENTINELS: usize = 3;

/// Settings of [`RedisSentinels`]; made by [`RedisSentinels::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder starts nothing until `start` is called"]
pub struct RedisSentinelsBuilder {
    replicas: usize,
    password: Option<String>,
    sentinel_password: Option<String>,
    down_after: Duration,
    /// What each of them begins as: how it listens, and with TLS or without.
    each: RedisServerBuilder,
}

impl Default for RedisSentinelsBuilder {
    fn default() -> Self {
        Self {
            replicas: 1,
            password: None,
            sentinel_password: None,
            down_after: Duration::from_secs(1),
            each: RedisServer::builder().tcp(),
        }
    }
}

impl RedisSentinelsBuilder {
    /// How many replicas the master has; one unless told otherwise.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// The password of the servers that hold data; [`RedisSentinels::url`] holds it.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The password of the sentinels, which the URL does not hold.
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.sentinel_password = Some(password.into());
        self
    }

    /// How long the master may be silent before it counts as failed; a second unless told
    /// otherwise.
    pub fn down_after(mut self, silence: Duration) -> Self {
        self.down_after = silence;
        self
    }

    /// Lets the servers and the sentinels speak TLS, to clients and among themselves, and show this
    /// certificate to both; [`RedisSentinels::url`] says so, and names no authority.
    pub fn tls(mut self, certificate: &Certificate) -> Self {
        self.each = self.each.tls(certificate).arg("--tls-replication", "yes");
        self
    }

    /// As [`RedisServerBuilder::demand_client_certificates`], on all servers and sentinels.
    pub fn demand_client_certificates(mut self) -> Self {
        self.each = self.each.demand_client_certificates();
        self
    }

    /// Starts all and waits until the replicas are in sync and the sentinels know one another,
    /// which takes some seconds.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server` on the `PATH`, if one does not come up, or if they do not come
    /// together within a minute.
    #[must_use]
    pub fn start(self) -> RedisSentinels {
        let master = self.server().start();
        let master_port = port(&master);
        let mut servers = vec![master];
        for _ in 0..self.replicas {
            let replica = self.server();
            let replica = replica.arg("--replicaof", format!("127.0.0.1 {master_port}"));
            servers.push(replica.start());
        }
        let sentinels = (0..SENTINELS).map(|_| self.sentinel(master_port).start());
        let started = RedisSentinels {
            sentinels: sentinels.collect(),
            servers,
            password: self.password,
        };
        started.sentinels.iter().for_each(ask_often);
        started.wait_until_well();
        started
    }

    fn server(&self) -> RedisServerBuilder {
        // A replica is given its data at once, without waiting for others that may want it.
        let server = self.each.clone().arg("--repl-diskless-sync-delay", "0");
        match &self.password {
            // Who is master today may be a replica tomorrow.
            Some(password) => server.password(password).arg("--masterauth", password),
            None => server,
        }
    }

    fn sentinel(&self, master_port: u16) -> RedisServerBuilder {
        let down_after = self.down_after.as_millis();
        let mut config = format!(
            "sentinel monitor {NAME} 127.0.0.1 {master_port} 2\n\
             sentinel down-after-milliseconds {NAME} {down_after}\n\
             sentinel failover-timeout {NAME} 5000\n\
             sentinel parallel-syncs {NAME} 2\n"
        );
        if let Some(password) = &self.password {
            config.push_str(&format!("sentinel auth-pass {NAME} {password}\n"));
        }
        let mut sentinel = self.each.clone();
        if let Some(password) = &self.sentinel_password {
            config.push_str(&format!("sentinel sentinel-pass {password}\n"));
            sentinel = sentinel.password(password);
        }
        sentinel.sentinel(config)
    }
}
