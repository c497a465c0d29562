//! Loads while the cache is in trouble: the caller has its value, in time, and the source is asked once.

use std::future::{IntoFuture, pending};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use maestro_cache_core::{
    Cache, CacheBackend, CallContext, Codec, Error, ErrorKind, Load, LoadError, LoadPolicy,
};
use maestro_cache_testkit::{FaultyBackend, ModelBackend};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

const DEADLINE: Duration = Duration::from_secs(1);
const LOAD: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

fn cache() -> (FaultyBackend, Cache) {
    let faulty = FaultyBackend::new(Arc::new(ModelBackend::new()));
    let cache = Cache::builder(faulty.clone()).timeout(DEADLINE).build();
    (faulty, cache.unwrap())
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "the server is down")
}

#[tokio::test(start_paused = true)]
async fn while_the_cache_is_down_those_who_ask_at_once_share_a_load() {
    let (faulty, cache) = cache();
    faulty.fail_with(down());
    let asked = AtomicU64::new(0);
    let load = || async {
        asked.fetch_add(1, Ordering::SeqCst);
        sleep(LOAD).await;
        Ok::<_, io::Error>(7)
    };
    let callers = (0..100).map(|_| async { cache.get_or_compute("key", load).await });
    for value in join_all(callers).await {
        assert_eq!(value.unwrap(), 7);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(cache.load_counts().cache_troubles >= 100);
    assert_eq!(cache.get_or_compute("key", load).await.unwrap(), 7);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "nothing was kept");
}

#[tokio::test(start_paused = true)]
async fn a_silent_cache_costs_its_deadline_once() {
    let (faulty, cache) = cache();
    faulty.stall();
    let load = || async {
        sleep(LOAD).await;
        Ok::<_, io::Error>(7)
    };
    let began = Instant::now();
    assert_eq!(cache.get_or_compute("key", load).await.unwrap(), 7);
    let took = began.elapsed();
    assert!(
        took >= LOAD && took <= DEADLINE + LOAD + Duration::from_millis(5),
        "{took:?}"
    );
}

/// It goes silent at each call of a load in turn: the lookup, the claim, the publishing.
#[tokio::test(start_paused = true)]
async fn a_cache_that_goes_silent_in_the_middle_costs_its_deadline_once() {
    for calls in 1..=4 {
        let (faulty, cache) = cache();
        let falls_silent = {
            let faulty = faulty.clone();
            async move {
                faulty.reached(calls - 1).await;
                faulty.stall();
            }
        };
        if calls == 1 {
            faulty.stall();
        }
        let silence = tokio::spawn(falls_silent);
        let load = || async {
            sleep(LOAD).await;
            Ok::<_, io::Error>(7)
        };
        let began = Instant::now();
        assert_eq!(cache.get_or_compute("key", load).await.unwrap(), 7);
        let took = began.elapsed();
        assert!(
            took <= DEADLINE + LOAD + Duration::from_millis(5),
            "{calls}: {took:?}"
        );
        silence.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_stored_is_returned() {
    for calls in 1..4 {
        let (faulty, cache) = cache();
        let load = || async {
            faulty.fail_with(down());
            Ok::<_, io::Error>(calls)
        };
        assert_eq!(cache.get_or_compute("key", load).await.unwrap(), calls);
        faulty.heal();
        assert_eq!(cache.load_counts().cache_troubles, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_loader_is_that_error_however_the_cache_is() {
    let (faulty, cache) = cache();
    let load = || async {
        faulty.fail_with(down());
        Err::<u64, _>(io::Error::other("the source is down"))
    };
    let error = cache.get_or_compute("key", load).await.unwrap_err();
    assert!(error.downcast_ref::<io::Error>().is_some());
    let error = cache.get_or_compute("key", load).await.unwrap_err();
    assert!(matches!(error, LoadError::Loader(_)));
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_the_cache_is_down_again_joins_the_load_that_is_under_way() {
    let (faulty, cache) = cache();
    let go = Notify::new();
    let first = cache.get_or_compute("key", || async {
        go.notified().await;
        Ok::<_, io::Error>(7)
    });
    let second = async {
        faulty.reached(2).await;
        faulty.fail_with(down());
        let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(8) });
        let go_on = async {
            while cache.load_counts().joined == 0 {
                yield_now().await;
            }
            go.notify_one();
        };
        tokio::join!(async { load.await }, go_on).0
    };
    let (first, second) = tokio::join!(async { first.await }, second);
    assert_eq!((first.unwrap(), second.unwrap()), (7, 7));
}

/// Each call is answered just in time, but all of them together have no more than that.
#[tokio::test(start_paused = true)]
async fn a_cache_that_is_always_late_costs_its_deadline_once() {
    for tenths in [3, 4, 6] {
        let (faulty, cache) = cache();
        faulty.slow_down(DEADLINE * tenths / 10);
        let began = Instant::now();
        let value = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
        assert_eq!(value.await.unwrap(), 7);
        let took = began.elapsed();
        assert!(took <= DEADLINE + Duration::from_millis(5), "{took:?}");
    }
}

/// What waits for another load has its share of that time as well.
#[tokio::test(start_paused = true)]
async fn a_slow_cache_costs_its_deadline_once_also_after_a_wait() {
    let model = ModelBackend::new();
    let faulty = FaultyBackend::new(Arc::new(model.clone()));
    let cache = Cache::builder(faulty.clone()).timeout(DEADLINE).build();
    let cache = cache.unwrap();
    faulty.slow_down(DEADLINE * 4 / 10);
    let load = || async { Ok::<_, io::Error>(7) };
    let writer = async {
        // After both have looked, and before one of them has claimed the key.
        faulty.reached(3).await;
        while cache.load_counts().joined == 0 {
            yield_now().await;
        }
        Cache::new(model).set("key", &5).await.unwrap();
        faulty.slow_down(DEADLINE * 9 / 10);
    };
    let began = Instant::now();
    let first = async { cache.get_or_compute("key", load).await };
    let second = async { cache.get_or_compute("key", load).await };
    let (first, second, ()) = tokio::join!(first, second, writer);
    // Whichever of them claimed the key.
    assert!([first, second].into_iter().any(|value| value.unwrap() == 5));
    let took = began.elapsed();
    assert!(took <= DEADLINE * 15 / 10, "{took:?}");
}

/// A caller with less time than the cache has.
#[tokio::test(start_paused = true)]
async fn a_silent_cache_costs_no_more_than_the_timeout_of_the_call() {
    let (faulty, cache) = cache();
    faulty.stall();
    let began = Instant::now();
    let asked = AtomicU64::new(0);
    let one = cache.get_or_compute("key", || {
        asked.fetch_add(1, Ordering::SeqCst);
        pending::<io::Result<u64>>()
    });
    let late = one.timeout(DEADLINE / 10).await;
    assert!(matches!(late, Err(LoadError::TimedOut)), "{late:?}");
    let many = cache.get_or_compute_many(["a", "b"], |_: Vec<String>| {
        asked.fetch_add(1, Ordering::SeqCst);
        pending::<io::Result<Vec<(String, u64)>>>()
    });
    let late = many.timeout(DEADLINE / 10).await;
    assert!(matches!(late, Err(LoadError::TimedOut)), "{late:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "there was no time left");
    let took = began.elapsed();
    assert!(took <= DEADLINE / 5 + Duration::from_millis(5), "{took:?}");
}

/// The lookup is part of what nobody waits longer for.
#[tokio::test(start_paused = true)]
async fn a_timeout_begins_with_the_call() {
    let (faulty, cache) = cache();
    faulty.slow_down(DEADLINE * 6 / 10);
    let began = Instant::now();
    let one = cache.get_or_compute("key", pending::<io::Result<u64>>);
    let late = one.timeout(DEADLINE).await;
    assert!(matches!(late, Err(LoadError::TimedOut)), "{late:?}");
    let never = |_: Vec<String>| pending::<io::Result<Vec<(String, u64)>>>();
    let many = cache.get_or_compute_many(["a", "b"], never);
    let late = many.timeout(DEADLINE).await;
    assert!(matches!(late, Err(LoadError::TimedOut)), "{late:?}");
    let took = began.elapsed();
    assert!(took <= 2 * DEADLINE + Duration::from_millis(10), "{took:?}");
}

/// A value that was live for a minute, two minutes ago.
async fn stale(model: &ModelBackend, cache: &Cache) {
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(1) });
    let load = load.ttl(MINUTE).stale_if_error(60 * MINUTE);
    load.await.unwrap();
    model.advance_clock(2 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn an_old_value_that_was_seen_is_of_use_if_the_cache_is_down_afterwards() {
    let model = ModelBackend::new();
    let faulty = FaultyBackend::new(Arc::new(model.clone()));
    let cache = Cache::new(faulty.clone());
    stale(&model, &cache).await;
    let fail = || async {
        faulty.fail_with(down());
        Err::<u64, _>(io::Error::other("the source is down"))
    };
    let load = cache.get_or_compute("key", fail);
    assert_eq!(load.stale_if_error(60 * MINUTE).await.unwrap(), 1);
    faulty.heal();
    // The claim was let go of by nobody.
    model
        .delete(CallContext::new(MINUTE), &["key"])
        .await
        .unwrap();

    stale(&model, &cache).await;
    let same = || async {
        faulty.fail_with(down());
        Ok::<_, io::Error>(Load::<u64>::not_modified())
    };
    let load = cache.get_or_compute("key", same);
    assert_eq!(load.stale_if_error(60 * MINUTE).await.unwrap(), 1);
}

/// What was young enough when it was looked up is not when it is served.
#[tokio::test(start_paused = true)]
async fn an_old_value_grows_older_while_its_load_runs() {
    let model = ModelBackend::new();
    let cache = Cache::new(model.clone());
    stale(&model, &cache).await;
    // It was live a minute ago, and may be served for a second more.
    let within = MINUTE + Duration::from_secs(1);
    let fail = || async {
        sleep(LOAD).await;
        Err::<u64, _>(io::Error::other("the source is down"))
    };
    let ask = || async {
        cache
            .get_or_compute("key", fail)
            .stale_if_error(within)
            .await
    };
    let answers = join_all([ask(), ask()]).await;
    assert!(answers.iter().all(Result::is_err), "{answers:?}");

    let slow = || async {
        sleep(LOAD).await;
        Ok::<_, io::Error>(2)
    };
    let ask = || async {
        let load = cache.get_or_compute("key", slow).stale_if_error(within);
        load.soft_timeout(LOAD / 2).await
    };
    let answers = join_all([ask(), ask()]).await;
    assert!(
        answers.iter().all(|answer| matches!(answer, Ok(2))),
        "{answers:?}"
    );
}

/// Nobody would see what such a load returned: it is for those who ask later, and would not be stored.
#[tokio::test(start_paused = true)]
async fn nothing_is_refreshed_that_cannot_be_claimed() {
    let model = ModelBackend::new();
    let faulty = FaultyBackend::new(Arc::new(model.clone()));
    let cache = Cache::new(faulty.clone());
    stale(&model, &cache).await;
    let asked = Arc::new(AtomicU64::new(0));
    let refresh = || {
        let asked = Arc::clone(&asked);
        let load = move || async move {
            asked.fetch_add(1, Ordering::SeqCst);
            Ok::<_, io::Error>(2)
        };
        let load = cache.get_or_compute("key", load);
        load.stale_while_revalidate(60 * MINUTE)
    };
    assert_eq!(refresh().await.unwrap(), 1);
    faulty.fail_next(1, down());
    while cache.load_counts().under_way > 0 {
        yield_now().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    assert_eq!(refresh().await.unwrap(), 1);
    while cache.load_counts().under_way > 0 {
        yield_now().await;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the next one is");
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(2));
}

/// The breaker of a server that is silent says so at once, long before the time of the call is over.
#[tokio::test(start_paused = true)]
async fn an_early_timeout_of_the_cache_is_none_of_the_call() {
    let (faulty, cache) = cache();
    faulty.fail_with(Error::new(ErrorKind::Timeout, "the server is silent"));
    let one = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    assert_eq!(one.timeout(DEADLINE / 2).await.unwrap(), 7);
    let many =
        cache.get_or_compute_many(["a"], async |_: Vec<String>| Ok::<_, io::Error>([("a", 7)]));
    assert_eq!(many.timeout(DEADLINE / 2).await.unwrap(), [Some(7)]);
}

/// A lookup of many ends with the slowest server, and what the others said is there.
#[tokio::test(start_paused = true)]
async fn a_live_value_is_served_also_when_the_time_is_over() {
    let model = ModelBackend::new();
    let faulty = FaultyBackend::new(Arc::new(model.clone()));
    let cache = Cache::builder(faulty.clone()).timeout(DEADLINE).build();
    let cache = cache.unwrap();
    cache.set("key", &5).await.unwrap();
    faulty.slow_down(DEADLINE - Duration::from_nanos(1));
    let many = cache.get_or_compute_many(["key"], async |_: Vec<String>| {
        Ok::<_, io::Error>([("key", 7)])
    });
    assert_eq!(many.timeout(DEADLINE).await.unwrap(), [Some(5)]);
}

/// One that was certainly not granted needs no letting go, which would be a call for each key.
#[tokio::test(start_paused = true)]
async fn a_claim_that_was_not_asked_for_is_not_let_go_of() {
    let (faulty, cache) = cache();
    let asked = async {
        faulty.reached(1).await;
        faulty.fail_with(down());
    };
    faulty.slow_down(DEADLINE / 10);
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let (value, ()) = tokio::join!(load.into_future(), asked);
    assert_eq!(value.unwrap(), 7);
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(faulty.calls(), 2, "a lookup and a claim");
}

/// Each of them has to load it, and they do so side by side.
#[tokio::test(start_paused = true)]
async fn those_who_wait_for_what_cannot_be_shared_do_not_wait_for_each_other() {
    let cache = Cache::builder(ModelBackend::new()).codec(Codec::Json);
    let cache = cache.build().unwrap();
    let load = || async {
        sleep(LOAD).await;
        Ok::<_, io::Error>(f64::NAN)
    };
    let began = Instant::now();
    let values = join_all((0..50).map(|_| async { cache.get_or_compute("key", load).await })).await;
    assert!(values.into_iter().all(|value| value.unwrap().is_nan()));
    assert_eq!(cache.load_counts().loads, 50);
    assert!(began.elapsed() < 3 * LOAD, "{:?}", began.elapsed());
}

/// What each of them saw before is of use to it still.
#[tokio::test(start_paused = true)]
async fn who_waited_for_what_cannot_be_shared_may_be_served_an_old_value() {
    let model = ModelBackend::new();
    let cache = Cache::builder(model.clone()).codec(Codec::Json);
    let cache = cache.build().unwrap();
    let policy = LoadPolicy::new().ttl(MINUTE).stale_if_error(60 * MINUTE);
    let cache = cache.with_load_policy(policy);
    cache
        .get_or_compute("key", || async { Ok::<_, io::Error>(1.0) })
        .await
        .unwrap();
    model.advance_clock(2 * MINUTE);
    let first = cache.get_or_compute("key", || async {
        sleep(LOAD).await;
        Ok::<_, io::Error>(f64::NAN)
    });
    let second = cache.get_or_compute("key", || async {
        Err::<f64, _>(io::Error::other("the source is down"))
    });
    let mut first = first.into_future();
    assert!((&mut first).now_or_never().is_none());
    let (first, second) = tokio::join!(first, second.into_future());
    assert!(first.unwrap().is_nan());
    assert_eq!(second.unwrap(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_the_cache_that_fails_leaves_no_claim() {
    let (faulty, cache) = cache();
    // To store it.
    let load = || async {
        faulty.fail_next(1, down());
        Ok::<_, io::Error>(7)
    };
    assert_eq!(cache.get_or_compute("stored", load).await.unwrap(), 7);
    // To look whether the claim of a caller who left still holds.
    let mut leaving = Box::pin(async {
        let never = pending::<io::Result<u64>>;
        cache.get_or_compute("taken over", never).await
    });
    assert!((&mut leaving).now_or_never().is_none());
    let mut waiting = Box::pin(async {
        let load = || async { Ok::<_, io::Error>(7) };
        cache.get_or_compute("taken over", load).await
    });
    assert!((&mut waiting).now_or_never().is_none());
    drop(leaving);
    faulty.fail_next(1, down());
    assert_eq!(waiting.await.unwrap(), 7);
    // To claim the key, which takes effect all the same.
    faulty.lose_answer_to(faulty.calls() + 2);
    let load = || async { Ok::<_, io::Error>(7) };
    assert_eq!(cache.get_or_compute("claimed", load).await.unwrap(), 7);
    assert_eq!(cache.get::<u64>("claimed").await.unwrap(), None);
    for key in ["stored", "taken over", "claimed"] {
        let load = || async { Ok::<_, io::Error>(7) };
        assert_eq!(cache.get_or_compute(key, load).await.unwrap(), 7);
        assert_eq!(cache.get::<u64>(key).await.unwrap(), Some(7), "{key}");
    }
}

/// It was told that nobody is at the key any more, and there is no time left for another question.
#[tokio::test(start_paused = true)]
async fn who_asks_a_slow_cache_after_an_invalidation_joins_no_load_from_before() {
    let (faulty, cache) = cache();
    let go = Notify::new();
    let mut before = Box::pin(async {
        let load = || async {
            go.notified().await;
            Ok::<_, io::Error>(7)
        };
        cache.get_or_compute("key", load).await
    });
    assert!((&mut before).now_or_never().is_none());
    cache.delete("key").await.unwrap();
    faulty.slow_down(DEADLINE * 6 / 10);
    let one = cache.get_or_compute("key", || async { Ok::<_, io::Error>(8) });
    assert_eq!(timeout(LOAD, one.into_future()).await.unwrap().unwrap(), 8);
    let many = cache.get_or_compute_many(["key"], async |keys: Vec<String>| {
        Ok::<_, io::Error>(keys.into_iter().map(|key| (key, 9)).collect::<Vec<_>>())
    });
    let many = timeout(LOAD, many.into_future()).await.unwrap();
    assert_eq!(many.unwrap(), [Some(9)]);
    go.notify_one();
    assert_eq!(before.await.unwrap(), 7);
}

/// It could not ask, and so it knows nothing of the claim.
#[tokio::test(start_paused = true)]
async fn who_takes_over_while_the_cache_is_in_trouble_leaves_no_claim() {
    let (faulty, cache) = cache();
    let mut leaving = Box::pin(async {
        let never = pending::<io::Result<u64>>;
        cache.get_or_compute("key", never).await
    });
    assert!((&mut leaving).now_or_never().is_none());
    faulty.fail_next(1, down());
    let load = || async { Ok::<_, io::Error>(7) };
    let mut waiting = Box::pin(async { cache.get_or_compute("key", load).await });
    assert!((&mut waiting).now_or_never().is_none());
    drop(leaving);
    assert_eq!(waiting.await.unwrap(), 7);
    assert_eq!(cache.get_or_compute("key", load).await.unwrap(), 7);
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(7));
}

/// The second of three renewals comes before the claim is over, though the first one took all the time
/// that it had.
#[tokio::test(start_paused = true)]
async fn one_renewal_that_fails_does_not_end_a_claim() {
    let (faulty, cache) = cache();
    let life = 3 * DEADLINE;
    for timeout in [DEADLINE, 30 * DEADLINE] {
        let before = faulty.calls();
        faulty.say_that_claims_live(life);
        let patient = cache.with_timeout(timeout);
        let mut load = Box::pin(async {
            let load = || async {
                faulty.stall();
                sleep(2 * life).await;
                Ok::<_, io::Error>(7)
            };
            patient.get_or_compute("key", load).await
        });
        let while_it_is_silent = sleep(life / 2);
        let never = tokio::select! {
            _ = &mut load => true,
            () = while_it_is_silent => false,
        };
        assert!(!never);
        assert_eq!(faulty.calls(), before + 3, "a lookup, a claim, a renewal");
        let silence_ends = sleep(life / 2 - DEADLINE / 10);
        tokio::select! {
            _ = &mut load => unreachable!(),
            () = silence_ends => {}
        }
        assert_eq!(faulty.calls(), before + 4, "another one in time");
        faulty.heal();
        assert_eq!(load.await.unwrap(), 7);
        cache.delete("key").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_slow_cache_leaves_no_claim() {
    let (faulty, cache) = cache();
    faulty.slow_down(DEADLINE / 10);
    let leaving = cache.get_or_compute("key", pending::<io::Result<u64>>);
    let left = timeout(DEADLINE, leaving.into_future()).await;
    assert!(left.is_err());
    let began = Instant::now();
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    assert_eq!(load.await.unwrap(), 7);
    assert!(began.elapsed() < DEADLINE);
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(7));
}

/// The value was there between the lookup and the claim. Who asks after that has no part in it.
#[tokio::test]
async fn what_was_found_and_removed_again_is_nothing_to_those_who_come_later() {
    let cache = Cache::new(ModelBackend::remote());
    let load = || async { Ok::<_, io::Error>(7) };
    let mut first = cache.get_or_compute("key", load).into_future();
    assert!((&mut first).now_or_never().is_none(), "it has looked");
    cache.set("key", &5).await.unwrap();
    assert!((&mut first).now_or_never().is_none(), "it has claimed it");
    cache.delete("key").await.unwrap();
    let mut late = cache.get_or_compute("key", load).into_future();
    while cache.load_counts().joined == 0 {
        assert!((&mut late).now_or_never().is_none());
    }
    assert_eq!(first.await.unwrap(), 5);
    assert_eq!(late.await.unwrap(), 7);
}

/// A service of another version writes what this one cannot read, each time before it is claimed.
#[tokio::test]
async fn a_value_that_is_always_replaced_by_another_unreadable_one_is_loaded_and_not_stored() {
    let cache = Cache::new(ModelBackend::remote());
    cache.set("key", "not a number").await.unwrap();
    let load = || async { Ok::<_, io::Error>(7) };
    let mut load = cache.get_or_compute("key", load).into_future();
    for turn in 0..20 {
        let written = format!("not a number either: {turn}");
        cache.set("key", &written).await.unwrap();
        if let Some(loaded) = (&mut load).now_or_never() {
            assert_eq!(loaded.unwrap(), 7);
            assert_eq!(cache.get::<String>("key").await.unwrap(), Some(written));
            return;
        }
    }
    panic!("it still waits for a value that it can read");
}

/// Somebody waits, and has not fetched what the load has ended with.
#[tokio::test(start_paused = true)]
async fn what_a_load_ended_with_is_nothing_to_those_who_come_later() {
    let (faulty, cache) = cache();
    faulty.fail_with(down());
    let go = Notify::new();
    let first = async {
        let load = || async {
            go.notified().await;
            Err::<u64, _>(io::Error::other("the source is down"))
        };
        cache.get_or_compute("key", load).await
    };
    let mut first = Box::pin(first);
    assert!((&mut first).now_or_never().is_none());
    let mut waiting = Box::pin(async {
        let load = || async { Ok::<_, io::Error>(7) };
        cache.get_or_compute("key", load).await
    });
    assert!((&mut waiting).now_or_never().is_none());
    go.notify_one();
    assert!(first.await.is_err());
    let late = cache.get_or_compute("key", || async { Ok::<_, io::Error>(8) });
    assert_eq!(late.await.unwrap(), 8);
    assert!(waiting.await.is_err());
}

/// Without a runtime nobody keeps the time, so the claim cannot be renewed, and holds for one life.
#[test]
fn a_load_without_a_runtime_does_not_renew_its_claim() {
    let (faulty, cache) = cache();
    faulty.say_that_claims_live(DEADLINE);
    let go = Notify::new();
    let load = cache.get_or_compute("key", || async {
        go.notified().await;
        Ok::<_, io::Error>(7)
    });
    let mut load = load.into_future();
    assert!((&mut load).now_or_never().is_none());
    go.notify_one();
    assert_eq!(load.now_or_never().unwrap().unwrap(), 7);
    assert_eq!(
        cache
            .get::<u64>("key")
            .into_future()
            .now_or_never()
            .unwrap()
            .unwrap(),
        Some(7)
    );
}

#[test]
fn a_timeout_without_a_runtime_is_an_error_that_says_so() {
    let (_, cache) = cache();
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let load = load.timeout(DEADLINE).into_future().now_or_never();
    match load {
        Some(Err(LoadError::Cache(error))) => assert_eq!(error.kind(), ErrorKind::Config),
        other => panic!("{other:?}"),
    }
}

/// More keys than may be asked for at once.
#[tokio::test(start_paused = true)]
async fn a_silent_cache_costs_its_deadline_once_however_many_are_loaded() {
    let (faulty, cache) = cache();
    let keys: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let silence = {
        let faulty = faulty.clone();
        tokio::spawn(async move {
            faulty.reached(1).await;
            faulty.stall();
        })
    };
    let began = Instant::now();
    let load = cache.get_or_compute_many(&keys, async |keys: Vec<String>| {
        Ok::<_, io::Error>(keys.into_iter().map(|key| (key, 7)).collect::<Vec<_>>())
    });
    let values = load.await.unwrap();
    assert!(values.iter().all(|value| *value == Some(7)));
    let took = began.elapsed();
    assert!(took <= DEADLINE + Duration::from_millis(5), "{took:?}");
    silence.abort();
}

/// However large it is, a batch leaves room for others.
#[tokio::test(start_paused = true)]
async fn a_batch_makes_512_calls_for_one_key_each_at_once() {
    let (faulty, cache) = cache();
    let keys: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    // So that each key is released for itself, and none of those calls is answered.
    let load = cache.get_or_compute_many(&keys, async |_: Vec<String>| {
        faulty.stall();
        Err::<Vec<(String, u64)>, _>(io::Error::other("the source is down"))
    });
    let mut load = Box::pin(load.into_future());
    for _ in 0..100 {
        assert!((&mut load).now_or_never().is_none());
        yield_now().await;
    }
    assert_eq!(faulty.calls(), 1 + 1 + 512, "one lookup, one claim for all");
    faulty.heal();
    assert!(load.await.is_err());
    assert_eq!(faulty.calls(), 1 + 1 + 2000);
}

/// Those who are in line when the time is over add nothing to the trouble.
#[tokio::test(start_paused = true)]
async fn a_batch_does_not_go_on_asking_a_cache_that_has_had_its_time() {
    let (faulty, cache) = cache();
    let keys: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let load = cache.get_or_compute_many(&keys, async |_: Vec<String>| {
        faulty.stall();
        Err::<Vec<(String, u64)>, _>(io::Error::other("the source is down"))
    });
    assert!(load.await.is_err());
    assert_eq!(faulty.calls(), 1 + 1 + 512);
}
