//! The backend that fails on command.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Cache, CacheBackend, Error, ErrorKind, Outcome};
use maestro_cache_testkit::{FaultyBackend, ModelBackend, conformance};

/// While nothing is wrong it is the backend behind it.
mod without_faults {
    use super::*;

    struct Fixture(ModelBackend);

    impl maestro_cache_testkit::Fixture for Fixture {
        fn backend(&self) -> Arc<dyn CacheBackend> {
            Arc::new(FaultyBackend::new(Arc::new(self.0.clone())))
        }

        fn advance<'a>(
            &'a self,
            prefix: &'a str,
            by: Duration,
        ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            self.0.advance(prefix, by)
        }
    }

    conformance!(Fixture(ModelBackend::new()));
}

fn faulty() -> (FaultyBackend, Cache) {
    let faulty = FaultyBackend::new(Arc::new(ModelBackend::new()));
    let cache = Cache::new(faulty.clone()).with_timeout(Duration::from_secs(30));
    (faulty, cache)
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "the link is down")
}

#[tokio::test]
async fn every_call_fails_until_it_is_healed_and_none_gets_through() {
    let (faulty, cache) = faulty();
    faulty.fail_with(down());
    for _ in 0..3 {
        let error = cache.set("key", &1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!cache.health_check().await.is_healthy());
    }
    faulty.heal();
    assert!(!cache.exists("key").await.unwrap());
    assert!(cache.health_check().await.is_healthy());
    assert_eq!(faulty.calls(), 8);
}

#[tokio::test]
async fn the_next_calls_fail_and_those_after_them_do_not() {
    let (faulty, cache) = faulty();
    faulty.fail_next(2, down());
    assert!(cache.set("key", &1).await.is_err());
    assert!(cache.set("key", &1).await.is_err());
    cache.set("key", &1).await.unwrap();
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_was_made() {
    let (faulty, cache) = faulty();
    faulty.lose_answer_to(2);
    cache.set("key", &1).await.unwrap();
    let error = cache.set("key", &2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_stalled_call_goes_on_when_it_is_healed() {
    let (faulty, cache) = faulty();
    faulty.stall();
    let waiting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.increment("n", 1).await }
    });
    faulty.reached(1).await;
    assert!(!waiting.is_finished());
    faulty.heal();
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_stalled_call_times_out_and_a_write_is_unknown() {
    let (faulty, cache) = faulty();
    faulty.stall();
    let cache = cache.with_timeout(Duration::from_millis(5));
    let error = cache.get::<i64>("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    let error = cache.set("key", &1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(!cache.health_check().await.is_healthy());
    faulty.heal();
    assert!(
        !cache.exists("key").await.unwrap(),
        "what timed out here was never done"
    );
}
