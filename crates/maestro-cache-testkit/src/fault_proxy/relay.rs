//! Who is connected, who may connect, and what everyone was told last.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::connection::{self, Orders};
use super::fault::Fault;
use crate::poll::LOOK_AGAIN;
use crate::port::Port;

/// Something to do to the relay, from another thread.
pub(super) type Act = Box<dyn FnOnce(&mut Relay) + Send>;

/// The listener and the connections of one proxy. Everything happens in one thread, so that an act
/// finds no connection in the middle of a step.
pub(super) struct Relay {
    port: Port,
    listener: Option<Listener>,
    target: u16,
    fault: Fault,
    accepted: u64,
    connections: BTreeMap<u64, watch::Sender<Orders>>,
    tasks: JoinSet<u64>,
}

/// One listening socket in two hands.
struct Listener {
    waits: TcpListener,
    /// Says at once whether somebody is in the backlog, which the other learns a moment later.
    looks: std::net::TcpListener,
}

/// What the relay waits for.
enum Event {
    Act(Option<Act>),
    Accepted(TcpStream),
    Gone(u64),
}

impl Relay {
    pub(super) fn new(target: u16) -> Self {
        let port = Port::free();
        Self {
            listener: Some(Listener::new(&port)),
            port,
            target,
            fault: Fault::None,
            accepted: 0,
            connections: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Runs until nobody can ask for anything any more.
    pub(super) async fn run(mut self, mut acts: mpsc::UnboundedReceiver<Act>) {
        loop {
            match self.next(&mut acts).await {
                Event::Act(Some(act)) => act(&mut self),
                Event::Act(None) => return,
                Event::Accepted(client) => self.take(client),
                Event::Gone(number) => {
                    self.connections.remove(&number);
                }
            }
        }
    }

    async fn next(&mut self, acts: &mut mpsc::UnboundedReceiver<Act>) -> Event {
        let listener = match self.fault {
            Fault::BlackHole => None,
            _ => self.listener.as_ref(),
        };
        let accepted = async {
            match listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            act = acts.recv() => Event::Act(act),
            Some(number) = self.tasks.join_next() => Event::Gone(number.expect("a connection does not panic")),
            client = accepted => Event::Accepted(client),
        }
    }

    pub(super) fn set_target(&mut self, port: u16) {
        // Who connected before belongs to the old one.
        self.accept_all();
        self.target = port;
    }

    pub(super) fn set_fault(&mut self, fault: Fault) {
        // For the client a connection is open as soon as the system took it.
        self.accept_all();
        self.fault = fault;
        for connection in self.connections.values() {
            connection.send_modify(|orders| {
                orders.fault = fault.for_open_connections();
                orders.generation += 1;
                orders.swallow |= fault.swallows_open_connections();
            });
        }
        if fault == Fault::Refuse {
            self.listener = None;
            until_refused(&self.port);
        } else if self.listener.is_none() {
            self.listener = Some(Listener::new(&self.port));
        }
    }

    pub(super) fn connections_accepted(&self) -> u64 {
        self.accepted
    }

    pub(super) fn open_connections(&mut self) -> usize {
        self.forget_the_gone();
        self.connections.len()
    }

    /// Tells all connections to reset, and returns the number of the last one.
    pub(super) fn reset_all(&mut self) -> u64 {
        self.accept_all();
        for connection in self.connections.values() {
            connection.send_modify(|orders| orders.reset = true);
        }
        self.accepted
    }

    pub(super) fn has_connection_up_to(&mut self, number: u64) -> bool {
        self.forget_the_gone();
        self.connections.range(..=number).next().is_some()
    }

    fn forget_the_gone(&mut self) {
        while let Some(number) = self.tasks.try_join_next() {
            self.connections
                .remove(&number.expect("a connection does not panic"));
        }
    }

    /// Takes all connections that wait in the backlog.
    fn accept_all(&mut self) {
        loop {
            let Some(listener) = &self.listener else {
                return;
            };
            match listener.looks.accept() {
                Ok((client, _)) => {
                    client
                        .set_nonblocking(true)
                        .expect("a connection can be told not to block");
                    let client = TcpStream::from_std(client);
                    self.take(client.expect("the runtime takes the connection"));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // This one connection was given up before it was accepted.
                Err(_) => {}
            }
        }
    }

    fn take(&mut self, client: TcpStream) {
        self.accepted += 1;
        let number = self.accepted;
        let (sender, orders) = watch::channel(Orders {
            fault: self.fault,
            generation: 0,
            swallow: self.fault.swallows_new_connections(),
            reset: false,
        });
        self.connections.insert(number, sender);
        let target = self.target;
        self.tasks.spawn(async move {
            connection::serve(number, client, target, orders).await;
            number
        });
    }
}

impl Listener {
    fn new(port: &Port) -> Self {
        let looks = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()))
            .expect("the proxy can listen on its port");
        looks
            .set_nonblocking(true)
            .expect("a listener can be told not to block");
        let waits = looks.try_clone().and_then(TcpListener::from_std);
        Self {
            waits: waits.expect("the runtime takes the listener"),
            looks,
        }
    }

    async fn accept(&self) -> TcpStream {
        loop {
            // An error says that this one connection was given up before it was accepted.
            if let Ok((client, _)) = self.waits.accept().await {
                return client;
            }
        }
    }
}

/// Waits until nobody listens: a process that another test starts just now holds copies of all
/// sockets, this one as well, until it has become another program.
fn until_refused(port: &Port) {
    while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port.number())).is_ok() {
        std::thread::sleep(LOOK_AGAIN);
    }
}
