//! `get_shared`: a stored value is decoded once, whoever reads it.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Cache, Codec};
use maestro_cache_memory::InMemoryCache;

type Routes = Vec<String>;

async fn cache_with_routes() -> Cache {
    let cache = Cache::new(InMemoryCache::builder().build().unwrap());
    cache.set("routes", &["a", "b"]).await.unwrap();
    cache
}

async fn shared(cache: &Cache) -> Arc<Routes> {
    cache.get_shared("routes").await.unwrap().unwrap()
}

#[tokio::test]
async fn all_readers_of_a_stored_value_share_it() {
    let cache = cache_with_routes().await;
    let first = shared(&cache).await;
    assert_eq!(*first, ["a", "b"]);
    assert!(Arc::ptr_eq(&first, &shared(&cache).await));
    assert!(Arc::ptr_eq(&first, &shared(&cache.clone()).await));
}

#[tokio::test]
async fn a_new_expiry_keeps_the_decoded_value_and_a_new_value_does_not() {
    let cache = cache_with_routes().await;
    let first = shared(&cache).await;
    cache
        .expire("routes", Duration::from_secs(60))
        .await
        .unwrap();
    assert!(Arc::ptr_eq(&first, &shared(&cache).await));
    cache.set("routes", &["a", "b"]).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &shared(&cache).await));
}

#[tokio::test]
async fn another_type_or_codec_reads_for_itself() {
    let memory = InMemoryCache::builder().build().unwrap();
    let json = Cache::builder(memory.clone())
        .codec(Codec::Json)
        .build()
        .unwrap();
    let messagepack = Cache::new(memory);
    json.set("n", &5).await.unwrap();
    assert_eq!(
        json.get_shared::<i64>("n").await.unwrap().as_deref(),
        Some(&5)
    );
    assert_eq!(
        messagepack.get_shared::<f64>("n").await.unwrap().as_deref(),
        Some(&5.0)
    );
    assert_eq!(
        json.get_shared::<i64>("n").await.unwrap().as_deref(),
        Some(&5)
    );
}
