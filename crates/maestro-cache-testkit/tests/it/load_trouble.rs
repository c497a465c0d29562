//! Loads while the cache is in trouble: the caller has its value, in time, and the source is asked once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use maestro_cache_core::{Cache, Error, ErrorKind, LoadError};
use maestro_cache_testkit::{FaultyBackend, ModelBackend};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

const DEADLINE: Duration = Duration::from_secs(1);
const LOAD: Duration = Duration::from_secs(5);

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
                tokio::task::yield_now().await;
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
    let (faulty, cache) = cache();
    faulty.slow_down(DEADLINE * 6 / 10);
    let began = Instant::now();
    let value = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    assert_eq!(value.await.unwrap(), 7);
    let took = began.elapsed();
    assert!(took <= DEADLINE + Duration::from_millis(5), "{took:?}");
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
    assert!(took <= 2 * DEADLINE + Duration::from_millis(5), "{took:?}");
    silence.abort();
}
