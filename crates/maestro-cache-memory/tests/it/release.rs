//! Memory is given back: what has expired, was replaced, removed or evicted, and all at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use maestro_cache_core::{Bytes, Cache};
use maestro_cache_memory::{InMemoryCache, ManualClock};

/// Bytes that count how many of them are still held.
struct Counted {
    held: Arc<AtomicUsize>,
}

impl Counted {
    fn bytes(held: &Arc<AtomicUsize>) -> Bytes {
        held.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Self {
            held: Arc::clone(held),
        })
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"value"
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits for the sweeper; how long it may take on a machine in trouble is no promise of ours.
async fn wait_until_held(held: &AtomicUsize, expected: usize) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while held.load(Ordering::SeqCst) != expected {
        assert!(
            Instant::now() < given_up,
            "{} values still held",
            held.load(Ordering::SeqCst)
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn expired_entries_are_released_without_traffic() {
    let clock = ManualClock::new();
    let memory = InMemoryCache::builder()
        .clock(clock.clone())
        .build()
        .unwrap();
    let cache = Cache::new(memory.clone());
    let held = Arc::default();
    for index in 0..1_000 {
        let ttl = Duration::from_millis(1 + index % 10);
        let bytes = Counted::bytes(&held);
        cache
            .set_bytes(&format!("short:{index}"), bytes)
            .ttl(ttl)
            .await
            .unwrap();
    }
    cache
        .set_bytes("long", Counted::bytes(&held))
        .await
        .unwrap();
    clock.advance(Duration::from_millis(10));
    wait_until_held(&held, 1).await;
    assert_eq!(memory.entry_count(), 1);
}

#[tokio::test]
async fn replaced_removed_cleared_and_evicted_values_are_released() {
    let cache = Cache::new(InMemoryCache::builder().max_entries(10).build().unwrap());
    let held = Arc::default();
    for index in 0..100 {
        cache
            .set_bytes(&format!("k{index}"), Counted::bytes(&held))
            .await
            .unwrap();
    }
    wait_until_held(&held, 10).await;
    for _ in 0..100 {
        cache.set_bytes("k99", Counted::bytes(&held)).await.unwrap();
    }
    wait_until_held(&held, 10).await;
    cache.delete("k99").await.unwrap();
    assert!(cache.take::<i64>("k98").await.is_err()); // It is no integer, and it is gone.
    wait_until_held(&held, 8).await;
    assert_eq!(cache.clear_all().await.unwrap(), 8);
    wait_until_held(&held, 0).await;
}

#[tokio::test]
async fn close_releases_everything_at_once_for_all_handles() {
    let cache = Cache::new(InMemoryCache::builder().build().unwrap());
    let held = Arc::default();
    for index in 0..1_000 {
        cache
            .set_bytes(&format!("k{index}"), Counted::bytes(&held))
            .await
            .unwrap();
    }
    cache.namespace("n:").close().await.unwrap();
    wait_until_held(&held, 0).await;
}

#[tokio::test]
async fn dropping_the_last_handle_releases_everything() {
    let cache = Cache::new(InMemoryCache::builder().build().unwrap());
    let held = Arc::default();
    for index in 0..1_000 {
        cache
            .set_bytes(&format!("k{index}"), Counted::bytes(&held))
            .await
            .unwrap();
    }
    drop(cache);
    wait_until_held(&held, 0).await;
}
