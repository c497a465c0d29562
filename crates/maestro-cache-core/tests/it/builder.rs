//! Settings of a handle.

use std::time::Duration;

use maestro_cache_core::{Cache, Codec, ErrorKind, Expiry, Ttl};
use maestro_cache_testkit::ModelBackend;

#[test]
fn a_new_handle_has_the_documented_defaults() {
    let cache = Cache::new(ModelBackend::new());
    let built = Cache::builder(ModelBackend::new()).build().unwrap();
    for cache in [cache, built] {
        assert_eq!(cache.key_prefix(), "");
        assert_eq!(
            cache.default_expiry(),
            Expiry::after(Duration::from_secs(3600)).unwrap()
        );
        assert_eq!(cache.codec(), Codec::MessagePack);
        assert_eq!(cache.timeout(), Duration::from_secs(1));
    }
}

#[test]
fn wrong_settings_are_refused_when_building_and_the_text_names_the_remedy() {
    for ttl in [Duration::ZERO, Duration::MAX] {
        let error = Cache::builder(ModelBackend::new())
            .default_ttl(ttl)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`Ttl::Never`"), "{error}");
    }
    let error = Cache::builder(ModelBackend::new())
        .timeout(Duration::ZERO)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn a_namespace_and_another_deadline_change_nothing_else() {
    let cache = Cache::builder(ModelBackend::new())
        .key_prefix("a:")
        .default_ttl(Ttl::Never)
        .codec(Codec::Json)
        .timeout(Duration::from_secs(7))
        .build()
        .unwrap();
    let derived = cache.namespace("b:").with_timeout(Duration::from_secs(9));
    assert_eq!(derived.key_prefix(), "a:b:");
    assert_eq!(derived.timeout(), Duration::from_secs(9));
    assert_eq!(derived.default_expiry(), Expiry::Never);
    assert_eq!(derived.codec(), Codec::Json);
    assert_eq!(
        (cache.key_prefix(), cache.timeout()),
        ("a:", Duration::from_secs(7))
    );
}
