//! What runs as a script: known to the server or not, exact and atomic.

use std::num::NonZeroU64;
use std::time::Duration;

use maestro_cache_core::{
    Bytes, CacheBackend, CallContext, ErrorKind, Expiry, SetWhen, TimeToLive,
};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::RedisServer;

use crate::gathering::calls;

const CONTEXT: fn() -> CallContext = || CallContext::new(Duration::from_secs(30));
const HOUR: Expiry = Expiry::AfterMillis(NonZeroU64::new(3_600_000).unwrap());

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let cache = RedisCache::new(&server.url()).unwrap();
    let set = cache.set(CONTEXT(), "cas", "0".into(), Expiry::Never, SetWhen::Always);
    assert!(set.await.unwrap());
    for round in 1..=10_i64 {
        let sum = cache
            .increment(CONTEXT(), "counter", 1, HOUR)
            .await
            .unwrap();
        assert_eq!(sum, round);
        let (old, new) = ((round - 1).to_string(), round.to_string());
        let swap = cache.compare_and_set(CONTEXT(), "cas", old.as_bytes(), new.into(), HOUR);
        assert!(swap.await.unwrap());
        assert_eq!(server.command(&["SCRIPT", "FLUSH"]).trim(), "+OK");
    }
}

/// The digests are written down beside the scripts, and a wrong one would cost a round trip each time.
#[tokio::test]
async fn a_server_that_knows_a_script_is_not_told_it_again() {
    let server = RedisServer::start();
    let cache = RedisCache::new(&server.url()).unwrap();
    for round in 0..10_i64 {
        cache
            .increment(CONTEXT(), "counter", 1, HOUR)
            .await
            .unwrap();
        let (old, new) = (round.to_string(), (round + 1).to_string());
        let swap = cache.compare_and_set(CONTEXT(), "cas", old.as_bytes(), new.into(), HOUR);
        swap.await.unwrap();
    }
    assert_eq!(calls(&server, "eval"), 2);
    assert_eq!(calls(&server, "evalsha"), 20);
}

#[tokio::test]
async fn sums_are_exact_over_the_whole_range() {
    let server = RedisServer::start();
    let cache = RedisCache::new(&server.url()).unwrap();
    let edges = [
        0,
        1,
        -1,
        (1 << 53) - 1,
        1 << 53,
        (1 << 53) + 1,
        -(1 << 53) - 1,
        i64::MAX - 1,
        i64::MAX,
        i64::MIN,
        i64::MIN + 1,
    ];
    for start in edges {
        for by in edges {
            let text = Bytes::from(start.to_string());
            let set = cache.set(CONTEXT(), "n", text.clone(), Expiry::Never, SetWhen::Always);
            set.await.unwrap();
            let sum = cache.increment(CONTEXT(), "n", by, HOUR).await;
            match start.checked_add(by) {
                Some(expected) => assert_eq!(sum.unwrap(), expected, "{start} + {by}"),
                None => {
                    assert_eq!(
                        sum.unwrap_err().kind(),
                        ErrorKind::Overflow,
                        "{start} + {by}"
                    );
                    let value = cache.get(CONTEXT(), "n").await.unwrap().unwrap();
                    assert_eq!(value.bytes(), &text);
                }
            }
            let ttl = cache.ttl(CONTEXT(), "n").await.unwrap();
            assert_eq!(
                ttl,
                TimeToLive::NoExpiry,
                "an increment keeps what there was"
            );
        }
        cache.delete(CONTEXT(), &["new"]).await.unwrap();
        assert_eq!(
            cache
                .increment(CONTEXT(), "new", start, HOUR)
                .await
                .unwrap(),
            start
        );
        let ttl = cache.ttl(CONTEXT(), "new").await.unwrap();
        assert!(matches!(ttl, TimeToLive::Left(_)), "{ttl:?}");
    }
}

#[tokio::test]
async fn what_is_no_integer_is_refused_and_left_alone() {
    let server = RedisServer::start();
    let cache = RedisCache::new(&server.url()).unwrap();
    for text in [
        "",
        " 1",
        "1 ",
        "+1",
        "01",
        "-0",
        "1.5",
        "x",
        "9223372036854775808",
        "\u{81}",
    ] {
        let text = Bytes::from(text);
        let set = cache.set(CONTEXT(), "n", text.clone(), HOUR, SetWhen::Always);
        set.await.unwrap();
        for expiry in [HOUR, Expiry::Never] {
            let error = cache
                .increment(CONTEXT(), "n", 1, expiry)
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotAnInteger, "{text:?}");
            assert_eq!(
                cache.get(CONTEXT(), "n").await.unwrap().unwrap().bytes(),
                &text
            );
        }
    }
}

#[tokio::test]
async fn the_longest_expiry_is_taken_by_every_command() {
    let server = RedisServer::start();
    let cache = RedisCache::new(&server.url()).unwrap();
    let longest = Expiry::AfterMillis(NonZeroU64::new(Expiry::MAX_MILLIS).unwrap());
    let value = Bytes::from_static(b"1");
    let set = cache.set(CONTEXT(), "a", value.clone(), longest, SetWhen::Always);
    assert!(set.await.unwrap());
    cache
        .set_many(CONTEXT(), &[("b", value.clone())], longest)
        .await
        .unwrap();
    assert_eq!(
        cache.increment(CONTEXT(), "c", 1, longest).await.unwrap(),
        1
    );
    assert!(
        cache
            .compare_and_set(CONTEXT(), "a", b"1", value, longest)
            .await
            .unwrap()
    );
    assert!(cache.set_expiry(CONTEXT(), "b", longest).await.unwrap());
    for key in ["a", "b", "c"] {
        let TimeToLive::Left(left) = cache.ttl(CONTEXT(), key).await.unwrap() else {
            panic!("{key} has no expiry");
        };
        assert!(left > Duration::from_secs(1 << 50), "{key}: {left:?}");
    }
}
