//! A loopback port that stays ours, whether somebody listens on it just now or not.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A free port of 127.0.0.1 that nobody else gets as long as this value lives.
///
/// A server that is down must not find its port taken when it comes back. A socket that is bound
/// and does not listen keeps the system from giving the port to others, while connections to it are
/// refused and a server that says `SO_REUSEADDR`, as all here do, can listen on it. Only Linux
/// allows that; elsewhere the port was free a moment ago.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    _bound: Option<TcpSocket>,
}

impl Port {
    pub(crate) fn free() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        socket
            .set_reuseaddr(true)
            .expect("a socket can be told to share its port");
        socket
            .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .expect("there is a free port");
        let number = socket.local_addr().expect("the port is known").port();
        Self {
            number,
            _bound: cfg!(target_os = "linux").then_some(socket),
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }
}
