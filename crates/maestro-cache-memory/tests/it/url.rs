//! Settings in a URL.

use maestro_cache_core::ErrorKind;
use maestro_cache_memory::{InMemoryCache, InMemoryCacheBuilder};

#[test]
fn a_url_sets_what_its_query_says() {
    for url in [
        "memory://",
        "memory:///",
        "memory://?",
        "memory://?max_entries=7&eviction=lru",
    ] {
        assert!(
            InMemoryCache::builder()
                .url(url)
                .and_then(InMemoryCacheBuilder::build)
                .is_ok(),
            "{url}"
        );
    }
}

#[test]
fn what_is_not_understood_is_refused_with_the_remedy() {
    for (url, remedy) in [
        ("redis://x", "memory://"),
        ("memory:", "memory://"),
        ("memory://localhost", "no host"),
        ("memory://?max_size=5", "max_entries"),
        ("memory://?max_entries=many", "digits"),
        ("memory://?max_entries=-1", "digits"),
        ("memory://?max_entries=+1", "digits"),
        ("memory://?max_entries", "digits"),
        ("memory://?max_entries=1&max_entries=2", "twice"),
        ("memory://?eviction=fifo", "`lru` or `tinylfu`"),
    ] {
        let error = InMemoryCache::builder().url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(remedy), "{error}");
    }
    let zero = InMemoryCache::builder()
        .url("memory://?max_entries=0")
        .unwrap()
        .build();
    assert_eq!(zero.unwrap_err().kind(), ErrorKind::Config);
}
