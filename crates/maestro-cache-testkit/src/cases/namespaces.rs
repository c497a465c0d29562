//! Handles: clones share everything, namespaces lengthen the prefix, prefixes are literal.

use maestro_cache_core::TimeToLive;

use super::no_prefix;
use crate::Subject;
use crate::coarse::{coarse, left, steps};

pub async fn a_clone_is_the_same_cache(subject: &Subject) {
    let cache = subject.cache();
    let clone = cache.clone();
    cache.set("key", &1).await.unwrap();
    assert_eq!(clone.increment("key", 1).await.unwrap(), 2);
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(2));
}

pub async fn namespaces_do_not_see_each_other(subject: &Subject) {
    let cache = subject.cache();
    let (one, two) = (cache.namespace("one:"), cache.namespace("two:"));
    one.set("key", &1).await.unwrap();
    two.set("key", &2).await.unwrap();
    assert_eq!(one.get::<i64>("key").await.unwrap(), Some(1));
    assert_eq!(two.get::<i64>("key").await.unwrap(), Some(2));
    assert!(!cache.exists("key").await.unwrap());
    assert!(one.delete("key").await.unwrap());
    assert!(two.exists("key").await.unwrap());
}

pub async fn a_namespace_is_a_longer_prefix(subject: &Subject) {
    let cache = subject.cache();
    let inner = cache.namespace("a:").namespace("b:");
    assert_eq!(inner.key_prefix(), format!("{}a:b:", subject.prefix()));
    inner.set("key", &1).await.unwrap();
    assert_eq!(cache.get::<i64>("a:b:key").await.unwrap(), Some(1));
    assert_eq!(
        cache.namespace("a:").get::<i64>("b:key").await.unwrap(),
        Some(1)
    );
}

pub async fn an_empty_namespace_changes_nothing(subject: &Subject) {
    let cache = subject.cache();
    cache.namespace("").set("key", &1).await.unwrap();
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
}

pub async fn handles_with_their_own_default_ttl_share_entries(subject: &Subject) {
    let short = subject.cache_with(|builder| builder.default_ttl(steps(2)));
    let long = subject.cache_with(|builder| builder.default_ttl(steps(9)));
    short.set("key", &1).await.unwrap();
    assert_eq!(coarse(long.ttl("key").await.unwrap()), left(2));
    long.set("key", &2).await.unwrap();
    assert_eq!(coarse(short.ttl("key").await.unwrap()), left(9));
}

pub async fn a_namespace_keeps_the_settings_of_its_handle(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(5)));
    let inner = cache.namespace("inner:");
    inner.set("key", &1).await.unwrap();
    assert_eq!(coarse(inner.ttl("key").await.unwrap()), left(5));
}

pub async fn a_prefix_with_glob_characters_is_literal(subject: &Subject) {
    for prefix in ["*", "?", "[ab]", "\\", "a*[", "é*\\["] {
        let odd = subject.cache().namespace(prefix);
        odd.set("key", &1).await.unwrap();
        assert_eq!(odd.get::<i64>("key").await.unwrap(), Some(1), "{prefix:?}");
        let stored = format!("{}{prefix}key", subject.prefix());
        assert!(
            no_prefix(subject).exists(&stored).await.unwrap(),
            "{prefix:?}"
        );
        assert!(odd.delete("key").await.unwrap(), "{prefix:?}");
    }
}

pub async fn a_handle_without_prefix_works(subject: &Subject) {
    let everything = no_prefix(subject);
    let key = format!("{}key", subject.prefix());
    everything.set(&key, &1).await.unwrap();
    assert_eq!(everything.get_many::<i64>([&key]).await.unwrap(), [Some(1)]);
    assert_eq!(everything.delete_many([&key]).await.unwrap(), 1);
    assert_eq!(everything.ttl(&key).await.unwrap(), TimeToLive::Missing);
}
