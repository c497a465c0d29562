//! `clear` on a large key space: exact, within the prefix, in few round trips.

use futures_util::future::join_all;
use maestro_cache_core::Cache;
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::RedisServer;
use std::time::Duration;

use crate::errors::cache;
use crate::servers::ask;

fn with_prefix(server: &RedisServer, prefix: &str) -> Cache {
    Cache::builder(RedisCache::new(&server.url()).unwrap())
        .key_prefix(prefix)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}

async fn fill(cache: &Cache, names: &str, count: usize) {
    for chunk in (0..count).collect::<Vec<_>>().chunks(1000) {
        let entries = chunk
            .iter()
            .map(|number| (format!("{names}{number}"), number));
        cache.set_many(entries).await.unwrap();
    }
}

fn size(server: &RedisServer) -> usize {
    let answer = server.command(&["DBSIZE"]);
    answer.trim().trim_start_matches(':').parse().unwrap()
}

/// How often the server ran the command.
fn runs(server: &RedisServer, command: &str) -> u64 {
    let info = ask(server, &["INFO", "commandstats"]);
    let Some((_, behind)) = info.split_once(&format!("cmdstat_{command}:calls=")) else {
        return 0;
    };
    behind.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_among_fifty_thousand_go_in_few_round_trips() {
    let server = RedisServer::start();
    let cache = with_prefix(&server, "svc:");
    fill(&cache, "user:", 10_000).await;
    fill(&cache, "order:", 40_000).await;
    assert_eq!(cache.clear("user:*").await.unwrap(), 10_000);
    assert_eq!(size(&server), 40_000);
    let (scans, unlinks) = (runs(&server, "scan"), runs(&server, "unlink"));
    assert!(scans <= 110, "{scans} scans over 50 000 keys");
    assert!(unlinks <= scans, "an UNLINK goes with a SCAN");
    assert_eq!(cache.clear("user:*").await.unwrap(), 0);
    assert_eq!(cache.clear_all().await.unwrap(), 40_000);
    assert_eq!(runs(&server, "keys") + runs(&server, "flushdb"), 0);
}

#[tokio::test]
async fn a_pattern_without_wildcard_is_one_command() {
    let server = RedisServer::start();
    let cache = with_prefix(&server, "a*:");
    cache.set("x[y", "1").await.unwrap();
    assert_eq!(cache.clear("x\\[y").await.unwrap(), 1);
    assert_eq!(cache.clear("x\\[y").await.unwrap(), 0);
    assert_eq!(runs(&server, "scan"), 0);
    assert_eq!(runs(&server, "unlink"), 2);
}

#[tokio::test]
async fn nothing_outside_the_prefix_is_touched() {
    let server = RedisServer::start();
    for prefix in [
        "a*:",
        "a[b]c:",
        "a?:",
        "a\\:",
        "*",
        "é*ü:",
        "a\nb:",
        "^$.|+(){}:",
    ] {
        let others = ["abc:x", "a*:", "a*x", "abc", "a:", "aXb?", "b*:x", "ab:c"];
        for other in others {
            assert_eq!(server.command(&["SET", other, "1"]).trim(), "+OK");
        }
        // The bare prefix is no key behind it.
        assert_eq!(server.command(&["SET", prefix, "1"]).trim(), "+OK");
        let before = size(&server);
        let cache = with_prefix(&server, prefix);
        // Under `*` and an empty rest, others' keys may be behind the prefix in truth.
        let own = ["own 1", "own 2", "é", "*"];
        for key in own {
            cache.set(key, key).await.unwrap();
        }
        let removed = cache.clear_all().await.unwrap();
        assert_eq!(
            removed,
            own.len() as u64 + behind(prefix, &others),
            "{prefix:?}"
        );
        assert_eq!(
            size(&server) as u64,
            before as u64 - behind(prefix, &others)
        );
        assert_eq!(
            server.command(&["EXISTS", prefix]).trim(),
            ":1",
            "{prefix:?}"
        );
        let _ = server.command(&["FLUSHALL"]);
    }
}

/// How many of the keys are behind the prefix.
fn behind(prefix: &str, keys: &[&str]) -> u64 {
    keys.iter()
        .filter(|key| key.len() > prefix.len() && key.starts_with(prefix))
        .count() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_clears_count_every_entry_once() {
    let server = RedisServer::start();
    let cache = with_prefix(&server, "p:");
    fill(&cache, "", 5_000).await;
    let clears = (0..8).map(|_| {
        let cache = with_prefix(&server, "p:");
        tokio::spawn(async move { cache.clear_all().await.unwrap() })
    });
    let counts = join_all(clears).await.into_iter().map(Result::unwrap);
    assert_eq!(counts.sum::<u64>(), 5_000);
    assert_eq!(size(&server), 0);
}

#[tokio::test]
async fn keys_of_others_that_are_no_text_are_removed_too() {
    let server = RedisServer::start();
    let script = "redis.call('SET', 'p:' .. string.char(255, 0, 254), '1')";
    let _ = server.command(&["EVAL", script, "0"]);
    assert_eq!(with_prefix(&server, "p:").clear_all().await.unwrap(), 1);
    assert_eq!(size(&server), 0);
}

#[tokio::test]
async fn a_clear_that_is_cut_short_is_unknown_if_a_part_is_gone_and_can_be_called_again() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&server.url());
    fill(&cache, "k", 20_000).await;
    let clearing = tokio::spawn({
        let cache = cache.clone();
        async move { cache.clear_all().await }
    });
    while size(&server) == 20_000 {
        tokio::task::yield_now().await;
    }
    let _ = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    // It may have come to its end before it was killed.
    if let Err(error) = clearing.await.unwrap() {
        assert_eq!(
            error.outcome(),
            maestro_cache_core::Outcome::Unknown,
            "{error:?}"
        );
        // What was sent before the kill may have removed the rest meanwhile.
        cache.clear_all().await.unwrap();
    }
    assert_eq!(size(&server), 0);
}
