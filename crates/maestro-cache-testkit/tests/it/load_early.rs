//! How often values are loaded early, on both ways that a hit may go.

use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use maestro_cache_core::{
    Cache, CacheBackend, CallContext, ClaimOver, Expiry, Keeping, LoadToken, RefreshEarly,
};
use maestro_cache_testkit::ModelBackend;
use tokio::time::sleep;

const KEYS: u32 = 2000;
const LEFT: Duration = Duration::from_secs(60);
const COST: Duration = Duration::from_secs(10);

/// How many of so many values are loaded early that took 10 s to load and have a minute left, under a
/// policy by which half of them should be.
async fn loaded_early(backend: ModelBackend) -> u64 {
    let cache = Cache::new(backend.clone());
    let context = CallContext::new(Duration::from_secs(1));
    let keeping = Keeping {
        cost: Some(COST),
        ..Keeping::plain(Expiry::AfterMillis(NonZeroU64::new(60_000).unwrap()))
    };
    // It is loaded if left <= cost * beta * -ln(chance), which has the probability exp(-left / cost / beta).
    let beta = LEFT.as_secs_f64() / COST.as_secs_f64() / std::f64::consts::LN_2;
    for number in 0..KEYS {
        let (key, token) = (number.to_string(), LoadToken::new());
        backend
            .claim(context, &key, token, ClaimOver::Gap)
            .await
            .unwrap();
        let publish = backend.publish(context, &key, token, "5".into(), keeping);
        assert!(publish.await.unwrap());
        let load = || async { Ok::<_, io::Error>(5_u64) };
        let value = cache
            .get_or_compute(&key, load)
            .refresh_early(RefreshEarly::eagerness(beta))
            .await;
        assert_eq!(value.unwrap(), 5);
    }
    // Time stands still for as long as anything goes on.
    sleep(Duration::from_millis(1)).await;
    cache.load_counts().loads
}

/// Half of them, as far as chance goes: seven standard deviations on each side.
fn is_about_half(loads: u64) -> bool {
    (840..=1160).contains(&loads)
}

#[tokio::test(start_paused = true)]
async fn values_are_loaded_early_as_often_as_the_policy_says() {
    let loads = loaded_early(ModelBackend::new()).await;
    assert!(is_about_half(loads), "{loads}");
}

#[tokio::test(start_paused = true)]
async fn values_that_take_a_turn_are_loaded_early_as_often() {
    let loads = loaded_early(ModelBackend::remote()).await;
    assert!(is_about_half(loads), "{loads}");
}
