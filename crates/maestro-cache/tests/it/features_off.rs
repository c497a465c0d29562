//! What a build says of a backend that it does not contain.

use maestro_cache::{CacheService, ErrorKind};

/// The error for a URL of a backend that is not built in.
fn assert_names_feature(url: &str, feature: &str) {
    let nothing: [(&str, &str); 0] = [];
    let error = CacheService::builder()
        .environment(nothing)
        .url(url)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.to_string().contains(&format!("feature `{feature}`")),
        "{error}"
    );
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
