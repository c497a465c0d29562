//! The cache of the whole process. One test: there is one process.

use maestro_cache::{Cache, CacheService, ErrorKind, InMemoryCache};

#[tokio::test]
async fn the_global_cache_is_set_once_and_then_the_same_for_everybody() {
    let cache = Cache::new(InMemoryCache::builder().build().unwrap()).namespace("global:");
    CacheService::set_global(cache.clone()).unwrap();
    cache.set("k", &5).await.unwrap();
    let global = CacheService::global().unwrap();
    assert_eq!(global.key_prefix(), "global:");
    assert_eq!(global.get::<i64>("k").await.unwrap(), Some(5));
    let error = CacheService::set_global(cache).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(std::ptr::eq(global, CacheService::global().unwrap()));
}
