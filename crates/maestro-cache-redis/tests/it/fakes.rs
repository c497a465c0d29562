//! Servers that greet as Redis does and then do what a test says.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep_until};

/// What a fake does upon a request.
pub(crate) enum Act {
    Say(&'static str),
    Swallow,
    HangUp,
}

const PING: &str = "*1\r\n$4\r\nPING\r\n";

/// What a fake was told, greetings and signs of life aside.
pub(crate) struct Told(UnboundedReceiver<String>);

impl Told {
    pub(crate) fn all(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A server that acts by the number of the connection and that of the request on it, both from 0.
/// Returns the URL of a single connection to it.
pub(crate) async fn fake(
    act: impl Fn(usize, usize) -> Act + Send + Sync + 'static,
) -> (String, Told) {
    let act = Arc::new(act);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}?connections=1", listener.local_addr().unwrap());
    let (told, hears) = unbounded_channel();
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (told, act) = (told.clone(), Arc::clone(&act));
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                let mut requests = 0..;
                loop {
                    let length = stream.read(&mut bytes).await.unwrap_or(0);
                    let text = String::from_utf8_lossy(bytes.get(..length).unwrap()).into_owned();
                    let act = if text.is_empty() {
                        return;
                    } else if text.contains("HELLO") {
                        Act::Say("+OK\r\n")
                    } else if text == PING {
                        // Who watches over the link asks whether it is alive. That is no request.
                        match act(connection, requests.start) {
                            Act::Say(_) => Act::Say("+PONG\r\n"),
                            other => other,
                        }
                    } else {
                        // The test may be over.
                        let _ = told.send(text);
                        act(connection, requests.next().unwrap())
                    };
                    match act {
                        Act::Say(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                        Act::Swallow => {}
                        Act::HangUp => return,
                    }
                }
            });
        }
    });
    (url, Told(hears))
}

/// Stands before a server and hands on what it answers so much later, by the number of the
/// connection; where there is no time it swallows all. Returns the URL of a single connection.
pub(crate) async fn slowly(port: u16, later: fn(usize) -> Option<Duration>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}?connections=1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut swallowed = Vec::new();
        for connection in 0.. {
            let (client, _) = listener.accept().await.unwrap();
            let Some(later) = later(connection) else {
                swallowed.push(client);
                continue;
            };
            let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            // What comes in meanwhile waits for its own time and no longer.
            let (answered, mut answers) = unbounded_channel();
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
                    let answer = bytes.get(..length).unwrap().to_vec();
                    // The client may be gone.
                    let _ = answered.send((Instant::now() + later, answer));
                }
            });
            tokio::spawn(async move {
                while let Some((due, answer)) = answers.recv().await {
                    sleep_until(due).await;
                    let _ = to_client.write_all(&answer).await;
                }
            });
        }
    });
    url
}
