//! `clear` over many entries: in time, in turns, and honest about what it has done.

use std::time::Duration;

use futures_util::FutureExt;
use maestro_cache_core::{Cache, ErrorKind, Outcome};
use maestro_cache_memory::InMemoryCache;

async fn with_entries(entries: usize) -> Cache {
    let cache = Cache::new(InMemoryCache::builder().build().unwrap());
    cache
        .set_many((0..entries).map(|index| (index.to_string(), index)))
        .await
        .unwrap();
    cache
}

#[tokio::test]
async fn the_deadline_ends_it_while_it_looks_and_nothing_is_removed_then() {
    let cache = with_entries(5_000).await;
    let error = cache
        .with_timeout(Duration::from_nanos(1))
        .clear("*")
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::NotApplied)
    );
    assert_eq!(cache.clear("*").await.unwrap(), 5_000);
}

#[tokio::test]
async fn what_is_done_before_the_deadline_is_looked_at_counts() {
    let cache = with_entries(10).await;
    assert_eq!(
        cache
            .with_timeout(Duration::from_nanos(1))
            .clear("*")
            .await
            .unwrap(),
        10
    );
}

#[tokio::test]
async fn the_deadline_between_two_turns_leaves_the_rest_and_says_so() {
    let cache = with_entries(1_000).await;
    let hasty = cache.with_timeout(Duration::from_millis(50));
    let mut clear = std::pin::pin!(hasty.clear("*"));
    assert!(
        clear.as_mut().now_or_never().is_none(),
        "it lets others run"
    );
    std::thread::sleep(Duration::from_millis(50)); // The deadline is real time, and has to pass.
    let error = clear.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Timeout, Outcome::Unknown)
    );
    let left = cache.clear("*").await.unwrap();
    assert!(left > 0 && left < 1_000, "{left}");
}

#[tokio::test]
async fn a_close_between_two_turns_ends_it_and_the_outcome_is_unknown() {
    let cache = with_entries(1_000).await;
    let mut clear = std::pin::pin!(cache.clear("*"));
    assert!(
        clear.as_mut().now_or_never().is_none(),
        "it lets others run"
    );
    cache.close().await.unwrap();
    let error = clear.await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Closed, Outcome::Unknown)
    );
}

#[tokio::test]
async fn a_dropped_clear_leaves_the_rest() {
    let cache = with_entries(1_000).await;
    {
        let mut clear = std::pin::pin!(cache.clear("*"));
        assert!(
            clear.as_mut().now_or_never().is_none(),
            "it lets others run"
        );
    }
    let left = cache.clear("*").await.unwrap();
    assert!(left > 0 && left < 1_000, "{left}");
}
