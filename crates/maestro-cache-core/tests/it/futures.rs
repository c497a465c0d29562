//! The futures of operations: lazy, `Send` in any task, and in time on a backend that stalls.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use maestro_cache_core::{Cache, ErrorKind, Outcome};
use maestro_cache_testkit::{FaultyBackend, ModelBackend};

/// The whole interface in one spawned task, on borrowed keys and values: that this compiles is the
/// test. A lifetime in the wrong place makes a future that is `Send`, but not for every lifetime.
#[tokio::test]
async fn every_operation_can_be_awaited_in_a_spawned_task() {
    let cache = Cache::new(ModelBackend::new());
    let task = async move {
        let key = String::from("k");
        let keys = vec![key.clone(), "other".to_owned()];
        cache.set(&key, &1).ttl(Duration::from_secs(1)).await?;
        cache.set_bytes(&key, vec![b'1']).await?;
        cache.set_many(keys.iter().map(|key| (key, 1))).await?;
        cache.add(&key, "text").await?;
        cache.compare_and_set(&key, Some(&1), &2).await?;
        cache.increment(&key, 1).await?;
        cache.decrement(&key, 1).await?;
        cache.get::<i64>(&key).await?;
        cache.get_shared::<i64>(&key).await?;
        cache.get_bytes(&key).await?;
        cache.get_many::<i64>(&keys).await?;
        cache
            .get_many_each::<i64>(keys.iter().map(String::as_str))
            .await?;
        cache.exists(&key).await?;
        cache.ttl(&key).await?;
        cache.expire(&key, Duration::from_secs(1)).await?;
        cache.persist(&key).await?;
        cache.take::<i64>(&key).await?;
        cache.delete(&key).await?;
        cache.delete_many(&keys).await?;
        cache.clear("k*").await?;
        cache.clear_all().await?;
        cache.health_check().await;
        cache.close().await
    };
    tokio::spawn(task).await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_is_asked_before_the_first_poll() {
    let backend = FaultyBackend::new(Arc::new(ModelBackend::new()));
    let cache = Cache::new(backend.clone());
    let write = cache.set("k", &1);
    let started = cache.set("k", &1).into_future();
    let read = cache.get::<i64>("k");
    let batch = cache.get_many::<i64>(["k"]);
    assert_eq!(backend.calls(), 0);
    drop((write, started, read, batch));
    assert_eq!(backend.calls(), 0);
    assert_eq!(
        cache
            .set("k", &1)
            .into_future()
            .now_or_never()
            .unwrap()
            .ok(),
        Some(())
    );
    assert_eq!(backend.calls(), 1);
}

#[tokio::test]
async fn a_backend_that_stalls_is_waited_for_until_the_deadline_and_no_longer() {
    let backend = FaultyBackend::new(Arc::new(ModelBackend::new()));
    let cache = Cache::builder(backend.clone())
        .timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    backend.stall();
    let error = cache.get::<i64>("k").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotApplied)
    );
    let error = cache.set("k", &1).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::Unknown)
    );
    assert!(!cache.health_check().await.is_healthy());
    backend.heal();
    assert!(cache.health_check().await.is_healthy());
}
