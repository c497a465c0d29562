//! Dropped futures: they take nobody else's answer with them.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use maestro_cache_core::Cache;
use maestro_cache_testkit::RedisServer;

use crate::errors::cache;

/// Polls the future so many times, then drops it.
async fn dropped_after(polls: usize, future: impl IntoFuture) {
    let mut future = pin!(future.into_future());
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 || future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn read_all(cache: &Cache, task: u64) {
    for round in 0..400_u64 {
        let number = (task * 400 + round) % 97;
        let key = format!("key {number}");
        // As random as it has to be: it depends on the round, and on how fast the server is.
        let polls = (round * 31 + task * 7) as usize % 5;
        match round % 4 {
            0 => dropped_after(polls, cache.get::<u64>(&key)).await,
            1 => dropped_after(polls, cache.get_many::<u64>(["key 1", "key 2"])).await,
            2 => dropped_after(polls, cache.increment("dropped", 1)).await,
            _ => dropped_after(polls, cache.clear("no such*")).await,
        }
        assert_eq!(cache.get(&key).await.unwrap(), Some(number));
        let many = cache
            .get_many(["key 3", &key, "none", "key 5"])
            .await
            .unwrap();
        assert_eq!(many, [Some(3), Some(number), None, Some(5)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_futures_never_mix_up_answers() {
    let server = RedisServer::start();
    let cache = cache(&server.url());
    for number in 0..97_u64 {
        cache.set(&format!("key {number}"), &number).await.unwrap();
    }
    let tasks = (0..16).map(|task| {
        let cache = cache.clone();
        tokio::spawn(async move { read_all(&cache, task).await })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
}

#[tokio::test]
async fn a_batch_that_is_dropped_is_written_as_a_whole_or_not_at_all() {
    let server = RedisServer::start();
    let cache = cache(&server.url());
    cache.set("warm", "up").await.unwrap();
    for round in 0..300_usize {
        let entries = [(format!("a{round}"), round), (format!("b{round}"), round)];
        dropped_after(round % 4, cache.set_many(entries)).await;
    }
    tokio::time::timeout(Duration::from_secs(30), async {
        // Two answers, one over each connection, come behind all that was sent before.
        assert!(cache.health_check().await.is_healthy());
        assert!(cache.health_check().await.is_healthy());
    })
    .await
    .unwrap();
    for round in 0..300_usize {
        let keys = [format!("a{round}"), format!("b{round}")];
        let pair = cache.get_many::<usize>(keys).await.unwrap();
        assert!(
            pair == [None, None] || pair == [Some(round), Some(round)],
            "{pair:?}"
        );
    }
}
