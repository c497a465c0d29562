//! `get_shared`: the same answers as `get`, whatever is remembered.

use std::sync::Arc;

use maestro_cache_core::{Codec, ErrorKind};

use super::{each_codec, refused};
use crate::Subject;
use crate::coarse::steps;

pub async fn a_shared_value_is_the_value(subject: &Subject) {
    each_codec(subject, async |cache| {
        assert_eq!(cache.get_shared::<String>("key").await.unwrap(), None);
        cache.set("key", "text").await.unwrap();
        for _ in 0..3 {
            let read = cache.get_shared::<String>("key").await.unwrap();
            assert_eq!(read, Some(Arc::new("text".to_owned())));
        }
        assert_eq!(
            cache.get::<String>("key").await.unwrap().as_deref(),
            Some("text")
        );
    })
    .await;
}

pub async fn a_shared_value_is_never_older_than_the_entry(subject: &Subject) {
    let cache = subject.cache();
    for number in 0..20 {
        cache.set("key", &number).await.unwrap();
        assert_eq!(
            cache.get_shared::<i64>("key").await.unwrap(),
            Some(Arc::new(number))
        );
        assert_eq!(cache.increment("key", 100).await.unwrap(), number + 100);
        let read = cache.get_shared::<i64>("key").await.unwrap();
        assert_eq!(read, Some(Arc::new(number + 100)), "after an increment");
        assert!(
            cache
                .compare_and_set("key", Some(&(number + 100)), &-1)
                .await
                .unwrap()
        );
        let read = cache.get_shared::<i64>("key").await.unwrap();
        assert_eq!(read, Some(Arc::new(-1)), "after a compare_and_set");
        cache.set_many([("key", -2)]).await.unwrap();
        assert_eq!(
            cache.get_shared::<i64>("key").await.unwrap(),
            Some(Arc::new(-2))
        );
        assert!(cache.delete("key").await.unwrap());
        assert_eq!(
            cache.get_shared::<i64>("key").await.unwrap(),
            None,
            "after a delete"
        );
    }
}

pub async fn a_shared_value_is_gone_once_it_expired_or_was_cleared(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(1)).await.unwrap();
    assert!(cache.get_shared::<i64>("key").await.unwrap().is_some());
    subject.advance(steps(1)).await;
    assert_eq!(cache.get_shared::<i64>("key").await.unwrap(), None);
    cache.set("key", &2).await.unwrap();
    assert!(cache.get_shared::<i64>("key").await.unwrap().is_some());
    assert_eq!(cache.clear("*").await.unwrap(), 1);
    assert_eq!(cache.get_shared::<i64>("key").await.unwrap(), None);
}

pub async fn one_key_is_shared_as_several_types(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &5).await.unwrap();
    for _ in 0..2 {
        assert_eq!(
            cache.get_shared::<i64>("key").await.unwrap(),
            Some(Arc::new(5))
        );
        assert_eq!(
            cache.get_shared::<u8>("key").await.unwrap(),
            Some(Arc::new(5))
        );
        let read = cache.get_shared::<Option<i64>>("key").await.unwrap();
        assert_eq!(read, Some(Arc::new(Some(5))));
        assert_eq!(
            refused(cache.get_shared::<String>("key").await),
            ErrorKind::Decode
        );
    }
}

pub async fn a_shared_null_is_a_hit(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &None::<i64>).await.unwrap();
    for _ in 0..2 {
        let read = cache.get_shared::<Option<i64>>("key").await.unwrap();
        assert_eq!(read, Some(Arc::new(None)));
    }
}

pub async fn a_value_shared_under_one_codec_is_not_that_of_another(subject: &Subject) {
    let json = subject.cache_with(|builder| builder.codec(Codec::Json));
    let legacy = subject.cache_with(|builder| builder.codec(Codec::JsonLegacyPythonStrings));
    json.set_bytes("key", "bare").await.unwrap();
    let read = legacy.get_shared::<String>("key").await.unwrap();
    assert_eq!(read, Some(Arc::new("bare".to_owned())));
    assert_eq!(
        refused(json.get_shared::<String>("key").await),
        ErrorKind::Decode
    );
}
