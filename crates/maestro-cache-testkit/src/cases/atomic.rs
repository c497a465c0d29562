//! Delete, `add`, `take` and `compare_and_set`, one after the other.

use maestro_cache_core::{TimeToLive, Ttl};

use super::each_codec;
use crate::Subject;
use crate::coarse::{coarse, left, steps};

pub async fn a_missing_key_is_a_miss_and_no_error(subject: &Subject) {
    let cache = subject.cache();
    assert_eq!(cache.get::<i64>("missing").await.unwrap(), None);
    assert_eq!(cache.get_bytes("missing").await.unwrap(), None);
    assert_eq!(cache.take::<i64>("missing").await.unwrap(), None);
    assert!(!cache.exists("missing").await.unwrap());
    assert!(!cache.delete("missing").await.unwrap());
}

pub async fn delete_is_true_once(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    assert!(cache.exists("key").await.unwrap());
    assert!(cache.delete("key").await.unwrap());
    assert!(!cache.exists("key").await.unwrap());
    assert!(!cache.delete("key").await.unwrap());
}

pub async fn what_was_deleted_can_be_stored_again(subject: &Subject) {
    let cache = subject.cache();
    for number in 0..3 {
        cache.set("key", &number).ttl(Ttl::Never).await.unwrap();
        assert!(cache.delete("key").await.unwrap());
        assert!(cache.add("key", &number).ttl(steps(3)).await.unwrap());
        assert_eq!(
            coarse(cache.ttl("key").await.unwrap()),
            left(3),
            "no old expiry"
        );
    }
}

pub async fn add_stores_where_nothing_is(subject: &Subject) {
    let cache = subject.cache();
    assert!(cache.add("key", &1).ttl(steps(3)).await.unwrap());
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(3));
}

pub async fn add_leaves_value_and_ttl_of_an_entry(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(3)).await.unwrap();
    assert!(!cache.add("key", &2).ttl(steps(9)).await.unwrap());
    assert!(!cache.add("key", &2).ttl(Ttl::Never).await.unwrap());
    assert!(!cache.add("key", &2).await.unwrap());
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(3));
    cache.persist("key").await.unwrap();
    assert!(!cache.add("key", &2).ttl(steps(9)).await.unwrap());
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::NoExpiry);
}

pub async fn take_gives_the_value_once(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("key", "token").await.unwrap();
        assert_eq!(
            cache.take::<String>("key").await.unwrap().as_deref(),
            Some("token")
        );
        assert_eq!(cache.take::<String>("key").await.unwrap(), None);
        assert!(!cache.exists("key").await.unwrap());
    })
    .await;
}

pub async fn compare_and_set_stores_over_the_expected_value(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("key", "old").await.unwrap();
        assert!(
            cache
                .compare_and_set("key", Some("old"), "new")
                .await
                .unwrap()
        );
        assert_eq!(
            cache.get::<String>("key").await.unwrap().as_deref(),
            Some("new")
        );
        assert!(
            !cache
                .compare_and_set("key", Some("old"), "newer")
                .await
                .unwrap()
        );
        assert_eq!(
            cache.get::<String>("key").await.unwrap().as_deref(),
            Some("new")
        );
    })
    .await;
}

pub async fn compare_and_set_replaces_the_ttl_with_the_value(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    cache.set("key", &1).ttl(steps(2)).await.unwrap();
    assert!(
        cache
            .compare_and_set("key", Some(&1), &2)
            .ttl(steps(4))
            .await
            .unwrap()
    );
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(4),
        "the given one"
    );
    assert!(cache.compare_and_set("key", Some(&2), &3).await.unwrap());
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(7),
        "the default"
    );
    assert!(
        cache
            .compare_and_set("key", Some(&3), &4)
            .ttl(Ttl::Never)
            .await
            .unwrap()
    );
    assert_eq!(
        cache.ttl("key").await.unwrap(),
        TimeToLive::NoExpiry,
        "none"
    );
    assert!(
        cache
            .compare_and_set("key", Some(&4), &4)
            .ttl(steps(2))
            .await
            .unwrap()
    );
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(2),
        "with an equal value too"
    );
}

pub async fn compare_and_set_that_does_not_match_changes_nothing(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(3)).await.unwrap();
    assert!(
        !cache
            .compare_and_set("key", Some(&2), &9)
            .ttl(steps(9))
            .await
            .unwrap()
    );
    assert!(
        !cache
            .compare_and_set("key", None, &9)
            .ttl(steps(9))
            .await
            .unwrap()
    );
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(3));
}

pub async fn compare_and_set_tells_missing_from_every_value(subject: &Subject) {
    let cache = subject.cache();
    assert!(!cache.compare_and_set("key", Some(""), "new").await.unwrap());
    assert!(!cache.exists("key").await.unwrap());
    assert!(cache.compare_and_set("key", None, "new").await.unwrap());
    assert!(!cache.compare_and_set("key", None, "newer").await.unwrap());
    assert_eq!(
        cache.get::<String>("key").await.unwrap().as_deref(),
        Some("new")
    );
}

pub async fn compare_and_set_compares_every_byte(subject: &Subject) {
    let cache = subject.cache();
    let long = "x".repeat(10_000);
    for (stored, expected) in [
        ("5", "5 "),
        ("", "\0"),
        ("a\0b", "a\0c"),
        (long.as_str(), &long[1..]),
        ("*", "a"),
        ("é", "e\u{301}"),
    ] {
        cache.set("key", stored).await.unwrap();
        assert!(
            !cache
                .compare_and_set("key", Some(expected), "new")
                .await
                .unwrap()
        );
        assert!(
            cache
                .compare_and_set("key", Some(stored), "new")
                .await
                .unwrap()
        );
    }
}
