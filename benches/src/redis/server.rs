//! The one server of all contests, on a port of loopback, since production reaches Redis over TCP.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use maestro_cache::{Bytes, Cache, RedisCache};
use maestro_cache_testkit::RedisServer;

use super::clients::{Client, ClientKind};
use super::commands::set;
use super::placement::Placement;
use crate::load::Load;
use crate::{PREFIX, User};

/// Longer than any call takes on a busy machine. The deadline is kept nevertheless.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server, and where its clients run unless a contest says otherwise.
pub(super) struct Setup {
    pub(super) placement: Arc<Placement>,
    server: RedisServer,
}

/// Started by the first who asks.
pub(super) fn setup() -> &'static Setup {
    static SETUP: OnceLock<Setup> = OnceLock::new();
    SETUP.get_or_init(|| Setup {
        placement: Arc::new(Placement::two_workers()),
        server: RedisServer::builder().tcp().start(),
    })
}

impl Setup {
    /// The process of the server.
    pub(super) fn server_pid(&self) -> u32 {
        self.server.pid().expect("the server runs")
    }

    /// Ours, over connections of its own, with the time to live that a service gets that names none.
    pub(super) fn ours(&self) -> Cache {
        let backend =
            RedisCache::new(&self.server.url()).expect("the address of the server is right");
        Cache::builder(backend)
            .key_prefix(PREFIX)
            .timeout(TIMEOUT)
            .build()
            .expect("the settings are right")
    }

    /// Another client, with its defaults.
    pub(super) fn client(&self, kind: ClientKind, placement: &Placement) -> Client {
        let url = self.server.url();
        placement.runtime.block_on(Client::connect(kind, &url))
    }

    /// Runs this where the clients run unless a contest says otherwise.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.placement.runtime.block_on(future)
    }

    /// Writes each command that arrives from now on into the stream, one a line.
    pub(super) fn monitor(&self) -> BufReader<TcpStream> {
        let port = self.server.port().expect("the server listens on a port");
        let stream = TcpStream::connect(("127.0.0.1", port));
        let mut lines = BufReader::new(stream.expect("the server listens"));
        let asked = lines.get_mut().write_all(b"MONITOR\r\n");
        let answered = asked.and_then(|()| lines.read_line(&mut String::new()));
        answered.expect("the server can be watched");
        lines
    }

    /// Has the server say something, which those who watch it see as well.
    pub(super) fn echo(&self, text: &str) {
        let answer = self.server.ask(&["ECHO", text]);
        assert!(!answer.is_error(), "the server says what it is told");
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
        let mut client = self.client(ClientKind::Multiplexed, &self.placement);
        let steps: Vec<_> = load.each_once().collect();
        for steps in steps.chunks(AT_ONCE) {
            let mut commands = ::redis::pipe();
            for step in steps {
                let command = set(step.stored, &value(step.id));
                commands.add_command(command).ignore();
            }
            self.block_on(client.pipeline::<()>(&commands));
        }
    }
}
