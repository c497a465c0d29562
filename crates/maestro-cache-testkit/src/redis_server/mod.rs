//! A private `redis-server` for tests: no port to agree on, nothing left behind.

mod keeper;
mod speak;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use keeper::{Keeper, Started};

/// How long a server may take to answer after its start, on a machine with much else to do.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

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
    directory: PathBuf,
    running: Mutex<Running>,
}

/// Settings of a [`RedisServer`]; made by [`RedisServer::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder starts nothing until `start` is called"]
pub struct RedisServerBuilder {
    password: Option<String>,
    args: Vec<String>,
    tcp: bool,
}

#[derive(Debug)]
struct Running {
    keeper: Option<Keeper>,
    port: Option<u16>,
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

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server` on the `PATH`, or if it does not come up; the text holds what
    /// the server said.
    #[must_use]
    pub fn start(self) -> RedisServer {
        // The shell that keeps the server removes the directory, so that it goes away even if
        // this process is killed.
        let directory = tempfile::Builder::new()
            .prefix("redis-")
            .tempdir()
            .expect("a temporary directory can be made")
            .keep();
        let server = RedisServer {
            settings: self,
            directory,
            running: Mutex::new(Running {
                keeper: None,
                port: None,
            }),
        };
        server.restart();
        server
    }
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
    /// `redis://127.0.0.1:<port>` of a server on a port.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.settings.password.as_deref();
        match self.port() {
            Some(port) => {
                let user_info = password.map(|password| format!(":{password}@"));
                format!("redis://{}127.0.0.1:{port}", user_info.unwrap_or_default())
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

    /// The unix socket. It stays the same through [`restart`](Self::restart).
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("redis.sock")
    }

    /// The loopback port of a server that was started with [`RedisServerBuilder::tcp`]. It stays
    /// the same through [`restart`](Self::restart).
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.running().port
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

    /// Starts the server anew, empty, at the same address, and waits until it answers. Stops it
    /// before if it runs.
    ///
    /// # Panics
    ///
    /// As [`RedisServerBuilder::start`].
    pub fn restart(&self) {
        let mut running = self.running();
        drop(running.keeper.take());
        // Somebody else may take a free port before the server does; it then gets another one.
        let mut attempts = if running.port.is_none() { 20 } else { 1 };
        loop {
            attempts -= 1;
            let port = self
                .settings
                .tcp
                .then(|| running.port.unwrap_or_else(free_port));
            let keeper = Keeper::start(&self.directory, &self.arguments(port));
            match wait_until_it_answers(&keeper, &self.socket(), self.settings.password.as_deref())
            {
                Started::Answers => {
                    *running = Running {
                        keeper: Some(keeper),
                        port,
                    };
                    return;
                }
                Started::PortTaken if attempts > 0 => {}
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
    }

    /// Lets a frozen server go on.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn resume(&self) {
        self.running_keeper(Keeper::resume);
    }

    /// Sends one command in a connection of its own and returns the raw first answer, for what a
    /// test does behind the back of the client: `server.command(&["CLIENT", "KILL", …])`.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[must_use]
    pub fn command(&self, command: &[&str]) -> String {
        speak::command(&self.socket(), self.settings.password.as_deref(), command)
            .expect("the server answers")
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // A failed start leaves nothing half done behind.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running_keeper(&self, act: impl FnOnce(&Keeper)) {
        act(self.running().keeper.as_ref().expect("the server runs"));
    }

    fn arguments(&self, port: Option<u16>) -> Vec<String> {
        let socket = self.socket().display().to_string();
        let port = port.unwrap_or(0).to_string();
        let mut arguments: Vec<String> = [
            ["--port", &port],
            ["--bind", "127.0.0.1"],
            ["--unixsocket", &socket],
            ["--unixsocketperm", "700"],
            ["--dir", &self.directory.display().to_string()],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--daemonize", "no"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        if let Some(password) = &self.settings.password {
            arguments.extend(["--requirepass".to_owned(), password.clone()]);
        }
        arguments.extend(self.settings.args.iter().cloned());
        arguments
    }
}

fn wait_until_it_answers(keeper: &Keeper, socket: &Path, password: Option<&str>) -> Started {
    let begin = Instant::now();
    while begin.elapsed() < START_TIMEOUT {
        if keeper.has_ended() {
            return keeper.why_it_ended();
        }
        if speak::command(socket, password, &["PING"]).is_ok_and(|answer| answer == "+PONG") {
            return Started::Answers;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Started::Failed
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("there is a free port")
        .port()
}
