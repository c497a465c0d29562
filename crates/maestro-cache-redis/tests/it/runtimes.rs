//! Runtimes: none, one after the other, and two at once.

use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use futures_util::FutureExt;
use maestro_cache_core::{Cache, CacheBackend, CallContext, ErrorKind};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::RedisServer;
use tokio::runtime::Handle;

use crate::errors::{cache, cache_within};
use crate::fakes::slowly;
use crate::servers::served;

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

/// A server that takes no connection from the first runtime that asks, and one from any other.
fn swallows_the_first(server: &RedisServer) -> (tokio::runtime::Runtime, String) {
    let between = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let url = between.block_on(slowly(server.port().unwrap(), |connection| {
        (connection > 0).then_some(Duration::ZERO)
    }));
    (between, format!("{url}&connect_timeout=60s"))
}

/// A call waits for what another runtime does, and that runtime ends.
fn serves_though_the_first_runtime_ends(cache: &Cache) {
    let (first, second) = (runtime(), runtime());
    let hasty = cache.with_timeout(Duration::from_millis(50));
    first
        .block_on(hasty.set("key", "value").into_future())
        .unwrap_err();
    let mut call = cache.set("key", "value").into_future().boxed();
    {
        // Polled once, it is where it waits.
        let _inside = second.enter();
        assert!((&mut call).now_or_never().is_none());
    }
    drop(first);
    second.block_on(call).unwrap();
}

#[test]
fn those_who_wait_for_a_runtime_that_ends_are_served_on_their_own() {
    let server = RedisServer::builder().tcp().start();
    let (_between, url) = swallows_the_first(&server);
    serves_though_the_first_runtime_ends(&cache(&url));
}

#[test]
fn a_runtime_that_rests_is_left_for_that_of_the_caller() {
    let server = RedisServer::builder().tcp().start();
    let hasty = cache_within(&server.url(), Duration::from_millis(300));
    let (first, second) = (runtime(), runtime());
    first
        .block_on(hasty.set("key", "value").into_future())
        .unwrap();
    // It is there, and drives nothing: neither connections nor who watches over them.
    second.block_on(served(&hasty));
    // And the other way round.
    first.block_on(served(&hasty));
    server.stop();
    first.block_on(async { while hasty.set("key", "value").await.is_ok() {} });
    server.restart();
    second.block_on(served(&hasty));
    drop(first);
    second
        .block_on(hasty.set("key", "value").into_future())
        .unwrap();
}

#[test]
#[cfg(feature = "cluster")]
fn those_who_wait_for_the_map_of_a_runtime_that_ends_draw_it_on_their_own() {
    let cluster = maestro_cache_testkit::RedisCluster::start();
    let node = cluster.masters().into_iter().next().unwrap();
    let (_between, url) = swallows_the_first(cluster.server(node));
    serves_though_the_first_runtime_ends(&cache(&url.replace("redis://", "redis-cluster://")));
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

/// Tells when it is dropped.
struct Tells(mpsc::Sender<()>);

impl Drop for Tells {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A call begins in a task of a runtime that has dropped all other tasks already, and would drop what is
/// spawned there as soon as it is.
fn does_not_keep_a_runtime_from_ending(cache: &Cache) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(cache.set("key", "value").into_future())
        .unwrap();
    let (has_begun, begun) = mpsc::channel();
    let (call_is_gone, gone) = mpsc::channel();
    let cache = cache.clone();
    runtime.spawn(async move {
        let _gone = Tells(call_is_gone);
        has_begun.send(()).unwrap();
        // It stands in the middle of a poll, so that it is not dropped with the others.
        while Handle::current().metrics().num_alive_tasks() > 1 {
            std::thread::yield_now();
        }
        while cache.get::<String>("key").await.is_ok() {}
    });
    begun.recv().unwrap();
    runtime.shutdown_background();
    gone.recv_timeout(Duration::from_secs(60))
        .expect("the task ends with its runtime");
}

#[test]
fn a_call_does_not_keep_a_runtime_from_ending() {
    let server = RedisServer::shared();
    does_not_keep_a_runtime_from_ending(&cache(&server.url()));
}

#[cfg(feature = "cluster")]
#[test]
fn a_call_to_a_cluster_does_not_keep_a_runtime_from_ending() {
    let cluster = maestro_cache_testkit::RedisCluster::builder()
        .replicas(0)
        .start();
    does_not_keep_a_runtime_from_ending(&cache(&cluster.url()));
}
