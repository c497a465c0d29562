//! The deadline: a call without time ends at once, tells no lie, and leaves the cache usable.

use std::time::Duration;

use maestro_cache_core::{Cache, Error, ErrorKind, Outcome, Result, TimeToLive};

use crate::Subject;

/// Far beyond what all calls of this case take, and far below the deadline of its usual handles.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What a call without time may end with: its answer, or the word that the time was over.
fn answer<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
            None
        }
    }
}

/// The same for reads, which moreover have certainly changed nothing.
fn read<T>(result: Result<T>) -> Option<T> {
    let outcome = result.as_ref().err().map(Error::outcome);
    assert!(outcome.is_none_or(|outcome| outcome == Outcome::NotApplied));
    answer(result)
}

pub async fn a_call_without_time_ends_at_once_and_shows_no_false_miss(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    let hasty = cache.with_timeout(Duration::ZERO);
    tokio::time::timeout(AT_ONCE, reads(&hasty)).await.unwrap();
    tokio::time::timeout(AT_ONCE, writes(&hasty)).await.unwrap();
}

/// A read that answers after all has to see the entry that is there.
async fn reads(hasty: &Cache) {
    let get = read(hasty.get::<i64>("key").await);
    assert!(get.is_none_or(|value| value == Some(1)), "{get:?}");
    let get = read(hasty.get_shared::<i64>("key").await);
    assert!(get.is_none_or(|value| value.as_deref() == Some(&1)));
    let get = read(hasty.get_bytes("key").await);
    assert!(get.is_none_or(|value| value.is_some()));
    let get = read(hasty.get_many::<i64>(["key"]).await);
    assert!(get.is_none_or(|values| values == [Some(1)]));
    let get = read(hasty.get_many_each::<i64>(["key"]).await);
    assert!(get.is_none_or(|values| matches!(values[..], [Ok(Some(1))])));
    assert_ne!(read(hasty.exists("key").await), Some(false));
    assert_ne!(read(hasty.ttl("key").await), Some(TimeToLive::Missing));
    let health = hasty.health_check().await;
    read(health.error.map_or(Ok(()), Err));
}

async fn writes(hasty: &Cache) {
    let hour = Duration::from_secs(3600);
    answer(hasty.set("key", &1).await);
    answer(hasty.set_bytes("key", "1").await);
    answer(hasty.set_many([("key", 1)]).await);
    answer(hasty.add("key", &1).await);
    answer(hasty.compare_and_set("key", None, &1).await);
    answer(hasty.compare_and_set("key", Some(&1), &1).await);
    answer(hasty.increment("key", 1).await);
    answer(hasty.decrement("key", 1).await);
    answer(hasty.expire("key", hour).await);
    answer(hasty.persist("key").await);
    answer(hasty.take::<i64>("key").await);
    answer(hasty.expire("key", Duration::ZERO).await);
    answer(hasty.delete("key").await);
    answer(hasty.delete_many(["key"]).await);
    answer(hasty.clear("key").await);
    answer(hasty.clear("key*").await);
    answer(hasty.namespace("key:").clear_all().await);
}

pub async fn calls_without_time_leave_the_cache_usable(subject: &Subject) {
    let cache = subject.cache();
    let hasty = cache.with_timeout(Duration::ZERO);
    for round in 0..4 {
        writes(&hasty).await;
        // What was asked for before may still happen, and not to this key.
        let key = format!("usable-{round}");
        cache.set(&key, &1).await.unwrap();
        assert_eq!(cache.increment(&key, 1).await.unwrap(), 2);
        assert_eq!(cache.get::<i64>(&key).await.unwrap(), Some(2));
        assert!(cache.health_check().await.is_healthy());
    }
    answer(hasty.close().await);
}
