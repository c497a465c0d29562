//! Batches: order, duplicates, nothing at all, very much, all checked before any is written.

use std::collections::HashMap;

use maestro_cache_core::{Codec, ErrorKind, Operation, TimeToLive, Ttl};

use super::refused;
use crate::Subject;
use crate::coarse::{coarse, left, steps};

/// A batch beyond what any backend sends in one piece by accident.
const MANY: usize = 10_000;

pub async fn get_many_answers_in_the_order_asked(subject: &Subject) {
    let cache = subject.cache();
    cache
        .set_many([("a", 1), ("b", 2), ("c", 3)])
        .await
        .unwrap();
    let values = cache
        .get_many::<i64>(["c", "missing", "a", "b"])
        .await
        .unwrap();
    assert_eq!(values, [Some(3), None, Some(1), Some(2)]);
    assert_eq!(cache.get_many::<i64>(["b"]).await.unwrap(), [Some(2)]);
    assert_eq!(cache.get_many::<i64>(["missing"]).await.unwrap(), [None]);
}

pub async fn get_many_repeats_duplicates(subject: &Subject) {
    let cache = subject.cache();
    cache.set("a", &1).await.unwrap();
    let values = cache
        .get_many::<i64>(["a", "b", "a", "a", "b"])
        .await
        .unwrap();
    assert_eq!(values, [Some(1), None, Some(1), Some(1), None]);
}

pub async fn empty_batches_are_fine(subject: &Subject) {
    let cache = subject.cache();
    let none: [&str; 0] = [];
    assert!(cache.get_many::<i64>(none).await.unwrap().is_empty());
    assert!(cache.get_many_each::<i64>(none).await.unwrap().is_empty());
    assert_eq!(cache.delete_many(none).await.unwrap(), 0);
    cache.set_many(none.map(|key| (key, 1))).await.unwrap();
    cache
        .set_many(none.map(|key| (key, 1)))
        .ttl(steps(1))
        .await
        .unwrap();
}

pub async fn ten_thousand_keys_are_fine(subject: &Subject) {
    let cache = subject.cache();
    let keys: Vec<String> = (0..MANY).map(|number| format!("key-{number}")).collect();
    cache.set_many(keys.iter().zip(0_usize..)).await.unwrap();
    let values = cache.get_many::<usize>(&keys).await.unwrap();
    assert!(values.into_iter().eq((0..MANY).map(Some)));
    assert_eq!(cache.delete_many(&keys).await.unwrap(), 10_000);
    let values = cache.get_many::<usize>(&keys).await.unwrap();
    assert!(values.iter().all(Option::is_none));
}

pub async fn ten_thousand_missing_keys_are_fine(subject: &Subject) {
    let cache = subject.cache();
    let keys: Vec<String> = (0..MANY).map(|number| format!("key-{number}")).collect();
    assert_eq!(
        cache.get_many::<i64>(&keys).await.unwrap(),
        vec![None; MANY]
    );
    assert_eq!(cache.delete_many(&keys).await.unwrap(), 0);
}

pub async fn the_last_of_two_values_for_one_key_wins(subject: &Subject) {
    let cache = subject.cache();
    let entries = [("a", 1), ("b", 2), ("a", 3), ("b", 4), ("a", 5)];
    cache.set_many(entries).await.unwrap();
    assert_eq!(
        cache.get_many::<i64>(["a", "b"]).await.unwrap(),
        [Some(5), Some(4)]
    );
}

pub async fn set_many_takes_maps_and_references(subject: &Subject) {
    let cache = subject.cache();
    cache
        .set_many(HashMap::from([("a".to_owned(), 1)]))
        .await
        .unwrap();
    let lent = [("b".to_owned(), 2)];
    cache
        .set_many(lent.iter().map(|(key, value)| (key, value)))
        .await
        .unwrap();
    assert_eq!(
        cache.get_many::<i64>(&["a", "b"]).await.unwrap(),
        [Some(1), Some(2)]
    );
}

pub async fn set_many_replaces_values_and_ttls(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    let keys = ["a", "b"];
    cache
        .set_many(keys.map(|key| (key, 1)))
        .ttl(steps(2))
        .await
        .unwrap();
    for key in keys {
        assert_eq!(coarse(cache.ttl(key).await.unwrap()), left(2));
    }
    cache
        .set_many(keys.map(|key| (key, 2)))
        .ttl(Ttl::Never)
        .await
        .unwrap();
    for key in keys {
        assert_eq!(cache.ttl(key).await.unwrap(), TimeToLive::NoExpiry);
    }
    cache.set_many(keys.map(|key| (key, 3))).await.unwrap();
    for key in keys {
        assert_eq!(coarse(cache.ttl(key).await.unwrap()), left(7));
        assert_eq!(cache.get::<i64>(key).await.unwrap(), Some(3));
    }
}

pub async fn one_value_that_cannot_be_written_writes_nothing(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.codec(Codec::Json));
    cache.set("a", &0.5).ttl(steps(3)).await.unwrap();
    let entries = [("a", 1.0), ("b", 2.0), ("bad", f64::NAN), ("c", 3.0)];
    let error = cache.set_many(entries).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert_eq!(error.key(), Some("bad"));
    assert_eq!(error.operation(), Some(Operation::SetMany));
    let values = cache.get_many::<f64>(["a", "b", "bad", "c"]).await.unwrap();
    assert_eq!(values, [Some(0.5), None, None, None]);
    assert_eq!(coarse(cache.ttl("a").await.unwrap()), left(3));
}

pub async fn one_empty_key_writes_nothing_wherever_it_stands(subject: &Subject) {
    let cache = subject.cache();
    for bad in 0..3 {
        let mut keys = ["a", "b", "c"];
        keys[bad] = "";
        let write = cache.set_many(keys.map(|key| (key, 1))).await;
        assert_eq!(refused(write), ErrorKind::InvalidKey);
        assert_eq!(
            cache.get_many::<i64>(["a", "b", "c"]).await.unwrap(),
            [None; 3]
        );
    }
}

pub async fn delete_many_counts_live_entries_once(subject: &Subject) {
    let cache = subject.cache();
    cache
        .set_many([("a", 1), ("b", 2), ("kept", 3)])
        .await
        .unwrap();
    cache.set("expired", &1).ttl(steps(1)).await.unwrap();
    subject.advance(steps(1)).await;
    let keys = ["a", "missing", "b", "a", "expired"];
    assert_eq!(cache.delete_many(keys).await.unwrap(), 2);
    assert_eq!(cache.delete_many(keys).await.unwrap(), 0);
    assert_eq!(cache.get::<i64>("kept").await.unwrap(), Some(3));
}

pub async fn get_many_misses_what_expired(subject: &Subject) {
    let cache = subject.cache();
    cache.set("short", &1).ttl(steps(1)).await.unwrap();
    cache.set("long", &2).ttl(steps(2)).await.unwrap();
    subject.advance(steps(1)).await;
    assert_eq!(
        cache.get_many::<i64>(["short", "long"]).await.unwrap(),
        [None, Some(2)]
    );
}

pub async fn batches_of_large_values_come_back(subject: &Subject) {
    let cache = subject.cache();
    let values: Vec<String> = (0..20)
        .map(|n| char::from(b'a' + n).to_string().repeat(100_000))
        .collect();
    let keys: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    cache.set_many(keys.iter().zip(&values)).await.unwrap();
    let read = cache.get_many::<String>(&keys).await.unwrap();
    assert!(read.into_iter().eq(values.into_iter().map(Some)));
}
