//! The life of one connection, from the client's to the end.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::fault::Fault;
use super::pump::{self, Direction, End};

/// What a connection was told last.
#[derive(Clone, Copy)]
pub(super) struct Orders {
    pub(super) fault: Fault,
    /// Grows with each fault that is set, so that what is counted starts anew.
    pub(super) generation: u64,
    /// Once set it stays: what was lost does not come back.
    pub(super) swallow: bool,
    pub(super) reset: bool,
}

impl Orders {
    fn end_the_forwarding(&self) -> bool {
        self.swallow || self.reset
    }
}

/// Forwards between the client and the server until one of them, or a fault, ends it.
pub(super) async fn serve(
    number: u64,
    mut client: TcpStream,
    target: u16,
    mut orders: watch::Receiver<Orders>,
) {
    let mut server = None;
    let mut ended_by = orders.clone();
    let end = tokio::select! {
        biased;
        () = told(&mut ended_by, Orders::end_the_forwarding) => None,
        end = forward(number, &mut client, target, &mut server, &orders) => Some(end),
    };
    match end {
        Some(End::Closed) => close(&mut client).await,
        Some(End::Reset) => {}
        // The server's connection is held until the client goes, and what comes from it is lost.
        None => swallow(&mut client, server.as_mut(), &mut orders).await,
    }
    if end != Some(End::Closed) {
        // A socket that does not linger is reset by its drop; a failure leaves a plain close.
        let _ = client.set_zero_linger();
        if let Some(server) = &server {
            let _ = server.set_zero_linger();
        }
    }
}

async fn forward(
    number: u64,
    client: &mut TcpStream,
    target: u16,
    server: &mut Option<TcpStream>,
    orders: &watch::Receiver<Orders>,
) -> End {
    let Ok(connected) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
        return End::Reset;
    };
    let server = server.insert(connected);
    for stream in [&*client, &*server] {
        if stream.set_nodelay(true).is_err() {
            return End::Reset;
        }
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let questions = pump::run(from_client, to_server, Direction::Questions, orders.clone());
    let answers = pump::run(
        from_server,
        to_client,
        Direction::Answers { connection: number },
        orders.clone(),
    );
    // Who has said all may still have something to hear, so both directions have to end.
    match tokio::try_join!(questions, answers) {
        Ok(_) => End::Closed,
        Err(end) => end,
    }
}

/// Closes so that the client sees an end and no error.
async fn close(client: &mut TcpStream) {
    // A failure says that the client has gone.
    let _ = client.shutdown().await;
    // A socket that is dropped with bytes unread is reset.
    let mut bytes = [0; 1024];
    while client.try_read(&mut bytes).is_ok_and(|count| count > 0) {}
}

/// Reads and forgets until the client goes or the connection is to be reset.
async fn swallow(
    client: &mut TcpStream,
    server: Option<&mut TcpStream>,
    orders: &mut watch::Receiver<Orders>,
) {
    let forget_answers = async {
        if let Some(server) = server {
            forget(server).await;
        }
        // A server that closes is not heard either.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = told(orders, |orders| orders.reset) => {}
        () = forget(client) => {}
        () = forget_answers => {}
    }
}

async fn forget(stream: &mut TcpStream) {
    let mut bytes = vec![0; 16 * 1024];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

/// Waits until the orders are such.
async fn told(orders: &mut watch::Receiver<Orders>, condition: impl FnMut(&Orders) -> bool) {
    // Without a sender the proxy is going down, and the connection with it.
    let _ = orders.wait_for(condition).await;
}
