//! Changing an expiry, and times to live that are refused.

use std::time::Duration;

use maestro_cache_core::{ErrorKind, Expiry, TimeToLive, Ttl};

use super::{refused, until};
use crate::Subject;
use crate::coarse::{coarse, left, steps};

pub async fn expire_replaces_the_expiry_and_leaves_the_value(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(5)).await.unwrap();
    assert!(cache.expire("key", steps(2)).await.unwrap());
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(2),
        "a shorter one"
    );
    assert!(cache.expire("key", steps(9)).await.unwrap());
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(9),
        "a longer one"
    );
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
}

pub async fn expire_gives_an_expiry_to_an_entry_without_one(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(Ttl::Never).await.unwrap();
    assert!(cache.expire("key", steps(2)).await.unwrap());
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(2));
    subject.advance(steps(2)).await;
    assert!(!cache.exists("key").await.unwrap());
}

pub async fn expire_zero_deletes(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    cache.set("for good", &1).ttl(Ttl::Never).await.unwrap();
    for key in ["key", "for good"] {
        assert!(
            cache.expire(key, Duration::ZERO).await.unwrap(),
            "it was there"
        );
        assert!(!cache.exists(key).await.unwrap());
        assert!(
            !cache.expire(key, Duration::ZERO).await.unwrap(),
            "it is gone"
        );
    }
}

pub async fn expire_on_a_missing_key_is_false_and_creates_nothing(subject: &Subject) {
    let cache = subject.cache();
    assert!(!cache.expire("missing", steps(1)).await.unwrap());
    assert!(!cache.persist("missing").await.unwrap());
    assert!(!cache.exists("missing").await.unwrap());
}

pub async fn expire_by_less_than_a_millisecond_is_not_zero(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    assert!(cache.expire("key", Duration::from_nanos(1)).await.unwrap());
    until(async || !cache.exists("key").await.unwrap()).await;
}

pub async fn expire_beyond_the_longest_ttl_is_refused_and_changes_nothing(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(3)).await.unwrap();
    for too_long in [Duration::from_millis(Expiry::MAX_MILLIS + 1), Duration::MAX] {
        assert_eq!(
            refused(cache.expire("key", too_long).await),
            ErrorKind::InvalidTtl
        );
    }
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(3));
}

pub async fn persist_removes_an_expiry_once(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(1)).await.unwrap();
    assert!(cache.persist("key").await.unwrap());
    assert!(!cache.persist("key").await.unwrap(), "there is none left");
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::NoExpiry);
    subject.advance(steps(2)).await;
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
}

pub async fn persist_on_an_entry_without_expiry_is_false(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(Ttl::Never).await.unwrap();
    assert!(!cache.persist("key").await.unwrap());
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
}

pub async fn a_ttl_of_zero_or_too_long_is_refused_by_every_write(subject: &Subject) {
    let cache = subject.cache();
    cache.set("old", &1).ttl(steps(3)).await.unwrap();
    let too_long = Duration::from_millis(Expiry::MAX_MILLIS) + Duration::from_nanos(1);
    for ttl in [Duration::ZERO, too_long, Duration::MAX] {
        for key in ["old", "new"] {
            let write = cache.set(key, &2).ttl(ttl).await;
            assert_eq!(refused(write), ErrorKind::InvalidTtl);
            let write = cache.set_bytes(key, "2").ttl(ttl).await;
            assert_eq!(refused(write), ErrorKind::InvalidTtl);
            let write = cache.add(key, &2).ttl(ttl).await;
            assert_eq!(refused(write), ErrorKind::InvalidTtl);
            let write = cache.increment(key, 1).ttl(ttl).await;
            assert_eq!(refused(write), ErrorKind::InvalidTtl);
            let write = cache.decrement(key, 1).ttl(ttl).await;
            assert_eq!(refused(write), ErrorKind::InvalidTtl);
            let write = cache.compare_and_set(key, Some(&1), &2).ttl(ttl).await;
            assert_eq!(refused(write), ErrorKind::InvalidTtl);
            let write = cache.compare_and_set(key, None, &2).ttl(ttl).await;
            assert_eq!(refused(write), ErrorKind::InvalidTtl);
        }
        let write = cache.set_many([("old", 2), ("new", 2)]).ttl(ttl).await;
        assert_eq!(refused(write), ErrorKind::InvalidTtl);
    }
    assert_eq!(cache.get::<i64>("old").await.unwrap(), Some(1));
    assert_eq!(coarse(cache.ttl("old").await.unwrap()), left(3));
    assert!(!cache.exists("new").await.unwrap());
}

pub async fn a_ttl_below_a_millisecond_is_not_zero(subject: &Subject) {
    let cache = subject.cache();
    cache
        .set("key", &1)
        .ttl(Duration::from_nanos(1))
        .await
        .unwrap();
    until(async || !cache.exists("key").await.unwrap()).await;
}
