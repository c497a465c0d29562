//! Every error says which operation failed, on which key and on which backend.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Cache, Error, ErrorKind, Operation, Outcome, Result};
use maestro_cache_testkit::{FaultyBackend, ModelBackend};

/// A handle with a prefix, on a backend where everything fails.
fn failing() -> Cache {
    let backend = FaultyBackend::new(Arc::new(ModelBackend::new()));
    let error = Error::new(ErrorKind::Unavailable, "the link broke");
    backend.fail_with(error.with_outcome(Outcome::Unknown));
    Cache::builder(backend).key_prefix("p:").build().unwrap()
}

fn assert_context<T>(result: Result<T>, operation: Operation, key: Option<&str>) {
    let Err(error) = result else {
        panic!("{operation} succeeds on a backend where everything fails");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(error.operation(), Some(operation));
    assert_eq!(error.key(), key, "the key as the caller named it");
    assert!(error.backend().is_some());
    assert!(error.to_string().starts_with(operation.as_str()), "{error}");
}

#[tokio::test]
async fn each_operation_names_itself_and_its_key() {
    let cache = failing();
    let key = Some("k");
    assert_context(cache.get::<i64>("k").await, Operation::Get, key);
    assert_context(cache.get_shared::<i64>("k").await, Operation::Get, key);
    assert_context(cache.get_bytes("k").await, Operation::Get, key);
    assert_context(cache.get_many::<i64>(["k"]).await, Operation::GetMany, None);
    assert_context(
        cache.get_many_each::<i64>(["k"]).await,
        Operation::GetMany,
        None,
    );
    assert_context(cache.set("k", &1).await, Operation::Set, key);
    assert_context(cache.set_bytes("k", "x").await, Operation::Set, key);
    assert_context(cache.set_many([("k", 1)]).await, Operation::SetMany, None);
    assert_context(cache.add("k", &1).await, Operation::Add, key);
    assert_context(cache.take::<i64>("k").await, Operation::Take, key);
    let none: Option<&i64> = None;
    assert_context(
        cache.compare_and_set("k", none, &1).await,
        Operation::CompareAndSet,
        key,
    );
    assert_context(
        cache.compare_and_set("k", Some(&1), &1).await,
        Operation::CompareAndSet,
        key,
    );
    assert_context(cache.delete("k").await, Operation::Delete, key);
    assert_context(cache.delete_many(["k"]).await, Operation::DeleteMany, None);
    assert_context(cache.exists("k").await, Operation::Exists, key);
    assert_context(cache.increment("k", 1).await, Operation::Increment, key);
    assert_context(cache.decrement("k", 1).await, Operation::Decrement, key);
    assert_context(cache.ttl("k").await, Operation::Ttl, key);
    assert_context(
        cache.expire("k", Duration::from_secs(1)).await,
        Operation::Expire,
        key,
    );
    assert_context(
        cache.expire("k", Duration::ZERO).await,
        Operation::Expire,
        key,
    );
    assert_context(cache.persist("k").await, Operation::Persist, key);
    assert_context(cache.clear("k*").await, Operation::Clear, None);
    assert_context(cache.clear_all().await, Operation::Clear, None);
    let health = cache.health_check().await;
    assert!(!health.is_healthy());
    assert_context(
        health.error.map_or(Ok(()), Err),
        Operation::HealthCheck,
        None,
    );
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_before_the_backend_is_asked() {
    let backend = FaultyBackend::new(Arc::new(ModelBackend::new()));
    let cache = Cache::new(backend.clone());
    let zero = Duration::ZERO;
    let empty_key = cache.set("", &1).await;
    let empty_in_batch = cache.set_many([("a", 1), ("", 2)]).await;
    let empty_in_reads = cache.get_many::<i64>(["a", ""]).await;
    let empty_in_deletes = cache.delete_many(["a", ""]).await;
    for kind in [
        empty_key.map(drop),
        empty_in_batch.map(drop),
        empty_in_reads.map(drop),
        empty_in_deletes.map(drop),
    ]
    .map(|result| result.unwrap_err().kind())
    {
        assert_eq!(kind, ErrorKind::InvalidKey);
    }
    let no_time = cache.set("k", &1).ttl(zero).await.unwrap_err();
    assert_eq!(no_time.kind(), ErrorKind::InvalidTtl);
    let no_pattern = cache.clear("[").await.unwrap_err();
    assert_eq!(no_pattern.kind(), ErrorKind::InvalidPattern);
    let no_negative = cache.decrement("k", i64::MIN).await.unwrap_err();
    assert_eq!(no_negative.kind(), ErrorKind::Overflow);
    assert_eq!(backend.calls(), 0);
}
