//! Concurrency: what must not be lost, doubled or torn when tasks meet at one key.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use maestro_cache_core::Cache;

use crate::Subject;

/// Runs a task for each number on the runtime's threads, and gathers what they return.
async fn tasks<T, F>(count: i64, task: impl Fn(i64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count)
        .map(|number| tokio::spawn(task(number)))
        .collect();
    let results = join_all(tasks).await.into_iter();
    results
        .map(|result| result.expect("no task panics"))
        .collect()
}

pub async fn a_thousand_concurrent_increments_count_to_a_thousand(subject: &Subject) {
    let cache = subject.cache();
    tasks(2, |_| {
        let cache = cache.clone();
        async move {
            for _ in 0..500 {
                cache.increment("n", 1).await.unwrap();
            }
        }
    })
    .await;
    assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(1000));
}

pub async fn no_two_increments_return_the_same_sum(subject: &Subject) {
    let cache = subject.cache();
    let sums = tasks(200, |_| {
        let cache = cache.clone();
        async move { cache.increment("n", 1).await.unwrap() }
    })
    .await;
    let sums: BTreeSet<_> = sums.into_iter().collect();
    assert!(sums.into_iter().eq(1..=200));
}

pub async fn increments_and_decrements_cancel_out(subject: &Subject) {
    let cache = subject.cache();
    cache.set("n", &0).await.unwrap();
    tasks(8, |number| {
        let cache = cache.clone();
        async move {
            for _ in 0..100 {
                if number % 2 == 0 {
                    cache.increment("n", 3).await.unwrap();
                } else {
                    cache.decrement("n", 3).await.unwrap();
                }
            }
        }
    })
    .await;
    assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(0));
}

pub async fn a_token_is_taken_once_among_fifty(subject: &Subject) {
    let cache = subject.cache();
    for round in 0..10 {
        cache.set("token", &round).await.unwrap();
        let taken = tasks(50, |_| {
            let cache = cache.clone();
            async move { cache.take::<i64>("token").await.unwrap() }
        })
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert_eq!(taken, [round]);
    }
}

pub async fn one_of_fifty_adds_wins(subject: &Subject) {
    let cache = subject.cache();
    for _ in 0..10 {
        let added = tasks(50, |number| {
            let cache = cache.clone();
            async move { cache.add("lock", &number).await.unwrap().then_some(number) }
        })
        .await;
        let winners: Vec<_> = added.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(
            cache.take::<i64>("lock").await.unwrap(),
            winners.first().copied()
        );
    }
}

pub async fn one_of_fifty_deletes_is_true(subject: &Subject) {
    let cache = subject.cache();
    for _ in 0..10 {
        cache.set("key", &1).await.unwrap();
        let deleted = tasks(50, |number| {
            let cache = cache.clone();
            async move {
                if number % 2 == 0 {
                    u64::from(cache.delete("key").await.unwrap())
                } else {
                    cache.delete_many(["key"]).await.unwrap()
                }
            }
        })
        .await;
        assert_eq!(deleted.into_iter().sum::<u64>(), 1);
    }
}

pub async fn one_of_fifty_swaps_from_the_same_value_wins(subject: &Subject) {
    let cache = subject.cache();
    for _ in 0..10 {
        cache.set("key", &-1).await.unwrap();
        let swapped = tasks(50, |number| {
            let cache = cache.clone();
            async move {
                let swapped = cache
                    .compare_and_set("key", Some(&-1), &number)
                    .await
                    .unwrap();
                swapped.then_some(number)
            }
        })
        .await;
        let winners: Vec<_> = swapped.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(
            cache.get::<i64>("key").await.unwrap(),
            winners.first().copied()
        );
    }
}

pub async fn a_counter_of_compare_and_set_loses_no_step(subject: &Subject) {
    let cache = subject.cache();
    tasks(6, |_| {
        let cache = cache.clone();
        async move {
            for _ in 0..20 {
                loop {
                    let seen = cache.get::<i64>("n").await.unwrap();
                    let next = seen.unwrap_or(0) + 1;
                    if cache
                        .compare_and_set("n", seen.as_ref(), &next)
                        .await
                        .unwrap()
                    {
                        break;
                    }
                }
            }
        }
    })
    .await;
    assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(120));
}

pub async fn a_set_is_never_lost_to_concurrent_increments(subject: &Subject) {
    let cache = subject.cache();
    among_increments(&cache, async || {
        for round in 1..=100_i64 {
            let floor = round * 1_000_000_000;
            cache.set("n", &floor).await.unwrap();
            stays(&cache, |seen| seen.is_some_and(|seen| seen >= floor)).await;
        }
    })
    .await;
}

pub async fn a_batch_of_sets_is_never_lost_to_concurrent_increments(subject: &Subject) {
    let cache = subject.cache();
    among_increments(&cache, async || {
        for round in 1..=100_i64 {
            let floor = round * 1_000_000_000;
            cache.set_many([("other", 0), ("n", floor)]).await.unwrap();
            stays(&cache, |seen| seen.is_some_and(|seen| seen >= floor)).await;
        }
    })
    .await;
}

pub async fn a_delete_is_never_lost_to_concurrent_increments(subject: &Subject) {
    let cache = subject.cache();
    among_increments(&cache, async || {
        let high = 1_000_000_000;
        for round in 0..100 {
            cache.set("n", &high).await.unwrap();
            // An increment that has begun on the high value is what a delete may be lost to.
            for _ in 0..100 {
                if cache.get::<i64>("n").await.unwrap() != Some(high) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            match round % 4 {
                0 => assert!(cache.delete("n").await.unwrap()),
                1 => assert_eq!(cache.delete_many(["n"]).await.unwrap(), 1),
                2 => assert!(cache.take::<i64>("n").await.unwrap().unwrap() >= high),
                _ => assert!(cache.clear("n*").await.unwrap() >= 1),
            }
            stays(&cache, |seen| seen.is_none_or(|seen| seen < high)).await;
        }
    })
    .await;
}

/// Looks at `n` several times: an increment that began before may end, wrongly, a little later.
async fn stays(cache: &Cache, right: impl Fn(Option<i64>) -> bool) {
    for _ in 0..20 {
        let seen = cache.get::<i64>("n").await.unwrap();
        assert!(right(seen), "{seen:?} comes from before the last write");
        tokio::task::yield_now().await;
    }
}

/// Does something while two tasks increment `n` without a pause.
async fn among_increments(cache: &Cache, act: impl AsyncFnOnce()) {
    let incrementing: Vec<_> = (0..2)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move {
                loop {
                    cache.increment("n", 1).await.unwrap();
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    super::until(async || cache.exists("n").await.unwrap()).await;
    act().await;
    for task in incrementing {
        task.abort();
        let end = task.await.expect_err("it ends by the abort only");
        assert!(end.is_cancelled(), "an increment failed: {end}");
    }
}

pub async fn every_caller_gets_the_answer_to_its_own_question(subject: &Subject) {
    let cache = subject.cache();
    tasks(32, |task| {
        let cache = cache.clone();
        async move {
            for number in 0..30 {
                let key = format!("{task}-{number}");
                let value = task * 1000 + number;
                cache.set(&key, &value).await.unwrap();
                assert_eq!(cache.get::<i64>(&key).await.unwrap(), Some(value));
                let both = cache
                    .get_many::<i64>([key.as_str(), "missing"])
                    .await
                    .unwrap();
                assert_eq!(both, [Some(value), None]);
                assert_eq!(cache.increment(&key, 1).await.unwrap(), value + 1);
                assert_eq!(cache.take::<i64>(&key).await.unwrap(), Some(value + 1));
                assert!(!cache.delete(&key).await.unwrap());
            }
        }
    })
    .await;
}

pub async fn readers_never_see_a_torn_value(subject: &Subject) {
    let cache = subject.cache();
    let value = |number: i64| vec![number; 2000];
    cache.set("key", &value(0)).await.unwrap();
    tasks(6, |task| {
        let cache = cache.clone();
        async move {
            for number in 0..50 {
                if task < 2 {
                    cache
                        .set("key", &value(task * 1000 + number))
                        .await
                        .unwrap();
                } else {
                    let seen = cache.get::<Vec<i64>>("key").await.unwrap().unwrap();
                    assert_eq!(seen, value(seen[0]));
                }
            }
        }
    })
    .await;
}

pub async fn what_is_handed_over_arrives_exactly_once(subject: &Subject) {
    let cache = subject.cache();
    let arrived = tasks(8, |task| {
        let cache = cache.clone();
        async move {
            let mut arrived = Vec::new();
            let mut sent = 0;
            // Four tasks put numbers into one slot whenever it is free, four empty it.
            while if task < 4 {
                sent < 25
            } else {
                arrived.len() < 25
            } {
                if task < 4 {
                    let added = cache.add("slot", &(task * 25 + sent)).await.unwrap();
                    sent += i64::from(added);
                } else {
                    arrived.extend(cache.take::<i64>("slot").await.unwrap());
                }
                tokio::task::yield_now().await;
            }
            arrived
        }
    })
    .await;
    let mut arrived: Vec<_> = arrived.into_iter().flatten().collect();
    arrived.sort_unstable();
    assert!(arrived.into_iter().eq(0..100));
}
