//! Null: a value and a hit, never a miss.

use super::each_codec;
use crate::Subject;

pub async fn a_stored_none_is_a_hit_and_a_missing_key_is_none(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("null", &None::<i64>).await.unwrap();
        assert_eq!(cache.get::<Option<i64>>("null").await.unwrap(), Some(None));
        assert_eq!(cache.get::<Option<i64>>("missing").await.unwrap(), None);
        assert!(cache.exists("null").await.unwrap());
    })
    .await;
}

pub async fn a_stored_some_is_its_value(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("some", &Some("text")).await.unwrap();
        let read = cache.get::<Option<String>>("some").await.unwrap();
        assert_eq!(read, Some(Some("text".to_owned())));
        assert_eq!(
            cache.get::<String>("some").await.unwrap().as_deref(),
            Some("text")
        );
    })
    .await;
}

pub async fn a_stored_unit_is_a_hit(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("unit", &()).await.unwrap();
        assert_eq!(cache.get::<()>("unit").await.unwrap(), Some(()));
        assert_eq!(
            cache.get::<Option<String>>("unit").await.unwrap(),
            Some(None)
        );
    })
    .await;
}

pub async fn null_is_a_hit_in_batches_too(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache
            .set_many([("null", None), ("five", Some(5))])
            .await
            .unwrap();
        let keys = ["null", "missing", "five"];
        let expected = [Some(None), None, Some(Some(5))];
        assert_eq!(cache.get_many::<Option<i64>>(keys).await.unwrap(), expected);
        let each = cache.get_many_each::<Option<i64>>(keys).await.unwrap();
        let each: Vec<_> = each.into_iter().map(Result::unwrap).collect();
        assert_eq!(each, expected);
    })
    .await;
}

pub async fn null_is_taken_and_added_as_any_value(subject: &Subject) {
    each_codec(subject, async |cache| {
        assert!(cache.add("null", &None::<i64>).await.unwrap());
        assert!(!cache.add("null", &Some(5)).await.unwrap(), "null is there");
        assert_eq!(cache.take::<Option<i64>>("null").await.unwrap(), Some(None));
        assert_eq!(cache.take::<Option<i64>>("null").await.unwrap(), None);
    })
    .await;
}

pub async fn null_is_compared_as_any_value(subject: &Subject) {
    each_codec(subject, async |cache| {
        let (null, five) = (None::<i64>, Some(5));
        assert!(
            !cache
                .compare_and_set("key", Some(&null), &five)
                .await
                .unwrap()
        );
        cache.set("key", &null).await.unwrap();
        assert!(!cache.compare_and_set("key", None, &five).await.unwrap());
        assert!(
            cache
                .compare_and_set("key", Some(&null), &five)
                .await
                .unwrap()
        );
        assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(5));
    })
    .await;
}
