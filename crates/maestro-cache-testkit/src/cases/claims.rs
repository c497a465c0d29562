//! Claims: who may load a value, what ends a claim, and who sees neither claims nor stale values.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{
    Bytes, Cache, CacheBackend, CallContext, Claim, ClaimOver, Expiry, Held, Keeping, LoadToken,
    LookFor, Lookup, TimeToLive, Ttl, Value,
};

use super::until;
use crate::Subject;

const MINUTE: Duration = Duration::from_secs(60);

fn minute() -> Expiry {
    Expiry::after(MINUTE).unwrap()
}

/// Live for a minute, and of use for another one.
fn stale_for_a_minute() -> Keeping {
    Keeping {
        expiry: minute(),
        stale_millis: NonZeroU64::new(60_000),
        cost: None,
    }
}

/// One key, as loads see it, beside the handle that others have.
struct Key {
    backend: Arc<dyn CacheBackend>,
    stored: String,
    cache: Cache,
    name: String,
}

impl Key {
    fn new(subject: &Subject, name: &str) -> Self {
        Self {
            backend: subject.backend(),
            stored: format!("{}{name}", subject.prefix()),
            cache: subject.cache(),
            name: name.to_owned(),
        }
    }

    fn context() -> CallContext {
        CallContext::new(Duration::from_secs(30))
    }

    async fn look_up(&self) -> Lookup {
        let look_for = LookFor::FreshOrStale;
        let look = self
            .backend
            .look_up(Self::context(), &self.stored, look_for);
        look.await.unwrap()
    }

    async fn claim(&self, token: LoadToken, over: ClaimOver) -> Claim {
        let claim = self
            .backend
            .claim(Self::context(), &self.stored, token, over);
        claim.await.unwrap()
    }

    /// A claim of the key, which has to be granted.
    async fn claimed(&self) -> LoadToken {
        let token = LoadToken::new();
        let claim = self.claim(token, ClaimOver::Gap).await;
        assert!(matches!(claim, Claim::Granted), "{claim:?}");
        token
    }

    async fn holds(&self, token: LoadToken) -> bool {
        let renew = self.backend.renew(Self::context(), &self.stored, token);
        renew.await.unwrap()
    }

    async fn publish(&self, token: LoadToken, value: &'static str, keeping: Keeping) -> bool {
        let value = Bytes::from_static(value.as_bytes());
        let publish = self
            .backend
            .publish(Self::context(), &self.stored, token, value, keeping);
        publish.await.unwrap()
    }

    async fn release(&self, token: LoadToken, back_off_millis: u64) -> bool {
        let back_off = NonZeroU64::new(back_off_millis);
        let release = self
            .backend
            .release(Self::context(), &self.stored, token, back_off);
        release.await.unwrap()
    }

    /// Stores a value that a load may serve when it is stale.
    async fn loaded(&self, value: &'static str) {
        let token = self.claimed().await;
        assert!(self.publish(token, value, stale_for_a_minute()).await);
    }

    /// Stores such a value, and lets it become stale.
    async fn stale(&self, subject: &Subject, value: &'static str) {
        self.loaded(value).await;
        subject.advance(Duration::from_secs(90)).await;
    }

    async fn bytes(&self) -> Option<Bytes> {
        self.cache.get_bytes(&self.name).await.unwrap()
    }
}

fn text(value: &Value) -> &str {
    std::str::from_utf8(value.bytes()).unwrap()
}

pub async fn one_of_many_claims_is_granted(subject: &Subject) {
    let key = Arc::new(Key::new(subject, "key"));
    let claims = (0..20).map(|_| {
        let key = Arc::clone(&key);
        tokio::spawn(async move {
            let token = LoadToken::new();
            (token, key.claim(token, ClaimOver::Gap).await)
        })
    });
    let mut granted = Vec::new();
    let mut held = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        match claim.await.unwrap() {
            (token, Claim::Granted) => granted.push(token),
            (_, Claim::Refused(Lookup::Missing { held: Some(by) })) => held.push(by),
            (_, other) => panic!("{other:?}"),
        }
    }
    assert_eq!((granted.len(), held.len()), (1, 19));
    assert!(held.iter().all(|by| *by == Held::Loading(granted[0])));
    let again = key.claim(granted[0], ClaimOver::Gap).await;
    assert!(
        matches!(again, Claim::Granted),
        "who holds it may ask again"
    );
}

pub async fn a_published_value_is_a_value_and_ends_the_claim(subject: &Subject) {
    let key = Key::new(subject, "key");
    let token = key.claimed().await;
    assert!(key.publish(token, "7", Keeping::plain(minute())).await);
    assert_eq!(key.bytes().await.as_deref(), Some(&b"7"[..]));
    let left = key.cache.ttl("key").await.unwrap();
    assert!(matches!(left, TimeToLive::Left(left) if left <= MINUTE && left > MINUTE / 2));
    assert!(!key.holds(token).await);
    assert!(!key.publish(token, "8", Keeping::plain(minute())).await);
    assert_eq!(
        key.cache.increment("key", 1).await.unwrap(),
        8,
        "it is plain"
    );
    let token = LoadToken::new();
    match key.claim(token, ClaimOver::Gap).await {
        Claim::Refused(Lookup::Fresh { value, .. }) => assert_eq!(text(&value), "8"),
        other => panic!("{other:?}"),
    }
    assert!(!key.publish(token, "9", Keeping::plain(minute())).await);
}

pub async fn a_released_claim_leaves_nothing(subject: &Subject) {
    let key = Key::new(subject, "key");
    let token = key.claimed().await;
    assert!(key.release(token, 0).await);
    assert!(!key.release(token, 0).await);
    assert!(!key.publish(token, "7", Keeping::plain(minute())).await);
    assert!(matches!(
        key.look_up().await,
        Lookup::Missing { held: None }
    ));
    let other = key.claimed().await;
    assert!(!key.release(token, 0).await, "it is somebody else's now");
    assert!(key.holds(other).await);
}

pub async fn a_claim_is_unseen_by_every_operation(subject: &Subject) {
    let cache = subject.cache();
    let key = Key::new(subject, "key");
    let token = key.claimed().await;
    assert_eq!(cache.get::<Option<i64>>("key").await.unwrap(), None);
    assert_eq!(cache.get_bytes("key").await.unwrap(), None);
    assert_eq!(cache.get_shared::<Option<i64>>("key").await.unwrap(), None);
    assert_eq!(
        cache.get_many::<Option<i64>>(["key", "key"]).await.unwrap(),
        [None, None]
    );
    assert!(!cache.exists("key").await.unwrap());
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::Missing);
    assert!(
        !cache
            .compare_and_set("key", Some(&None::<i64>), &Some(1))
            .await
            .unwrap()
    );
    assert!(key.holds(token).await, "to look is not to write");

    assert!(!cache.delete("key").await.unwrap());
    key.claimed().await;
    assert_eq!(cache.delete_many(["key", "other"]).await.unwrap(), 0);
    key.claimed().await;
    assert_eq!(cache.take::<Option<i64>>("key").await.unwrap(), None);
    key.claimed().await;
    assert!(!cache.expire("key", MINUTE).await.unwrap());
    key.claimed().await;
    assert!(!cache.persist("key").await.unwrap());
    key.claimed().await;
    assert_eq!(cache.clear("k*").await.unwrap(), 0);
    key.claimed().await;
    assert_eq!(cache.clear("key").await.unwrap(), 0);
    key.claimed().await;
    assert_eq!(cache.clear_all().await.unwrap(), 0);
    key.claimed().await;
    assert!(cache.add("key", &5).await.unwrap());
    cache.delete("key").await.unwrap();
    key.claimed().await;
    assert_eq!(cache.increment("key", 5).await.unwrap(), 5);
    cache.delete("key").await.unwrap();
    key.claimed().await;
    assert_eq!(cache.increment("key", 5).ttl(Ttl::Never).await.unwrap(), 5);
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::NoExpiry);
    cache.delete("key").await.unwrap();
    key.claimed().await;
    assert!(cache.compare_and_set("key", None, &5).await.unwrap());
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(5));
}

/// Everything that changes a key, or would if it were there.
async fn change(cache: &Cache, how: usize) {
    match how {
        0 => cache.set("key", &1).await.unwrap(),
        1 => cache.set_bytes("key", "1").await.unwrap(),
        2 => cache.set_many([("key", 1)]).await.unwrap(),
        3 => drop(cache.add("key", &1).await.unwrap()),
        4 => drop(cache.compare_and_set("key", None, &1).await.unwrap()),
        5 => drop(cache.increment("key", 1).await.unwrap()),
        6 => drop(cache.increment("key", 1).ttl(Ttl::Never).await.unwrap()),
        7 => drop(cache.delete("key").await.unwrap()),
        8 => drop(cache.delete_many(["other", "key"]).await.unwrap()),
        9 => drop(cache.take::<i64>("key").await),
        10 => drop(cache.expire("key", MINUTE).await.unwrap()),
        11 => drop(cache.expire("key", Duration::ZERO).await.unwrap()),
        12 => drop(cache.persist("key").await.unwrap()),
        13 => drop(cache.clear("key").await.unwrap()),
        14 => drop(cache.clear("k*").await.unwrap()),
        _ => drop(cache.clear_all().await.unwrap()),
    }
}

const CHANGES: usize = 16;

pub async fn every_change_of_the_key_ends_a_claim(subject: &Subject) {
    let cache = subject.cache();
    let key = Key::new(subject, "key");
    for how in 0..CHANGES {
        let token = key.claimed().await;
        change(&cache, how).await;
        assert!(!key.holds(token).await, "change {how}");
        let before = key.bytes().await;
        assert!(
            !key.publish(token, "old", Keeping::plain(minute())).await,
            "change {how}"
        );
        assert_eq!(key.bytes().await, before, "change {how}");
        cache.delete("key").await.unwrap();
    }
}

pub async fn every_change_of_the_key_ends_a_claim_over_a_stale_value(subject: &Subject) {
    let cache = subject.cache();
    let key = Key::new(subject, "key");
    for how in 0..CHANGES {
        key.stale(subject, "1").await;
        let token = key.claimed().await;
        change(&cache, how).await;
        assert!(!key.holds(token).await, "change {how}");
        assert!(
            !key.publish(token, "old", Keeping::plain(minute())).await,
            "change {how}"
        );
        assert!(
            !matches!(key.look_up().await, Lookup::Stale { .. }),
            "change {how} leaves a stale value"
        );
        cache.delete("key").await.unwrap();
    }
}

pub async fn what_becomes_of_other_keys_ends_no_claim(subject: &Subject) {
    let cache = subject.cache();
    let key = Key::new(subject, "key");
    let token = key.claimed().await;
    cache.set("keys", &1).await.unwrap();
    cache.delete("ke").await.unwrap();
    cache.clear("other*").await.unwrap();
    assert!(key.publish(token, "7", Keeping::plain(minute())).await);
}

pub async fn a_value_is_live_first_and_stale_afterwards(subject: &Subject) {
    let key = Key::new(subject, "key");
    key.loaded("7").await;
    assert_eq!(key.bytes().await.as_deref(), Some(&b"7"[..]));
    let left = key.cache.ttl("key").await.unwrap();
    assert!(matches!(left, TimeToLive::Left(left) if left <= MINUTE && left > MINUTE / 2));
    match key.look_up().await {
        Lookup::Fresh { value, age: None } => assert_eq!(text(&value), "7"),
        other => panic!("{other:?}"),
    }
    subject.advance(Duration::from_secs(80)).await;
    match key.look_up().await {
        Lookup::Stale {
            value,
            stale_for,
            held: None,
        } => {
            assert_eq!(text(&value), "7");
            let expected = Duration::from_secs(20)..Duration::from_secs(60);
            assert!(expected.contains(&stale_for), "{stale_for:?}");
        }
        other => panic!("{other:?}"),
    }
    let found = key
        .backend
        .look_up(Key::context(), &key.stored, LookFor::Fresh);
    assert!(matches!(
        found.await.unwrap(),
        Lookup::Missing { held: None }
    ));
    subject.advance(Duration::from_secs(40)).await;
    assert!(matches!(
        key.look_up().await,
        Lookup::Missing { held: None }
    ));
}

pub async fn a_stale_value_is_unseen_by_every_operation(subject: &Subject) {
    let cache = subject.cache();
    let key = Key::new(subject, "key");
    let stale = async || key.stale(subject, "1").await;
    stale().await;
    assert_eq!(cache.get::<i64>("key").await.unwrap(), None);
    assert_eq!(cache.get_bytes("key").await.unwrap(), None);
    assert_eq!(
        cache.get_many::<i64>(["key", "key"]).await.unwrap(),
        [None, None]
    );
    assert!(!cache.exists("key").await.unwrap());
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::Missing);
    assert!(!cache.compare_and_set("key", Some(&1), &2).await.unwrap());
    assert!(!cache.delete("key").await.unwrap());
    stale().await;
    assert_eq!(cache.delete_many(["key"]).await.unwrap(), 0);
    stale().await;
    assert_eq!(cache.take::<i64>("key").await.unwrap(), None);
    stale().await;
    assert!(!cache.expire("key", MINUTE).await.unwrap());
    stale().await;
    assert!(!cache.persist("key").await.unwrap());
    stale().await;
    assert_eq!(cache.clear("k*").await.unwrap(), 0);
    stale().await;
    assert!(cache.add("key", &5).await.unwrap());
    cache.delete("key").await.unwrap();
    stale().await;
    assert_eq!(cache.increment("key", 5).await.unwrap(), 5);
    cache.delete("key").await.unwrap();
    stale().await;
    assert_eq!(cache.increment("key", 5).ttl(Ttl::Never).await.unwrap(), 5);
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::NoExpiry);
    cache.delete("key").await.unwrap();
    stale().await;
    assert!(cache.compare_and_set("key", None, &5).await.unwrap());
}

pub async fn a_live_value_of_a_load_is_a_value_for_every_operation(subject: &Subject) {
    let cache = subject.cache();
    let key = Key::new(subject, "key");
    key.loaded("1").await;
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
    assert_eq!(
        cache.get_many::<i64>(["key", "none"]).await.unwrap(),
        [Some(1), None]
    );
    assert!(cache.exists("key").await.unwrap());
    assert!(!cache.add("key", &5).await.unwrap());
    assert!(cache.compare_and_set("key", Some(&1), &2).await.unwrap());
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(2));
    cache.delete("key").await.unwrap();

    key.loaded("1").await;
    assert_eq!(cache.increment("key", 1).await.unwrap(), 2);
    let left = cache.ttl("key").await.unwrap();
    assert!(matches!(left, TimeToLive::Left(left) if left <= MINUTE && left > MINUTE / 2));
    subject.advance(Duration::from_secs(70)).await;
    assert!(
        matches!(key.look_up().await, Lookup::Missing { .. }),
        "it is a counter now"
    );

    key.loaded("1").await;
    assert_eq!(cache.take::<i64>("key").await.unwrap(), Some(1));
    key.loaded("1").await;
    assert!(cache.delete("key").await.unwrap());
    key.loaded("1").await;
    assert_eq!(cache.clear("k*").await.unwrap(), 1);
    key.loaded("1").await;
    assert!(cache.expire("key", 2 * MINUTE).await.unwrap());
    let left = cache.ttl("key").await.unwrap();
    assert!(matches!(left, TimeToLive::Left(left) if left <= 2 * MINUTE && left > MINUTE));
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
    subject.advance(Duration::from_secs(130)).await;
    assert!(
        matches!(key.look_up().await, Lookup::Missing { .. }),
        "an explicit end is one"
    );
    key.loaded("1").await;
    assert!(cache.expire("key", Duration::from_secs(20)).await.unwrap());
    subject.advance(Duration::from_secs(30)).await;
    assert!(
        matches!(key.look_up().await, Lookup::Missing { .. }),
        "also one that comes early"
    );
    key.loaded("1").await;
    assert!(cache.persist("key").await.unwrap());
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::NoExpiry);
}

pub async fn a_claim_over_a_stale_value_leaves_it_to_be_served(subject: &Subject) {
    let key = Key::new(subject, "key");
    key.stale(subject, "old").await;
    let token = key.claimed().await;
    match key.look_up().await {
        Lookup::Stale { value, held, .. } => {
            assert_eq!((text(&value), held), ("old", Some(Held::Loading(token))));
        }
        other => panic!("{other:?}"),
    }
    let refused = key.claim(LoadToken::new(), ClaimOver::Gap).await;
    assert!(matches!(
        refused,
        Claim::Refused(Lookup::Stale { held: Some(Held::Loading(by)), .. }) if by == token
    ));
    assert!(key.holds(token).await);
    assert!(key.publish(token, "new", stale_for_a_minute()).await);
    assert_eq!(key.bytes().await.as_deref(), Some(&b"new"[..]));
}

pub async fn a_claim_ends_with_the_stale_value_under_it(subject: &Subject) {
    let key = Key::new(subject, "key");
    key.stale(subject, "old").await;
    let token = key.claimed().await;
    subject.advance(Duration::from_secs(60)).await;
    assert!(!key.publish(token, "new", Keeping::plain(minute())).await);
    assert_eq!(key.bytes().await, None);
}

pub async fn after_a_failed_load_a_stale_value_is_left_alone_for_a_while(subject: &Subject) {
    let key = Key::new(subject, "key");
    key.stale(subject, "old").await;
    let token = key.claimed().await;
    assert!(key.release(token, 600_000).await);
    match key.look_up().await {
        Lookup::Stale { held, .. } => assert_eq!(held, Some(Held::BackingOff)),
        other => panic!("{other:?}"),
    }
    let refused = key.claim(LoadToken::new(), ClaimOver::Gap).await;
    assert!(matches!(refused, Claim::Refused(Lookup::Stale { .. })));

    subject.advance(Duration::from_secs(60)).await;
    key.claimed().await;

    let other = Key::new(subject, "other");
    other.stale(subject, "old").await;
    let token = other.claimed().await;
    assert!(other.release(token, 20).await);
    until(async || {
        let claim = other.claim(LoadToken::new(), ClaimOver::Gap).await;
        matches!(claim, Claim::Granted)
    })
    .await;

    let empty = Key::new(subject, "empty");
    let token = empty.claimed().await;
    assert!(empty.release(token, 600_000).await);
    empty.claimed().await;
}

pub async fn a_live_value_may_be_claimed_early(subject: &Subject) {
    let key = Key::new(subject, "key");
    let token = key.claimed().await;
    let keeping = Keeping {
        cost: Some(Duration::from_millis(250)),
        ..Keeping::plain(minute())
    };
    assert!(key.publish(token, "old", keeping).await);
    match key.look_up().await {
        Lookup::Fresh { age: Some(age), .. } => {
            assert_eq!(age.cost, Duration::from_millis(250));
            assert!(age.left <= MINUTE && age.left > MINUTE / 2);
        }
        other => panic!("{other:?}"),
    }
    let token = LoadToken::new();
    assert!(matches!(
        key.claim(token, ClaimOver::Live).await,
        Claim::Granted
    ));
    let other = key.claim(LoadToken::new(), ClaimOver::Live).await;
    assert!(matches!(other, Claim::Refused(_)));
    assert_eq!(key.bytes().await.as_deref(), Some(&b"old"[..]));
    assert!(key.publish(token, "new", keeping).await);
    assert_eq!(key.bytes().await.as_deref(), Some(&b"new"[..]));

    key.cache.set_bytes("key", "plain").await.unwrap();
    let plain = key.claim(LoadToken::new(), ClaimOver::Live).await;
    assert!(matches!(plain, Claim::Refused(Lookup::Fresh { .. })));
}

pub async fn a_value_that_cannot_be_read_is_claimed_as_it_was_seen(subject: &Subject) {
    let key = Key::new(subject, "key");
    key.cache.set_bytes("key", "odd").await.unwrap();
    let token = LoadToken::new();
    let claim = key
        .claim(token, ClaimOver::Unreadable("other".into()))
        .await;
    assert!(matches!(claim, Claim::Refused(Lookup::Fresh { .. })));
    assert_eq!(key.bytes().await.as_deref(), Some(&b"odd"[..]));
    let claim = key.claim(token, ClaimOver::Unreadable("odd".into())).await;
    assert!(matches!(claim, Claim::Granted));
    assert_eq!(key.bytes().await, None);
    assert!(key.publish(token, "7", Keeping::plain(minute())).await);
    assert_eq!(key.bytes().await.as_deref(), Some(&b"7"[..]));
}

pub async fn what_is_published_for_good_is_never_stale(subject: &Subject) {
    let key = Key::new(subject, "key");
    let token = key.claimed().await;
    let keeping = Keeping {
        expiry: Expiry::Never,
        ..stale_for_a_minute()
    };
    assert!(key.publish(token, "7", keeping).await);
    subject.advance(Duration::from_secs(1000)).await;
    assert_eq!(key.bytes().await.as_deref(), Some(&b"7"[..]));
    assert_eq!(key.cache.ttl("key").await.unwrap(), TimeToLive::NoExpiry);
    assert!(matches!(key.look_up().await, Lookup::Fresh { .. }));
}
