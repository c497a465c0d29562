//! The one server of all contests, on a port of loopback, since production reaches Redis over TCP.

use std::sync::OnceLock;
use std::time::Duration;

use maestro_cache::{Bytes, Cache, RedisCache, Ttl};
use maestro_cache_testkit::RedisServer;
use tokio::runtime::Runtime;

use super::clients::{Client, ClientKind};
use crate::load::Load;
use crate::{PREFIX, User};

/// Longer than any call takes on a busy machine. The deadline is kept nevertheless.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server, and the runtime that all clients share.
pub(super) struct Setup {
    pub(super) runtime: Runtime,
    server: RedisServer,
}

/// Started by the first who asks.
pub(super) fn setup() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| Setup {
        runtime: Runtime::new().expect("a runtime starts"),
        server: RedisServer::builder().tcp().start(),
    })
}

impl Setup {
    /// Ours, over connections of its own.
    pub(super) fn ours(&self) -> Cache {
        let backend =
            RedisCache::new(&self.server.url()).expect("the address of the server is right");
        Cache::builder(backend)
            .key_prefix(PREFIX)
            .default_ttl(Ttl::Never)
            .timeout(TIMEOUT)
            .build()
            .expect("the settings are right")
    }

    /// Another client, with its defaults.
    pub(super) fn client(&self, kind: ClientKind) -> Client {
        self.runtime
            .block_on(Client::connect(kind, &self.server.url()))
    }

    /// Where the server listens.
    pub(super) fn port(&self) -> u16 {
        self.server.port().expect("the server listens on a port")
    }

    /// Empties the server.
    pub(super) fn flush(&self) {
        let answer = self.server.command(&["FLUSHALL"]);
        assert_eq!(answer.trim(), "+OK", "the server can be emptied");
    }

    /// Empties the server, and stores a user under each key.
    pub(super) fn fill_with_users(&self, load: &Load) {
        self.fill(load, |id| User::new(id).encode().into());
    }

    /// Empties the server, and stores something under each key.
    pub(super) fn fill(&self, load: &Load, value: impl Fn(usize) -> Bytes) {
        self.flush();
        self.add(load, value);
    }

    /// Stores something under each key.
    pub(super) fn add(&self, load: &Load, value: impl Fn(usize) -> Bytes) {
        const AT_ONCE: usize = 1_000;
        let mut client = self.client(ClientKind::Multiplexed);
        let steps: Vec<_> = load.each_once().collect();
        for steps in steps.chunks(AT_ONCE) {
            let mut commands = ::redis::pipe();
            for step in steps {
                commands.set(step.stored, &value(step.id)[..]).ignore();
            }
            self.runtime.block_on(client.pipeline::<()>(&commands));
        }
    }
}
