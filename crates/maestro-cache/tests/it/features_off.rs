//! What a build says of a backend that it does not contain.

use maestro_cache::{CacheService, ErrorKind};

const NOTHING: [(&str, &str); 0] = [];

/// The error for a URL of a backend that is not built in.
#[cfg_attr(
    all(
        feature = "memory",
        feature = "tls",
        feature = "cluster",
        feature = "sentinel"
    ),
    allow(dead_code)
)]
fn assert_names_feature(url: &str, feature: &str) {
    let error = CacheService::builder()
        .environment(NOTHING)
        .url(url)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains(&format!("feature `{feature}`")),
        "{error}"
    );
}

#[cfg(not(feature = "tls"))]
#[test]
fn an_encrypted_url_says_which_feature_to_turn_on() {
    assert_names_feature("rediss://user:canary@localhost", "tls");
}

#[cfg(not(feature = "cluster"))]
#[test]
fn the_url_of_a_cluster_says_which_feature_to_turn_on() {
    for scheme in [
        "redis-cluster",
        "redis+cluster",
        "rediss-cluster",
        "rediss+cluster",
    ] {
        assert_names_feature(&format!("{scheme}://a,b"), "cluster");
    }
}

#[cfg(not(feature = "sentinel"))]
#[test]
fn the_url_of_sentinels_says_which_feature_to_turn_on() {
    for scheme in [
        "redis-sentinel",
        "redis+sentinel",
        "rediss-sentinel",
        "rediss+sentinel",
    ] {
        assert_names_feature(&format!("{scheme}://a,b/service"), "sentinel");
    }
}

#[cfg(not(feature = "redis"))]
#[test]
fn a_redis_url_says_which_feature_to_turn_on() {
    for url in [
        "redis://localhost",
        "redis+unix:///tmp/redis.sock",
        "unix:///tmp/x",
    ] {
        assert_names_feature(url, "redis");
    }
}

#[cfg(not(feature = "memory"))]
#[test]
fn a_memory_url_says_which_feature_to_turn_on() {
    assert_names_feature("memory://", "memory");
}

#[cfg(not(feature = "memory"))]
#[test]
fn without_a_url_the_text_says_to_set_one_or_to_turn_on_memory() {
    let error = CacheService::builder()
        .environment(NOTHING)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.to_string();
    assert!(text.contains("no URL is set"), "{text}");
    assert!(text.contains("set MAESTRO_CACHE_URL"), "{text}");
    assert!(text.contains("feature `memory`"), "{text}");
}
