//! A TCP proxy that does to connections what networks do.

mod connection;
mod fault;
mod pump;
mod relay;

use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::UnboundedSender;

pub use fault::Fault;
use relay::{Act, Relay};

use crate::poll;

/// A TCP proxy on a free loopback port, in front of a server on another one, that breaks
/// connections in the way it is told to.
///
/// It runs in a thread of its own, so that a test that keeps its runtime busy does not slow it
/// down, and ends when the value is dropped; its connections are closed then. What a method asks
/// for has happened when it returns: what comes through afterwards comes through under the new
/// fault. The methods wait for that thread only, and can be called from asynchronous code.
///
/// A connection whose server cannot be reached is accepted and then reset.
///
/// # Examples
///
/// ```no_run
/// use maestro_cache_testkit::{Fault, FaultProxy, RedisServer};
///
/// let server = RedisServer::builder().tcp().start();
/// let proxy = FaultProxy::start(server.port().unwrap());
/// println!("connect to {}", proxy.url());
/// proxy.set_fault(Fault::BlackHole);
/// // Nothing is answered …
/// proxy.heal();
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    acts: Option<UnboundedSender<Act>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy in front of this port of 127.0.0.1, without a fault.
    ///
    /// # Panics
    ///
    /// If the system gives no port or no thread.
    #[must_use]
    pub fn start(target_port: u16) -> Self {
        let (port, started) = mpsc::channel();
        let (acts, received) = tokio::sync::mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("fault-proxy".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made");
                runtime.block_on(async {
                    let relay = Relay::new(target_port);
                    // Nobody waits if the start was given up.
                    let _ = port.send(relay.port());
                    relay.run(received).await;
                });
            })
            .expect("a thread can be made");
        Self {
            port: started.recv().expect("the proxy starts"),
            acts: Some(acts),
            thread: Some(thread),
        }
    }

    /// The URL of the proxy, `redis://127.0.0.1:<port>`; a password is for the caller to add.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port of the proxy. It stays the same, and nobody else gets it while connections are
    /// refused.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends new connections to this port of 127.0.0.1; open ones stay where they are.
    ///
    /// # Panics
    ///
    /// If the proxy has failed.
    pub fn set_target(&self, port: u16) {
        self.act(move |relay| relay.set_target(port));
    }

    /// Breaks connections in this way from now on, and in no other. Connections that reached the
    /// port before this call count as open.
    ///
    /// # Panics
    ///
    /// If the proxy has failed.
    pub fn set_fault(&self, fault: Fault) {
        self.act(move |relay| relay.set_fault(fault));
    }

    /// Breaks nothing any more; the same as setting [`Fault::None`]. What was swallowed stays dead.
    ///
    /// # Panics
    ///
    /// If the proxy has failed.
    pub fn heal(&self) {
        self.set_fault(Fault::None);
    }

    /// How many connections were accepted since the start.
    ///
    /// # Panics
    ///
    /// If the proxy has failed.
    #[must_use]
    pub fn connections_accepted(&self) -> u64 {
        self.act(|relay| relay.connections_accepted())
    }

    /// How many connections of clients are open, those included that lose all they are given.
    ///
    /// # Panics
    ///
    /// If the proxy has failed.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.act(Relay::open_connections)
    }

    /// Resets all connections that are open, and returns once they are gone. It changes no fault.
    ///
    /// # Panics
    ///
    /// If the proxy has failed.
    pub fn kill_all(&self) {
        let last = self.act(Relay::reset_all);
        poll::until("all connections are gone", || {
            let some_left = self.act(move |relay| relay.has_connection_up_to(last));
            (!some_left).then_some(())
        });
    }

    /// Runs this between two steps of the connections, so that it takes effect at once for all.
    fn act<R: Send + 'static>(&self, act: impl FnOnce(&mut Relay) -> R + Send + 'static) -> R {
        let (answer, done) = mpsc::channel();
        let act: Act = Box::new(move |relay| {
            // The caller waits below.
            let _ = answer.send(act(relay));
        });
        let acts = self.acts.as_ref().expect("only the drop takes it away");
        acts.send(act).expect("the proxy runs");
        done.recv().expect("the proxy runs")
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The end of the channel is the word to the thread.
        drop(self.acts.take());
        if let Some(thread) = self.thread.take() {
            // Its panic was printed; another one here could hide that of the test.
            let _ = thread.join();
        }
    }
}
