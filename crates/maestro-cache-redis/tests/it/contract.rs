//! The contract of the cache, on a real server.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{CacheBackend, Pattern};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::{Fixture, RedisServer};

/// A backend of its own on the server that all tests share.
struct OnRedis(RedisCache);

impl OnRedis {
    fn new() -> Self {
        Self(RedisCache::new(&RedisServer::shared().url()).unwrap())
    }
}

/// Moves the deadlines nearer of all keys that match; one that passed is removed by the server.
const AGE: &str = "
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local deadline = redis.call('PEXPIRETIME', key)
  if deadline >= 0 then redis.call('PEXPIREAT', key, deadline - ARGV[2]) end
end";

impl Fixture for OnRedis {
    fn backend(&self) -> Arc<dyn CacheBackend> {
        Arc::new(self.0.clone())
    }

    fn advance<'a>(
        &'a self,
        prefix: &'a str,
        by: Duration,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let keys = Pattern::escape(prefix) + "*";
            let by = by.as_millis().to_string();
            let answer = RedisServer::shared().command(&["EVAL", AGE, "0", &keys, &by]);
            assert_eq!(answer.trim(), "$-1", "the server does not age the keys");
        })
    }
}

mod conformance {
    maestro_cache_testkit::conformance!(super::OnRedis::new());
}

#[test]
fn random_histories_agree_with_the_model() {
    maestro_cache_testkit::check_histories(OnRedis::new, 100_000);
}

#[test]
fn what_concurrent_tasks_see_can_be_put_in_one_order() {
    maestro_cache_testkit::check_linearizability(OnRedis::new, 200);
}
