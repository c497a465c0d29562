//! Servers that greet as Redis does and then do what a test says.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What a fake does upon a request.
pub(crate) enum Act {
    Say(&'static str),
    Swallow,
    HangUp,
}

/// What a fake was told, greetings aside.
pub(crate) struct Told(UnboundedReceiver<String>);

impl Told {
    pub(crate) fn all(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A server that acts by the number of the connection and that of the request on it, both from 0.
/// Returns the URL of a single connection to it.
pub(crate) async fn fake(act: fn(usize, usize) -> Act) -> (String, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}?connections=1", listener.local_addr().unwrap());
    let (told, hears) = unbounded_channel();
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let told = told.clone();
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
