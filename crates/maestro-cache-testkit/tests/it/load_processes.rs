//! Loads beside those of another process: who waits for it and for how long, and how a claim is kept.

use std::future::{IntoFuture, pending};
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use maestro_cache_core::{
    Cache, CacheBackend, CallContext, Claim, ClaimOver, Expiry, Keeping, LoadToken,
};
use maestro_cache_testkit::{FaultyBackend, ModelBackend};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn cache() -> (ModelBackend, FaultyBackend, Cache) {
    let model = ModelBackend::new();
    let faulty = FaultyBackend::new(Arc::new(model.clone()));
    let cache = Cache::builder(faulty.clone()).timeout(SECOND).build();
    (model, faulty, cache.unwrap())
}

fn context() -> CallContext {
    CallContext::new(MINUTE)
}

/// A load in another process. All that is seen of it here is its claim.
struct Elsewhere<'a> {
    model: &'a ModelBackend,
    token: LoadToken,
}

impl<'a> Elsewhere<'a> {
    async fn claims(model: &'a ModelBackend) -> Self {
        let token = LoadToken::new();
        let claim = model.claim(context(), "key", token, ClaimOver::Gap).await;
        assert!(matches!(claim, Ok(Claim::Granted)), "{claim:?}");
        Self { model, token }
    }

    async fn publish(&self, value: &'static str) -> bool {
        let keeping = Keeping::plain(Expiry::Never);
        let publish = self
            .model
            .publish(context(), "key", self.token, value.into(), keeping);
        publish.await.unwrap()
    }

    async fn release(&self, back_off: Option<NonZeroU64>) {
        let release = self.model.release(context(), "key", self.token, back_off);
        assert!(release.await.unwrap());
    }
}

/// A value that was live for a minute, two minutes ago.
async fn stale(model: &ModelBackend, cache: &Cache) {
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(1) });
    let load = load.ttl(MINUTE).stale_if_error(60 * MINUTE);
    load.await.unwrap();
    model.advance_clock(2 * MINUTE);
}

/// However slow the cache is, and however long that takes: to wait is not to ask the cache.
#[tokio::test(start_paused = true)]
async fn who_asks_has_the_value_that_another_process_loads() {
    for slowness in [0, 100] {
        let (model, faulty, cache) = cache();
        faulty.slow_down(Duration::from_millis(slowness));
        let other = Elsewhere::claims(&model).await;
        let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
        let publish = async {
            sleep(4 * SECOND).await;
            assert!(other.publish("8").await);
        };
        let (value, ()) = tokio::join!(load.into_future(), publish);
        assert_eq!(value.unwrap(), 8);
        let counts = cache.load_counts();
        assert_eq!((counts.loads, counts.cache_troubles), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_for_another_process_loads_as_well_and_stores_nothing() {
    let (model, _, cache) = cache();
    let other = Elsewhere::claims(&model).await;
    let began = Instant::now();
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let value = load.wait_for_others(3 * SECOND).await;
    assert_eq!(value.unwrap(), 7);
    let took = began.elapsed();
    let longest_pause = Duration::from_millis(51);
    assert!(
        (3 * SECOND..=3 * SECOND + longest_pause).contains(&took),
        "{took:?}"
    );
    assert_eq!(cache.get::<u64>("key").await.unwrap(), None);
    assert!(other.publish("8").await, "it is not in its way");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_another_process_lets_go_of_is_taken_over() {
    let (model, _, cache) = cache();
    let other = Elsewhere::claims(&model).await;
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let release = async {
        sleep(SECOND).await;
        other.release(None).await;
    };
    let began = Instant::now();
    let (value, ()) = tokio::join!(load.into_future(), release);
    assert_eq!(value.unwrap(), 7);
    assert!(began.elapsed() < 2 * SECOND);
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(7));
}

/// There it is nobody's turn while this one waits.
#[test]
fn without_a_runtime_nobody_waits_for_another_process() {
    let (model, _, cache) = cache();
    let other = Elsewhere::claims(&model).now_or_never().unwrap();
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let value = load.into_future().now_or_never();
    assert_eq!(value.unwrap().unwrap(), 7);
    assert!(other.publish("8").now_or_never().unwrap());
}

/// The key was invalidated, and is loaded anew elsewhere: what is loaded here is from before that.
#[tokio::test(start_paused = true)]
async fn nobody_joins_a_load_whose_key_another_process_has_claimed_since() {
    let (model, _, cache) = cache();
    let go = Notify::new();
    let first = cache.get_or_compute("key", || async {
        go.notified().await;
        Ok::<_, io::Error>(7)
    });
    let second = async {
        model.delete(context(), &["key"]).await.unwrap();
        let other = Elsewhere::claims(&model).await;
        let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(0) });
        let publish = async {
            sleep(SECOND).await;
            assert!(other.publish("8").await);
            go.notify_one();
        };
        tokio::join!(load.into_future(), publish).0
    };
    let (first, second) = tokio::join!(first.into_future(), second);
    assert_eq!((first.unwrap(), second.unwrap()), (7, 8));
}

#[tokio::test(start_paused = true)]
async fn an_old_value_that_another_process_loads_anew_is_left_to_it() {
    let (model, _, cache) = cache();
    stale(&model, &cache).await;
    let other = Elsewhere::claims(&model).await;
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let value = load.stale_while_revalidate(60 * MINUTE).await;
    assert_eq!(value.unwrap(), 1);
    assert_eq!(cache.load_counts().under_way, 0, "nobody waits for it");
    assert!(other.publish("8").await);
}

/// The calls of the cache take a moment each. What comes in between is seen when the key is claimed.
#[tokio::test(start_paused = true)]
async fn what_comes_between_the_lookup_and_the_claim_is_seen() {
    let call = Duration::from_millis(10);
    let (model, faulty, cache) = cache();
    stale(&model, &cache).await;
    faulty.slow_down(call);
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let fails_elsewhere = async {
        sleep(call * 3 / 2).await;
        let other = Elsewhere::claims(&model).await;
        other.release(NonZeroU64::new(60_000)).await;
    };
    let load = load.stale_if_error(60 * MINUTE).into_future();
    let (value, ()) = tokio::join!(load, fails_elsewhere);
    assert_eq!(value.unwrap(), 1, "the source is left alone");
    assert_eq!(cache.load_counts().loads, 1);

    model.delete(context(), &["key"]).await.unwrap();
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7) });
    let odd = async {
        sleep(call * 3 / 2).await;
        let set = Cache::new(model.clone());
        set.set_bytes("key", "{no value of any codec")
            .await
            .unwrap();
    };
    let (value, ()) = tokio::join!(load.into_future(), odd);
    assert_eq!(value.unwrap(), 7);
    let kept = cache.get::<u64>("key").await.unwrap();
    assert_eq!(kept, Some(7), "what cannot be read is replaced");
}

/// Three times as often as it would have to be.
#[tokio::test(start_paused = true)]
async fn a_claim_is_renewed_for_as_long_as_the_loader_runs() {
    let (model, faulty, cache) = cache();
    faulty.say_that_claims_live(3 * SECOND);
    // Looked up, claimed, renewed ten times, published.
    let load = || async {
        sleep(10 * SECOND + SECOND / 2).await;
        Ok::<_, io::Error>(7)
    };
    cache.get_or_compute("key", load).await.unwrap();
    assert_eq!(faulty.calls(), 13);

    // One that fails is one that is missing.
    let load = || async {
        sleep(SECOND / 2).await;
        let down = maestro_cache_core::ErrorKind::Unavailable;
        faulty.fail_next(
            1,
            maestro_cache_core::Error::new(down, "the server is down"),
        );
        sleep(10 * SECOND).await;
        Ok::<_, io::Error>(7)
    };
    cache.get_or_compute("other", load).await.unwrap();
    assert_eq!(faulty.calls(), 26);

    // There is nothing to renew once it is broken.
    model.delete(context(), &["key"]).await.unwrap();
    let load = || async {
        sleep(SECOND / 2).await;
        model.delete(context(), &["key"]).await.unwrap();
        sleep(10 * SECOND).await;
        Ok::<_, io::Error>(7)
    };
    cache.get_or_compute("key", load).await.unwrap();
    assert_eq!(faulty.calls(), 30);

    // Nor once its caller is gone.
    let leaving = cache.get_or_compute("left", pending::<io::Result<u64>>);
    let left = tokio::time::timeout(SECOND / 2, leaving.into_future()).await;
    assert!(left.is_err());
    sleep(10 * SECOND).await;
    assert_eq!(faulty.calls(), 33, "looked up, claimed, let go");
}
