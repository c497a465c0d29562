//! A private `redis-server` for tests: no port to agree on, nothing left behind.

mod answer;
mod builder;
mod certificate;
mod directory;
mod keeper;
mod loading;
mod speak;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::poll;
use crate::port::Port;

pub use answer::Answer;
pub use builder::RedisServerBuilder;
pub use certificate::Certificate;
pub(crate) use directory::Directory;
use keeper::{Keeper, Started};

/// What a server saves; it is gone after a restart, as all that it held. That of a server that loads
/// slowly has another name.
const SAVED: &str = "dump.rdb";

/// What a sentinel reads first and keeps its state in; that one survives a restart.
const SENTINEL_CONFIG: &str = "sentinel.conf";

/// A private `redis-server` that lives as long as this value, and never longer than the test
/// process.
///
/// It listens on a unix socket in a directory of its own, or on a free loopback port
/// ([`RedisServerBuilder::tcp`]), saves nothing, and answers when `start` returns. It ends when
/// the value is dropped, when the test panics, and also when the process is killed or the value
/// sits in a `static`: a shell between the two ends it once the pipe from the process closes.
///
/// # Examples
///
/// ```no_run
/// use maestro_cache_testkit::RedisServer;
///
/// let server = RedisServer::start();
/// println!("connect to {}", server.url());
/// ```
#[derive(Debug)]
pub struct RedisServer {
    settings: RedisServerBuilder,
    // Dropped in this order: the server is gone before its directory.
    running: Mutex<Running>,
    directory: Directory,
}

#[derive(Debug)]
struct Running {
    keeper: Option<Keeper>,
    port: Option<Port>,
    /// What it shows over TLS.
    certificate: Option<Certificate>,
    paused: bool,
}

impl RedisServer {
    /// Starts a server on a unix socket, with the defaults.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`].
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Settings for a server that is not the usual one.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    fn with(settings: RedisServerBuilder) -> Self {
        let directory = Directory::new();
        if let Some(config) = &settings.sentinel {
            std::fs::write(directory.path().join(SENTINEL_CONFIG), config)
                .expect("the file of the sentinel can be written");
        }
        let certificate = settings.tls.clone();
        let server = Self {
            settings,
            running: Mutex::new(Running {
                keeper: None,
                port: None,
                certificate,
                paused: false,
            }),
            directory,
        };
        server.restart();
        if server.settings.loading.is_some() {
            server.fill();
            server.restart();
        }
        server
    }

    /// The one server that all tests of this process share, for those that neither stop nor
    /// reconfigure it. It is started by the first who asks.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`].
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// The URL to connect to, password included: `redis+unix:///…/redis.sock`, or
    /// `redis://127.0.0.1:<port>` of a server on a port, `rediss://` if it speaks TLS there.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.settings.password.as_deref();
        match self.port() {
            Some(port) => {
                let user_info = password.map(|password| format!(":{password}@"));
                let user_info = user_info.unwrap_or_default();
                format!("{}://{user_info}127.0.0.1:{port}", self.scheme())
            }
            None => {
                let query = password.map(|password| format!("?pass={password}"));
                let socket = self.socket();
                format!(
                    "redis+unix://{}{}",
                    socket.display(),
                    query.unwrap_or_default()
                )
            }
        }
    }

    /// What the URL of its port begins with.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.settings.tls {
            Some(_) => "rediss",
            None => "redis",
        }
    }

    /// The unix socket. It stays the same through [`restart`](Self::restart).
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// The loopback port of a server that was started with [`RedisServerBuilder::tcp`] or
    /// [`tls`](RedisServerBuilder::tls). It stays the same through [`restart`](Self::restart).
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.running().port.as_ref().map(Port::number)
    }

    /// The process of the server; `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running().keeper.as_ref().map(Keeper::pid)
    }

    /// Kills the server, as a crash would, and waits until it is gone. Does nothing if it is.
    pub fn stop(&self) {
        let keeper = self.running().keeper.take();
        drop(keeper);
    }

    /// As [`restart`](Self::restart), with another certificate to show from now on.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`], and if it does not speak TLS.
    pub fn restart_with(&self, certificate: &Certificate) {
        assert!(self.settings.tls.is_some(), "the server speaks TLS");
        self.running().certificate = Some(certificate.clone());
        self.restart();
    }

    /// Starts the server anew, empty or with the data set that it loads slowly, at the same address,
    /// and waits until it answers. Stops it before if it runs.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`].
    pub fn restart(&self) {
        let mut running = self.running();
        drop(running.keeper.take());
        // Most servers save nothing; a replica keeps what its master sent.
        let _ = std::fs::remove_file(self.directory.path().join(SAVED));
        // Where a port cannot be kept, somebody else may take it before the server does; it then
        // gets another one.
        let mut attempts = if running.port.is_none() { 20 } else { 1 };
        loop {
            attempts -= 1;
            let is_on_a_port = self.settings.tcp || self.settings.tls.is_some();
            if is_on_a_port && running.port.is_none() {
                running.port = Some(Port::free());
            }
            let keeper = Keeper::start(self.directory.path(), &self.arguments(&running));
            match self.wait_until_it_answers(&keeper) {
                Started::Answers => {
                    running.keeper = Some(keeper);
                    running.paused = false;
                    return;
                }
                Started::PortTaken if attempts > 0 => running.port = None,
                Started::PortTaken | Started::Failed => {
                    let log = keeper.log();
                    drop(keeper);
                    panic!("the redis-server of this test did not come up; it said:\n{log}");
                }
            }
        }
    }

    /// Freezes the server: connections stay open and nothing is answered until
    /// [`resume`](Self::resume).
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn pause(&self) {
        self.running_keeper(Keeper::pause);
        self.running().paused = true;
    }

    /// Lets a frozen server go on.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn resume(&self) {
        self.running_keeper(Keeper::resume);
        self.running().paused = false;
    }

    /// Sends one command in a connection of its own and returns the raw first answer, for what a
    /// test does behind the back of the client: `server.command(&["CLIENT", "KILL", …])`.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn command(&self, command: &[&str]) -> String {
        self.ask(command).first_line()
    }

    /// As [`command`](Self::command), with the whole answer: `server.ask(&["KEYS", "*"]).list()`.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn ask(&self, command: &[impl AsRef<[u8]>]) -> Answer {
        self.try_ask(command).expect("the server answers")
    }

    /// As [`ask`](Self::ask), of a server that may be about to go.
    pub(crate) fn try_ask(&self, command: &[impl AsRef<[u8]>]) -> io::Result<Answer> {
        speak::ask(&self.socket(), self.settings.password.as_deref(), command)
    }

    /// True unless it is stopped or frozen.
    pub(crate) fn is_awake(&self) -> bool {
        let running = self.running();
        running.keeper.is_some() && !running.paused
    }

    /// The value of one line of `INFO`.
    pub(crate) fn info(&self, name: &str) -> Option<String> {
        let answer = self.try_ask(&["INFO"]).ok()?;
        let Answer::Bytes(_) = answer else {
            return None;
        };
        let line = answer
            .text()
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::to_owned)
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // A failed start leaves nothing half done behind.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running_keeper(&self, act: impl FnOnce(&Keeper)) {
        act(self.running().keeper.as_ref().expect("the server runs"));
    }

    fn wait_until_it_answers(&self, keeper: &Keeper) -> Started {
        let may_be_loading = self.settings.loading.is_some();
        poll::until_or_none(|| {
            if keeper.has_ended() {
                return Some(keeper.why_it_ended());
            }
            let line = self.try_ask(&["PING"]).ok()?.first_line();
            let is_up = line == "+PONG" || may_be_loading && line.starts_with("-LOADING");
            is_up.then_some(Started::Answers)
        })
        .unwrap_or(Started::Failed)
    }

    fn arguments(&self, running: &Running) -> Vec<String> {
        let socket = self.socket().display().to_string();
        let port = running.port.as_ref().map_or(0, Port::number).to_string();
        let (plain, encrypted) = match running.certificate {
            Some(_) => ("0", &*port),
            None => (&*port, "0"),
        };
        let directory = self.directory.path();
        let mut arguments = Vec::new();
        if self.settings.sentinel.is_some() {
            let config = directory.join(SENTINEL_CONFIG).display().to_string();
            arguments.extend([config, "--sentinel".to_owned()]);
        }
        let common = [
            ["--port", plain],
            ["--bind", "127.0.0.1"],
            ["--unixsocket", &socket],
            ["--unixsocketperm", "700"],
            ["--dir", &directory.display().to_string()],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--daemonize", "no"],
        ];
        arguments.extend(common.concat().into_iter().map(str::to_owned));
        if let Some(certificate) = &running.certificate {
            let demands = self.settings.demands_client_certificates;
            let tls = [
                ["--tls-port", encrypted],
                [
                    "--tls-cert-file",
                    &certificate.certificate.display().to_string(),
                ],
                ["--tls-key-file", &certificate.key.display().to_string()],
                [
                    "--tls-ca-cert-file",
                    &certificate.authority.display().to_string(),
                ],
                ["--tls-auth-clients", if demands { "yes" } else { "no" }],
            ];
            arguments.extend(tls.concat().into_iter().map(str::to_owned));
        }
        if let Some(loading) = self.settings.loading {
            arguments.extend(loading::arguments(loading));
        }
        if let Some(password) = &self.settings.password {
            arguments.extend(["--requirepass".to_owned(), password.clone()]);
        }
        arguments.extend(self.settings.args.iter().cloned());
        arguments
    }
}
