//! Raw bytes: past the codec, as they are.

use maestro_cache_core::{Bytes, ErrorKind};

use super::{each_codec, refused};
use crate::Subject;
use crate::coarse::{coarse, left, steps};

pub async fn any_bytes_come_back_as_they_are(subject: &Subject) {
    each_codec(subject, async |cache| {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for bytes in [&b""[..], b"\0", b"\xc1\xff", b"\r\n", b"$-1\r\n", &all] {
            cache.set_bytes("key", bytes.to_vec()).await.unwrap();
            assert_eq!(cache.get_bytes("key").await.unwrap().unwrap(), bytes);
        }
        assert_eq!(cache.get_bytes("missing").await.unwrap(), None);
    })
    .await;
}

pub async fn an_empty_value_is_a_hit(subject: &Subject) {
    let cache = subject.cache();
    cache.set_bytes("empty", Bytes::new()).await.unwrap();
    assert!(cache.exists("empty").await.unwrap());
    assert_eq!(cache.get_bytes("empty").await.unwrap(), Some(Bytes::new()));
    assert_eq!(
        refused(cache.get::<String>("empty").await),
        ErrorKind::Decode
    );
    assert!(!cache.add("empty", &5).await.unwrap());
    assert!(cache.delete("empty").await.unwrap());
}

pub async fn a_mebibyte_of_bytes_comes_back(subject: &Subject) {
    let cache = subject.cache();
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    cache.set_bytes("key", bytes.clone()).await.unwrap();
    assert_eq!(cache.get_bytes("key").await.unwrap().unwrap(), bytes);
}

pub async fn bytes_and_values_are_one_thing(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("key", "text").await.unwrap();
        let stored = cache.get_bytes("key").await.unwrap().unwrap();
        assert_eq!(stored, cache.codec().encode("text").unwrap());
        cache.set_bytes("copy", stored).await.unwrap();
        assert_eq!(
            cache.get::<String>("copy").await.unwrap().as_deref(),
            Some("text")
        );
    })
    .await;
}

pub async fn bytes_take_a_ttl_as_values_do(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    cache.set_bytes("key", "a").await.unwrap();
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(7));
    cache.set_bytes("key", "b").ttl(steps(2)).await.unwrap();
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(2));
    subject.advance(steps(2)).await;
    assert_eq!(cache.get_bytes("key").await.unwrap(), None);
}
