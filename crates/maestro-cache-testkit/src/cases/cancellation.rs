//! Cancellation: futures that are dropped, before and while they run.

use std::future::{IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use maestro_cache_core::Cache;

use crate::Subject;

/// Polls the future so many times, unless it is ready before, and drops it. True if it was ready.
async fn poll_and_drop(future: impl IntoFuture, polls: usize) -> bool {
    let mut future = pin!(future.into_future());
    for _ in 0..polls {
        let ready = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await;
        if ready {
            return true;
        }
        // Lets the other side get on, so that later polls meet later states.
        tokio::task::yield_now().await;
    }
    false
}

pub async fn nothing_happens_before_the_first_poll(subject: &Subject) {
    let cache = subject.cache();
    cache.set("old", &1).await.unwrap();
    drop(cache.set("new", &1).into_future());
    drop(cache.set("new", &1).ttl(Duration::from_secs(60)));
    drop(cache.set_bytes("new", "1").into_future());
    drop(cache.set_many([("new", 1)]).into_future());
    drop(cache.add("new", &1).into_future());
    drop(cache.compare_and_set("new", None, &1).into_future());
    drop(cache.increment("new", 1).into_future());
    drop(cache.increment("old", 1).into_future());
    drop(cache.delete("old"));
    drop(cache.delete_many(["old"]));
    drop(cache.take::<i64>("old"));
    drop(cache.expire("old", Duration::ZERO));
    drop(cache.clear("*"));
    drop(cache.clear_all());
    drop(cache.close());
    assert!(!cache.exists("new").await.unwrap());
    assert_eq!(cache.get::<i64>("old").await.unwrap(), Some(1));
}

pub async fn dropped_increments_count_once_or_not_at_all(subject: &Subject) {
    let cache = subject.cache();
    let (mut certain, mut started) = (0, 0);
    for round in 0..100 {
        started += 1;
        if poll_and_drop(cache.increment("n", 1), round % 5).await {
            certain += 1;
        }
        started += 1;
        certain += 1;
        let sum = cache.increment("n", 1).await.unwrap();
        assert!(
            (certain..=started).contains(&sum),
            "{certain} <= {sum} <= {started}"
        );
    }
}

pub async fn a_dropped_read_gives_its_answer_to_nobody_else(subject: &Subject) {
    let cache = subject.cache();
    let keys: Vec<String> = (0..20).map(|number| format!("key-{number}")).collect();
    cache.set_many(keys.iter().zip(0_usize..)).await.unwrap();
    for round in 0..100 {
        let (dropped, read) = (round % 20, (round + 7) % 20);
        poll_and_drop(cache.get::<usize>(&keys[dropped]), round % 4).await;
        poll_and_drop(cache.get_many::<usize>(&keys), round % 3).await;
        assert_eq!(cache.get::<usize>(&keys[read]).await.unwrap(), Some(read));
    }
}

pub async fn a_dropped_call_of_any_kind_leaves_the_cache_usable(subject: &Subject) {
    let cache = subject.cache();
    for polls in 0..6 {
        cache.set("key", &1).await.unwrap();
        poll_and_drop(cache.set("key", &2), polls).await;
        poll_and_drop(cache.set_many([("key", 3), ("other", 3)]), polls).await;
        poll_and_drop(cache.add("key", &4), polls).await;
        poll_and_drop(cache.compare_and_set("key", Some(&3), &5), polls).await;
        poll_and_drop(cache.take::<i64>("key"), polls).await;
        poll_and_drop(cache.delete("key"), polls).await;
        poll_and_drop(cache.delete_many(["key", "other"]), polls).await;
        poll_and_drop(cache.exists("key"), polls).await;
        poll_and_drop(cache.ttl("key"), polls).await;
        poll_and_drop(cache.expire("key", Duration::from_secs(60)), polls).await;
        poll_and_drop(cache.persist("key"), polls).await;
        poll_and_drop(cache.clear("key*"), polls).await;
        poll_and_drop(cache.health_check(), polls).await;
        is_usable(&cache, &format!("usable-{polls}")).await;
    }
}

/// Takes care that what was dropped before cannot reach it: it uses a key of its own.
async fn is_usable(cache: &Cache, key: &str) {
    cache.set(key, &1).await.unwrap();
    assert_eq!(cache.increment(key, 1).await.unwrap(), 2);
    assert_eq!(cache.get::<i64>(key).await.unwrap(), Some(2));
    assert!(cache.delete(key).await.unwrap());
    assert!(cache.health_check().await.is_healthy());
}

pub async fn a_dropped_set_is_stored_whole_or_not_at_all(subject: &Subject) {
    let cache = subject.cache();
    let (old, new) = ("a".repeat(200_000), "b".repeat(200_000));
    for polls in 0..10 {
        let key = format!("key-{polls}");
        cache.set(&key, &old).await.unwrap();
        poll_and_drop(cache.set(&key, &new), polls).await;
        let seen = cache.get::<String>(&key).await.unwrap().unwrap();
        assert!(seen == old || seen == new);
    }
}

pub async fn calls_that_are_dropped_disturb_none_beside_them(subject: &Subject) {
    let cache = subject.cache();
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let cache = cache.clone();
            tokio::spawn(async move {
                let key = format!("key-{task}");
                for round in 0..40 {
                    if task % 2 == 0 {
                        poll_and_drop(cache.set(&key, &round), task % 5).await;
                        poll_and_drop(cache.get::<usize>(&key), round % 5).await;
                    } else {
                        cache.set(&key, &round).await.unwrap();
                        let seen = cache.get::<usize>(&key).await.unwrap();
                        assert_eq!(seen, Some(round));
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

pub async fn tasks_that_are_aborted_leave_the_cache_usable(subject: &Subject) {
    let cache = subject.cache();
    for round in 0..20 {
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    loop {
                        cache
                            .increment(&format!("n-{round}-{task}"), 1)
                            .await
                            .unwrap();
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        is_usable(&cache, &format!("usable-{round}")).await;
        for task in tasks {
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }
    is_usable(&cache, "usable").await;
}

pub async fn a_dropped_clear_leaves_the_rest_to_the_next_one(subject: &Subject) {
    let cache = subject.cache();
    for polls in 0..6 {
        let entries = (0..3000).map(|number| (format!("key-{number}"), number));
        cache.set_many(entries).await.unwrap();
        poll_and_drop(cache.clear("key-*"), polls).await;
        cache.clear("key-*").await.unwrap();
        assert_eq!(cache.clear("key-*").await.unwrap(), 0);
    }
}
