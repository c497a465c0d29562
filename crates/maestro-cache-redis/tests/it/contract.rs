//! The contract of the cache, on a real server.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use maestro_cache_core::{CacheBackend, Pattern};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::{Fixture, RedisCluster, RedisSentinels, RedisServer};

/// Moves the deadlines nearer of all keys that match; one that passed is removed by the server.
const AGE: &str = "
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[2]) end
end";

/// A backend of its own on servers that all tests share.
struct On {
    backend: RedisCache,
    /// All that hold keys.
    servers: Vec<&'static RedisServer>,
}

impl On {
    fn a_server() -> Self {
        let server = RedisServer::shared();
        Self {
            backend: RedisCache::new(&server.url()).unwrap(),
            servers: vec![server],
        }
    }

    fn a_cluster() -> Self {
        static CLUSTER: LazyLock<RedisCluster> =
            LazyLock::new(|| RedisCluster::builder().replicas(0).start());
        let nodes = CLUSTER.nodes();
        Self {
            backend: RedisCache::new(&CLUSTER.url()).unwrap(),
            servers: nodes.into_iter().map(|node| CLUSTER.server(node)).collect(),
        }
    }

    fn a_master_behind_sentinels() -> Self {
        static SENTINELS: LazyLock<RedisSentinels> = LazyLock::new(RedisSentinels::start);
        Self {
            backend: RedisCache::new(&SENTINELS.url()).unwrap(),
            servers: vec![SENTINELS.server(SENTINELS.master())],
        }
    }
}

impl Fixture for On {
    fn backend(&self) -> Arc<dyn CacheBackend> {
        Arc::new(self.backend.clone())
    }

    fn advance<'a>(
        &'a self,
        prefix: &'a str,
        by: Duration,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let keys = Pattern::escape(prefix) + "*";
            let by = by.as_millis().to_string();
            for server in &self.servers {
                let answer = server.command(&["EVAL", AGE, "0", &keys, &by]);
                assert_eq!(answer.trim(), "$-1", "the server does not age the keys");
            }
        })
    }
}

mod conformance {
    maestro_cache_testkit::conformance!(super::On::a_server());
}

mod conformance_on_a_cluster {
    maestro_cache_testkit::conformance!(super::On::a_cluster());
}

#[test]
fn random_histories_agree_with_the_model() {
    maestro_cache_testkit::check_histories(On::a_server, 100_000);
}

#[test]
fn random_histories_on_a_cluster_agree_with_the_model() {
    maestro_cache_testkit::check_histories(On::a_cluster, 10_000);
}

#[test]
fn random_histories_behind_sentinels_agree_with_the_model() {
    maestro_cache_testkit::check_histories(On::a_master_behind_sentinels, 5_000);
}

#[test]
fn random_calls_on_handles_agree_with_the_model() {
    maestro_cache_testkit::check_handles(On::a_server, 30_000);
}

#[test]
fn what_concurrent_tasks_see_can_be_put_in_one_order() {
    maestro_cache_testkit::check_linearizability(On::a_server, 200);
}

#[test]
fn what_concurrent_tasks_see_of_a_cluster_can_be_put_in_one_order() {
    maestro_cache_testkit::check_linearizability(On::a_cluster, 50);
}
