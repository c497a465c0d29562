//! `clear`: Redis' glob dialect behind a literal prefix, counted exactly, nothing else touched.

use std::collections::BTreeSet;

use maestro_cache_core::{Cache, ErrorKind, Pattern};

use super::{no_prefix, refused};
use crate::Subject;
use crate::coarse::steps;

const KEYS: [&str; 24] = [
    "a", "b", "ab", "abc", "abbc", "aXc", "A", "a.c", "a*c", "a?c", "[a]", "a]", "a-", "!", "^",
    "\\", "é", "日本", "a\nb", "user:1", "user:2", "user:10", "users", "{a,b}",
];

/// Each pattern with the keys of [`KEYS`] that Redis says match it.
const PATTERNS: &[(&str, &[&str])] = &[
    ("", &[]),
    ("a", &["a"]),
    ("?", &["a", "b", "A", "!", "^", "\\"]),
    ("??", &["ab", "a]", "a-", "é"]),
    ("é", &["é"]),
    ("a?c", &["abc", "aXc", "a.c", "a*c", "a?c"]),
    ("a*c", &["abc", "abbc", "aXc", "a.c", "a*c", "a?c"]),
    ("a\\*c", &["a*c"]),
    ("a\\?c", &["a?c"]),
    ("a.c", &["a.c"]),
    ("[ab]", &["a", "b"]),
    ("[b-a]", &["a", "b"]),
    ("[^a]", &["b", "A", "!", "^", "\\"]),
    ("[!a]", &["a", "!"]),
    ("[]", &[]),
    ("[^]", &["a", "b", "A", "!", "^", "\\"]),
    ("\\[a\\]", &["[a]"]),
    ("a[]-]", &[]),
    ("a[\\]-]", &["a]", "a-"]),
    ("a[\\-\\]]", &["a]", "a-"]),
    ("\\\\", &["\\"]),
    ("[\\\\]", &["\\"]),
    ("a?b", &["a\nb"]),
    ("user:*", &["user:1", "user:2", "user:10"]),
    ("user:?", &["user:1", "user:2"]),
    ("user:[0-9]", &["user:1", "user:2"]),
    ("user*", &["user:1", "user:2", "user:10", "users"]),
    ("*:1*", &["user:1", "user:10"]),
    ("*本", &["日本"]),
    ("{a,b}", &["{a,b}"]),
    ("*b*c", &["abc", "abbc"]),
    ("**b**", &["b", "ab", "abc", "abbc", "a\nb", "{a,b}"]),
];

async fn fill(cache: &Cache) {
    cache.set_many(KEYS.map(|key| (key, 1))).await.unwrap();
}

/// The keys of [`KEYS`] that are there.
async fn there(cache: &Cache) -> BTreeSet<&'static str> {
    let values = cache.get_many::<i64>(KEYS).await.unwrap();
    let pairs = KEYS.into_iter().zip(values);
    pairs
        .filter_map(|(key, value)| value.map(|_| key))
        .collect()
}

async fn patterns_clear_what_they_match(cache: &Cache) {
    for (pattern, expected) in PATTERNS {
        fill(cache).await;
        let removed = cache.clear(pattern).await.unwrap();
        let left = there(cache).await;
        let gone: BTreeSet<_> = KEYS.into_iter().filter(|key| !left.contains(key)).collect();
        assert_eq!(gone, expected.iter().copied().collect(), "{pattern:?}");
        assert_eq!(removed, u64::try_from(gone.len()).unwrap(), "{pattern:?}");
    }
}

pub async fn every_pattern_clears_what_redis_says_it_matches(subject: &Subject) {
    patterns_clear_what_they_match(&subject.cache()).await;
}

pub async fn patterns_mean_the_same_behind_a_prefix_of_glob_characters(subject: &Subject) {
    for prefix in ["*", "[a-z]", "?\\", "[^"] {
        let cache = subject.cache().namespace(prefix);
        let others = subject.cache().namespace("xyz");
        fill(&others).await;
        patterns_clear_what_they_match(&cache).await;
        assert_eq!(
            there(&others).await.len(),
            KEYS.len(),
            "{prefix:?} is literal"
        );
    }
}

pub async fn clear_touches_nothing_outside_of_the_prefix(subject: &Subject) {
    let cache = subject.cache();
    let inner = cache.namespace("inner:");
    let neighbours = ["", "inner", "inner;", "Inner:", "inne", "outer:inner:"];
    for prefix in neighbours {
        cache.namespace(prefix).set("key", &1).await.unwrap();
    }
    inner.set_many([("key", 1), ("key2", 2)]).await.unwrap();
    assert_eq!(inner.clear("*").await.unwrap(), 2);
    for prefix in neighbours {
        assert!(
            cache.namespace(prefix).exists("key").await.unwrap(),
            "{prefix:?}"
        );
    }
}

pub async fn clear_all_removes_everything_behind_the_prefix(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    cache.namespace("inner:").set("key", &1).await.unwrap();
    let inner = cache.namespace("other:");
    inner.set("key", &1).await.unwrap();
    assert_eq!(inner.clear_all().await.unwrap(), 1);
    assert_eq!(cache.clear_all().await.unwrap(), 2);
    assert_eq!(cache.clear_all().await.unwrap(), 0);
    assert!(!cache.exists("key").await.unwrap());
    assert!(!cache.exists("inner:key").await.unwrap());
}

pub async fn a_key_that_equals_the_prefix_belongs_to_another_handle(subject: &Subject) {
    let cache = subject.cache();
    let inner = cache.namespace("inner:");
    cache.set("inner:", &1).await.unwrap();
    inner.set("key", &1).await.unwrap();
    assert_eq!(inner.clear("").await.unwrap(), 0);
    assert_eq!(inner.clear("*").await.unwrap(), 1);
    assert_eq!(inner.clear_all().await.unwrap(), 0);
    assert_eq!(inner.clear("**").await.unwrap(), 0);
    assert_eq!(cache.get::<i64>("inner:").await.unwrap(), Some(1));
    assert_eq!(cache.clear("inner:").await.unwrap(), 1);
}

pub async fn an_invalid_pattern_removes_nothing(subject: &Subject) {
    let cache = subject.cache();
    fill(&cache).await;
    for pattern in [
        "[", "[a", "*[", "a[b-", "[a-]", "[^", "[\\]", "*\\", "a\\\\\\", "[à-ü]",
    ] {
        let result = cache.clear(pattern).await;
        assert_eq!(refused(result), ErrorKind::InvalidPattern, "{pattern:?}");
    }
    assert_eq!(there(&cache).await.len(), KEYS.len());
}

pub async fn an_escaped_key_clears_just_that_key(subject: &Subject) {
    let cache = subject.cache();
    fill(&cache).await;
    for (number, key) in KEYS.into_iter().enumerate() {
        assert_eq!(
            cache.clear(&Pattern::escape(key)).await.unwrap(),
            1,
            "{key:?}"
        );
        assert_eq!(
            there(&cache).await.len(),
            KEYS.len() - number - 1,
            "{key:?}"
        );
    }
}

pub async fn clear_does_not_count_what_expired(subject: &Subject) {
    let cache = subject.cache();
    cache
        .set_many([("live-1", 1), ("live-2", 1)])
        .ttl(steps(5))
        .await
        .unwrap();
    cache
        .set_many([("dead-1", 1), ("dead-2", 1)])
        .ttl(steps(1))
        .await
        .unwrap();
    subject.advance(steps(1)).await;
    assert_eq!(
        cache.clear("dead-1").await.unwrap(),
        0,
        "a pattern without wildcards"
    );
    assert_eq!(cache.clear("dead-*").await.unwrap(), 0);
    assert_eq!(cache.clear("*").await.unwrap(), 2);
}

pub async fn thousands_of_entries_are_cleared_and_counted_exactly(subject: &Subject) {
    let cache = subject.cache();
    let entries = (0..6000).map(|number| (format!("{}:{number}", number % 3), number));
    cache.set_many(entries).await.unwrap();
    assert_eq!(cache.clear("1:*").await.unwrap(), 2000);
    assert_eq!(cache.clear("1:*").await.unwrap(), 0);
    assert_eq!(cache.clear("2:*").await.unwrap(), 2000);
    let kept: Vec<String> = (0..6000)
        .step_by(3)
        .map(|number| format!("0:{number}"))
        .collect();
    let values = cache.get_many::<i64>(&kept).await.unwrap();
    assert!(
        values.iter().all(Option::is_some),
        "the others are all there"
    );
    assert_eq!(cache.clear_all().await.unwrap(), 2000);
}

pub async fn a_cleared_key_can_be_written_again(subject: &Subject) {
    let cache = subject.cache();
    for number in 0..3 {
        cache.set("key", &number).await.unwrap();
        assert_eq!(cache.clear("k*").await.unwrap(), 1);
        assert_eq!(cache.increment("key", 1).await.unwrap(), 1);
        assert_eq!(cache.clear("key").await.unwrap(), 1);
    }
}

pub async fn a_handle_without_prefix_clears_by_the_pattern_alone(subject: &Subject) {
    let cache = subject.cache();
    cache
        .set_many([("a1", 1), ("a2", 1), ("b1", 1)])
        .await
        .unwrap();
    let pattern = format!("{}a*", Pattern::escape(subject.prefix()));
    assert_eq!(no_prefix(subject).clear(&pattern).await.unwrap(), 2);
    assert!(cache.exists("b1").await.unwrap());
}

pub async fn nothing_that_was_there_survives_a_clear_among_writers(subject: &Subject) {
    let cache = subject.cache();
    for _ in 0..5 {
        cache
            .set_many((0..500).map(|number| (format!("old-{number}"), 1)))
            .await
            .unwrap();
        let writer = tokio::spawn({
            let cache = cache.clone();
            async move {
                for number in 0..200 {
                    cache.set(&format!("new-{number}"), &1).await.unwrap();
                }
            }
        });
        assert_eq!(cache.clear("old-*").await.unwrap(), 500);
        let old: Vec<String> = (0..500).map(|number| format!("old-{number}")).collect();
        let values = cache.get_many::<i64>(&old).await.unwrap();
        assert!(values.iter().all(Option::is_none));
        writer.await.unwrap();
        assert_eq!(
            cache.clear("new-*").await.unwrap(),
            200,
            "and no new one was touched"
        );
    }
}
