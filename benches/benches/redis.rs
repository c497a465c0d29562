//! The Redis backend through the facade, beside one raw multiplexed connection of redis-rs.

use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use maestro_cache::{Cache, RedisCache};
use maestro_cache_testkit::RedisServer;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// One task measures the scheduler; more show what pipelining is worth.
const TASKS: [usize; 3] = [1, 16, 64];
const CALLS_A_TASK: usize = 50;
const SETUP: &str = "the benchmark needs its server";

#[allow(clippy::expect_used)] // A benchmark without its server has nothing to measure.
fn redis(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect(SETUP);
    let server = RedisServer::start();
    let backend = RedisCache::new(&server.url()).expect(SETUP);
    let cache = Cache::builder(backend)
        .timeout(Duration::from_secs(30))
        .build()
        .expect(SETUP);
    let client = ::redis::Client::open(server.url()).expect(SETUP);
    let raw = runtime.block_on(async {
        cache
            .set_bytes("key", Bytes::from(vec![7; 88]))
            .await
            .expect(SETUP);
        client
            .get_multiplexed_async_connection()
            .await
            .expect(SETUP)
    });

    for tasks in TASKS {
        let mut group = criterion.benchmark_group(format!("redis/get of 88 bytes, {tasks} tasks"));
        group.throughput(Throughput::Elements((tasks * CALLS_A_TASK) as u64));
        group.bench_function("through the cache", |bencher| {
            bencher.iter(|| {
                let cache = cache.clone();
                run(&runtime, tasks, move || {
                    let cache = cache.clone();
                    async move {
                        cache.get_bytes("key").await.expect(SETUP);
                    }
                });
            });
        });
        group.bench_function("one multiplexed connection", |bencher| {
            bencher.iter(|| {
                let raw = raw.clone();
                run(&runtime, tasks, move || {
                    let mut raw = raw.clone();
                    async move {
                        let _: Vec<u8> = ::redis::cmd("GET")
                            .arg("key")
                            .query_async(&mut raw)
                            .await
                            .expect(SETUP);
                    }
                });
            });
        });
        group.finish();
    }
}

/// Runs a call so often in each of so many tasks, and waits for all of them.
fn run<F, C>(runtime: &Runtime, tasks: usize, call: F)
where
    F: Fn() -> C + Clone + Send + 'static,
    C: Future<Output = ()> + Send,
{
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..tasks {
            let call = call.clone();
            set.spawn(async move {
                for _ in 0..CALLS_A_TASK {
                    call().await;
                }
            });
        }
        set.join_all().await;
    });
}

criterion_group!(benches, redis);
criterion_main!(benches);
