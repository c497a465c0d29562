//! Close: once for all, for every clone and every operation; and health before and after.

use std::time::Duration;

use maestro_cache_core::{Cache, ErrorKind};

use super::refused;
use crate::Subject;

pub async fn a_healthy_cache_says_so(subject: &Subject) {
    let cache = subject.cache();
    let health = cache.health_check().await;
    assert!(health.is_healthy(), "{health:?}");
    assert_eq!(health.backend, cache.backend_name());
}

pub async fn close_may_be_called_again(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    for _ in 0..3 {
        cache.close().await.unwrap();
        cache.clone().close().await.unwrap();
    }
    assert_eq!(refused(cache.get::<i64>("key").await), ErrorKind::Closed);
}

pub async fn a_cache_may_be_closed_before_its_first_use(subject: &Subject) {
    let cache = subject.cache();
    cache.close().await.unwrap();
    assert_eq!(refused(cache.get::<i64>("key").await), ErrorKind::Closed);
}

pub async fn after_close_every_operation_of_every_handle_is_closed(subject: &Subject) {
    let cache = subject.cache();
    let others = [cache.clone(), cache.namespace("inner:"), subject.cache()];
    cache.set("key", &1).await.unwrap();
    cache.close().await.unwrap();
    every_operation_is_closed(&cache).await;
    for other in others {
        every_operation_is_closed(&other).await;
    }
    every_operation_is_closed(&cache.namespace("made later:")).await;
}

pub async fn after_close_empty_batches_are_closed_too(subject: &Subject) {
    let cache = subject.cache();
    cache.close().await.unwrap();
    let none: [&str; 0] = [];
    assert_eq!(
        refused(cache.get_many::<i64>(none).await),
        ErrorKind::Closed
    );
    assert_eq!(
        refused(cache.get_many_each::<i64>(none).await),
        ErrorKind::Closed
    );
    assert_eq!(refused(cache.delete_many(none).await), ErrorKind::Closed);
    assert_eq!(
        refused(cache.set_many(none.map(|key| (key, 1))).await),
        ErrorKind::Closed
    );
}

pub async fn after_close_the_cache_is_not_healthy(subject: &Subject) {
    let cache = subject.cache();
    cache.close().await.unwrap();
    let health = cache.health_check().await;
    assert!(!health.is_healthy());
    assert_eq!(health.error.unwrap().kind(), ErrorKind::Closed);
}

pub async fn calls_on_their_way_at_a_close_end_well_or_closed(subject: &Subject) {
    let cache = subject.cache();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let cache = cache.clone();
            tokio::spawn(async move {
                loop {
                    match cache.increment(&format!("n-{task}"), 1).await {
                        Ok(_) => tokio::task::yield_now().await,
                        Err(error) => return error.kind(),
                    }
                }
            })
        })
        .collect();
    // Every task is at work before the close.
    for task in 0..8 {
        super::until(async || cache.exists(&format!("n-{task}")).await.unwrap()).await;
    }
    cache.close().await.unwrap();
    for task in tasks {
        assert_eq!(task.await.unwrap(), ErrorKind::Closed);
    }
}

async fn every_operation_is_closed(cache: &Cache) {
    let hour = Duration::from_secs(3600);
    assert_eq!(refused(cache.get::<i64>("key").await), ErrorKind::Closed);
    assert_eq!(
        refused(cache.get_shared::<i64>("key").await),
        ErrorKind::Closed
    );
    assert_eq!(refused(cache.get_bytes("key").await), ErrorKind::Closed);
    assert_eq!(
        refused(cache.get_many::<i64>(["key"]).await),
        ErrorKind::Closed
    );
    assert_eq!(
        refused(cache.get_many_each::<i64>(["key"]).await),
        ErrorKind::Closed
    );
    assert_eq!(refused(cache.take::<i64>("key").await), ErrorKind::Closed);
    assert_eq!(refused(cache.exists("key").await), ErrorKind::Closed);
    assert_eq!(refused(cache.set("key", &1).await), ErrorKind::Closed);
    assert_eq!(
        refused(cache.set_bytes("key", "1").await),
        ErrorKind::Closed
    );
    assert_eq!(
        refused(cache.set_many([("key", 1)]).await),
        ErrorKind::Closed
    );
    assert_eq!(refused(cache.add("key", &1).await), ErrorKind::Closed);
    assert_eq!(
        refused(cache.compare_and_set("key", None, &1).await),
        ErrorKind::Closed
    );
    assert_eq!(
        refused(cache.compare_and_set("key", Some(&1), &1).await),
        ErrorKind::Closed
    );
    assert_eq!(refused(cache.increment("key", 1).await), ErrorKind::Closed);
    assert_eq!(refused(cache.decrement("key", 1).await), ErrorKind::Closed);
    assert_eq!(refused(cache.delete("key").await), ErrorKind::Closed);
    assert_eq!(refused(cache.delete_many(["key"]).await), ErrorKind::Closed);
    assert_eq!(refused(cache.ttl("key").await), ErrorKind::Closed);
    assert_eq!(refused(cache.expire("key", hour).await), ErrorKind::Closed);
    assert_eq!(
        refused(cache.expire("key", Duration::ZERO).await),
        ErrorKind::Closed
    );
    assert_eq!(refused(cache.persist("key").await), ErrorKind::Closed);
    assert_eq!(refused(cache.clear("*").await), ErrorKind::Closed);
    assert_eq!(refused(cache.clear("key").await), ErrorKind::Closed);
    assert_eq!(refused(cache.clear_all().await), ErrorKind::Closed);
}
