//! Spans: one for each operation, that says what was asked and how it failed, and never a value.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use maestro_cache_core::Cache;
use maestro_cache_testkit::ModelBackend;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down every field of every span.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for &Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0.lock().unwrap(), "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "maestro_cache"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut &*self);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut &*self);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut &*self);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Log {
    fn take(&self) -> String {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn a_span_names_operation_backend_key_and_the_kind_of_an_error_and_shows_no_value() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let cache = Cache::builder(ModelBackend::new())
        .key_prefix("p:")
        .build()
        .unwrap();

    cache
        .set("k", "canary")
        .ttl(Duration::from_secs(5))
        .await
        .unwrap();
    let backend = cache.backend_name();
    assert_eq!(
        log.take(),
        format!("operation=\"set\" backend=\"{backend}\" key=\"k\" ")
    );

    cache.get::<i64>("k").await.unwrap_err();
    let seen = log.take();
    assert!(
        seen.contains("operation=\"get\"") && seen.ends_with("error=Decode "),
        "{seen}"
    );
    assert!(!seen.contains("canary"), "{seen}");

    cache.set_many([("k", "canary")]).await.unwrap();
    cache.get_many::<String>(["k"]).await.unwrap();
    cache
        .compare_and_set("k", Some("canary"), "canary")
        .await
        .unwrap();
    cache.take::<String>("k").await.unwrap();
    let seen = log.take();
    for operation in ["set_many", "get_many", "compare_and_set", "take"] {
        assert!(
            seen.contains(&format!("operation=\"{operation}\"")),
            "{seen}"
        );
    }
    assert!(!seen.contains("canary"), "{seen}");
}
