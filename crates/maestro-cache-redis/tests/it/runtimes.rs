//! Runtimes: none, one after the other, and two at once.

use std::sync::OnceLock;
use std::time::Duration;

use futures_util::FutureExt;
use maestro_cache_core::{Cache, CacheBackend, CallContext, ErrorKind};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::RedisServer;

use crate::errors::cache;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn without_a_runtime_a_call_is_an_error_and_building_is_none() {
    let server = RedisServer::shared();
    let backend = RedisCache::new(&server.url()).unwrap();
    let context = CallContext::new(Duration::from_secs(1));
    let error = backend
        .get(context, "key")
        .now_or_never()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("Tokio"), "{error}");
    let pattern = maestro_cache_core::Pattern::all();
    let error = backend
        .clear(context, &pattern)
        .now_or_never()
        .unwrap()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);

    // Also where a connection is there already.
    let runtime = runtime();
    runtime.block_on(backend.ping(context)).unwrap();
    runtime.block_on(backend.ping(context)).unwrap();
    let error = backend.ping(context).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    drop(runtime);
    backend.close(context).now_or_never().unwrap().unwrap();
}

#[test]
fn a_cache_in_a_static_outlives_the_runtime_it_was_first_used_in() {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let server = RedisServer::start();
    let shared = CACHE.get_or_init(|| cache(&server.url()));
    for round in 0..10_i64 {
        runtime().block_on(async {
            // The first call of each runtime finds the connections of the last one dead.
            if round % 2 == 0 {
                assert_eq!(shared.increment("counter", 1).await.unwrap(), round + 1);
                shared.set("written", &round).await.unwrap();
            } else {
                assert_eq!(shared.get("counter").await.unwrap(), Some(round));
                assert_eq!(shared.increment("counter", 1).await.unwrap(), round + 1);
            }
            shared.set("again", &round).await.unwrap();
            assert_eq!(shared.get("again").await.unwrap(), Some(round));
        });
    }
}

#[test]
fn two_runtimes_at_once_share_the_connections() {
    let server = RedisServer::start();
    let cache = cache(&server.url());
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let cache = &cache;
            scope.spawn(move || {
                runtime().block_on(async {
                    for round in 0..300_i64 {
                        let key = format!("{thread}-{round}");
                        // Where a thread is done, its runtime goes, and with it a connection in
                        // the middle of others' calls: reads are asked again.
                        let _ = cache.set(&key, &round).await;
                        let value = cache.get::<i64>(&key).await.unwrap();
                        assert!(value.is_none_or(|value| value == round));
                    }
                });
            });
        }
    });
}
