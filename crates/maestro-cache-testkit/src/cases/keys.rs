//! Keys: any text but the empty one, told apart to the byte, joined plainly with the prefix.

use std::time::Duration;

use maestro_cache_core::{Cache, ErrorKind, Outcome};

use super::{no_prefix, refused};
use crate::Subject;

/// Keys that a careless backend would mix up, cut short or refuse.
const ODD_KEYS: [&str; 26] = [
    "a",
    "A",
    " ",
    " a",
    "a ",
    "a\n",
    "\r\n",
    "\0",
    "a\0",
    "a\0b",
    "é",
    "e\u{301}",
    "日本語",
    "🦀",
    "\u{feff}",
    "*",
    "?",
    "[a]",
    "\\",
    "\\*",
    "{a}b",
    "{}",
    "a:b",
    "\"quoted\"",
    "$-1\r\n",
    "\u{7f}",
];

pub async fn an_empty_key_is_invalid_for_every_operation(subject: &Subject) {
    let cache = subject.cache();
    let hour = Duration::from_secs(3600);
    assert_eq!(refused(cache.get::<i64>("").await), ErrorKind::InvalidKey);
    assert_eq!(
        refused(cache.get_shared::<i64>("").await),
        ErrorKind::InvalidKey
    );
    assert_eq!(refused(cache.get_bytes("").await), ErrorKind::InvalidKey);
    assert_eq!(refused(cache.set("", &1).await), ErrorKind::InvalidKey);
    assert_eq!(
        refused(cache.set_bytes("", "1").await),
        ErrorKind::InvalidKey
    );
    assert_eq!(refused(cache.add("", &1).await), ErrorKind::InvalidKey);
    assert_eq!(
        refused(cache.compare_and_set("", None, &1).await),
        ErrorKind::InvalidKey
    );
    assert_eq!(
        refused(cache.compare_and_set("", Some(&1), &1).await),
        ErrorKind::InvalidKey
    );
    assert_eq!(refused(cache.increment("", 1).await), ErrorKind::InvalidKey);
    assert_eq!(refused(cache.decrement("", 1).await), ErrorKind::InvalidKey);
    assert_eq!(refused(cache.take::<i64>("").await), ErrorKind::InvalidKey);
    assert_eq!(refused(cache.exists("").await), ErrorKind::InvalidKey);
    assert_eq!(refused(cache.delete("").await), ErrorKind::InvalidKey);
    assert_eq!(refused(cache.ttl("").await), ErrorKind::InvalidKey);
    assert_eq!(refused(cache.expire("", hour).await), ErrorKind::InvalidKey);
    assert_eq!(
        refused(cache.expire("", Duration::ZERO).await),
        ErrorKind::InvalidKey
    );
    assert_eq!(refused(cache.persist("").await), ErrorKind::InvalidKey);
    let error = cache.set("", &1).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied);
}

pub async fn an_empty_key_writes_nothing_under_the_bare_prefix(subject: &Subject) {
    let cache = subject.cache();
    let _ = cache.set("", &1).await;
    let _ = cache.increment("", 1).await;
    let _ = cache.add("", &1).await;
    assert!(!no_prefix(subject).exists(subject.prefix()).await.unwrap());
}

pub async fn an_empty_key_in_a_batch_touches_no_key(subject: &Subject) {
    let cache = subject.cache();
    cache.set("a", &1).await.unwrap();
    let keys = ["a", "b", ""];
    assert_eq!(
        refused(cache.get_many::<i64>(keys).await),
        ErrorKind::InvalidKey
    );
    assert_eq!(
        refused(cache.get_many_each::<i64>(keys).await),
        ErrorKind::InvalidKey
    );
    assert_eq!(
        refused(cache.delete_many(keys).await),
        ErrorKind::InvalidKey
    );
    let entries = [("a", 2), ("b", 2), ("", 2)];
    assert_eq!(
        refused(cache.set_many(entries).await),
        ErrorKind::InvalidKey
    );
    assert_eq!(cache.get::<i64>("a").await.unwrap(), Some(1));
    assert!(!cache.exists("b").await.unwrap());
}

pub async fn keys_of_any_text_are_told_apart(subject: &Subject) {
    let cache = subject.cache();
    for (number, key) in ODD_KEYS.iter().enumerate() {
        cache.set(key, &number).await.unwrap();
    }
    for (number, key) in ODD_KEYS.iter().enumerate() {
        assert_eq!(
            cache.get::<usize>(key).await.unwrap(),
            Some(number),
            "{key:?}"
        );
    }
    for key in ODD_KEYS {
        assert!(cache.delete(key).await.unwrap(), "{key:?} was there once");
        assert!(!cache.exists(key).await.unwrap(), "{key:?} is gone");
    }
}

pub async fn keys_of_any_text_work_in_batches(subject: &Subject) {
    let cache = subject.cache();
    let numbered = ODD_KEYS
        .iter()
        .enumerate()
        .map(|(number, key)| (key, number));
    cache.set_many(numbered).await.unwrap();
    let expected: Vec<_> = (0..ODD_KEYS.len()).map(Some).collect();
    assert_eq!(cache.get_many::<usize>(ODD_KEYS).await.unwrap(), expected);
    let count = u64::try_from(ODD_KEYS.len()).unwrap();
    assert_eq!(cache.delete_many(ODD_KEYS).await.unwrap(), count);
}

pub async fn keys_of_any_text_work_with_every_operation(subject: &Subject) {
    let cache = subject.cache();
    for key in ODD_KEYS {
        goes_through_its_life(&cache, key).await;
    }
}

pub async fn a_key_of_ten_kilobytes_works_with_every_operation(subject: &Subject) {
    let cache = subject.cache();
    goes_through_its_life(&cache, &"long-é".repeat(1500)).await;
}

/// Keys around the length up to which the handle joins them on the stack.
pub async fn keys_of_every_usual_length_are_told_apart(subject: &Subject) {
    let cache = subject.cache();
    let keys: Vec<String> = (1..=300).map(|length| "k".repeat(length)).collect();
    cache
        .set_many(keys.iter().map(|key| (key, key.len())))
        .await
        .unwrap();
    for key in &keys {
        assert_eq!(cache.get::<usize>(key).await.unwrap(), Some(key.len()));
    }
}

pub async fn the_stored_key_is_prefix_and_key_joined_plainly(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    let everything = no_prefix(subject);
    let stored = format!("{}key", subject.prefix());
    assert_eq!(everything.get::<i64>(&stored).await.unwrap(), Some(1));
    everything.set(&stored, &2).await.unwrap();
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(2));
    assert!(!everything.exists("key").await.unwrap());
}

async fn goes_through_its_life(cache: &Cache, key: &str) {
    assert!(cache.add(key, &1).await.unwrap(), "{key:?}");
    assert!(
        cache.compare_and_set(key, Some(&1), &2).await.unwrap(),
        "{key:?}"
    );
    assert_eq!(cache.increment(key, 1).await.unwrap(), 3, "{key:?}");
    assert!(cache.exists(key).await.unwrap(), "{key:?}");
    assert!(cache.persist(key).await.unwrap(), "{key:?}");
    assert!(
        cache.expire(key, Duration::from_secs(3600)).await.unwrap(),
        "{key:?}"
    );
    assert_eq!(cache.take::<i64>(key).await.unwrap(), Some(3), "{key:?}");
    assert!(!cache.exists(key).await.unwrap(), "{key:?}");
}
