//! What is written to the log: what happens to connections, and never a secret or a value.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maestro_cache_testkit::RedisServer;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use crate::errors::cache;

/// Writes down every field of every span and event, of all crates.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<String>>);

/// Whoever holds this has what its thread does written down.
pub(crate) struct Listening {
    _guard: DefaultGuard,
    /// While there is but one subscriber, an event that other tests meet first is taken for one that
    /// nobody wants, since their threads have none.
    _second: Dispatch,
}

impl Log {
    pub(crate) fn listen(&self) -> Listening {
        Listening {
            _guard: tracing::subscriber::set_default(self.clone()),
            _second: Dispatch::new(Self::default()),
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0, "{field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Line(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn connections_are_logged_and_no_secret_or_value_is() {
    let log = Log::default();
    let _listening = log.listen();
    let server = RedisServer::builder().password("canary").tcp().start();
    let url = format!("{}?connections=1", server.url());
    let right = cache(&url);
    right.set("key", "canary").await.unwrap();
    right
        .compare_and_set("key", Some("canary"), "canary")
        .await
        .unwrap();
    let wrong = cache(&url.replace("canary", "canary-wrong"));
    wrong.set("key", "canary").await.unwrap_err();
    server.pause();
    for _ in 0..3 {
        let hasty = right.with_timeout(Duration::from_millis(20));
        hasty.set("key", "canary").await.unwrap_err();
    }
    server.stop();
    let port = server.port().unwrap();
    let address = format!("address=\"127.0.0.1:{port}/0\"");
    let expected = [
        "message=connected",
        "message=cannot connect",
        "message=connection dropped",
        &address,
    ];
    // What becomes of a connection is written by the one who watches over it, in its own time.
    let written = tokio::time::timeout(Duration::from_secs(60), async {
        while !expected.iter().all(|line| log.text().contains(line)) {
            right.set("key", "canary").await.unwrap_err();
        }
    });
    let is_written = written.await.is_ok();
    let log = log.text();
    assert!(is_written, "something is missing in {log}");
    assert!(!log.contains("canary"), "{log}");
}
