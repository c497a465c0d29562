//! Values that end as if a backend had written something behind them: they come back whole, too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use maestro_cache_core::{
    Bytes, Cache, CacheBackend, CallContext, Claim, ClaimOver, ClaimRequest, ErrorKind, Expiry,
    Keeping, LoadToken, LookFor, Lookup, Publication, Result, SetWhen, TimeToLive, Ttl, Value,
};

use super::{each_codec, refused};
use crate::Subject;
use crate::coarse::{coarse, left, steps};

/// The end by which the Redis backend knows what it has written behind a value itself. It stands here
/// as it is stored, since anybody may store the same.
const END: &str = "\t\r \t \r\n\r\t\t\n\n\t\r\t\n\n \t \n  \n\n\r\n\n  \r";

/// What that backend writes in front of the end, of a kind, a time and a holder.
fn mark(kind: char, stale: char, holder: char) -> String {
    let repeated = |digit: char, count| String::from(digit).repeat(count);
    let (stale, holder) = (repeated(stale, 24), repeated(holder, 32));
    format!("{kind}{stale}{}{holder}{END}", repeated(' ', 40))
}

/// Texts that look like what is claimed, what has been stale for long, what was never loaded, and each
/// of them behind another one.
fn lookalikes() -> Vec<String> {
    let marks = [
        mark('\t', ' ', '\n'),
        mark(' ', '\r', ' '),
        mark(' ', ' ', ' '),
        mark('\r', '\r', '\r'),
    ];
    let mut texts: Vec<_> = marks.iter().map(|mark| format!("null{mark}")).collect();
    texts.extend(marks.iter().map(|mark| format!("5{mark}{}", marks[1])));
    texts.extend(marks.iter().map(|mark| format!("{mark}{}", marks[2])));
    texts.extend(marks);
    texts
}

/// A key, as loads see it and as others do.
struct Key {
    backend: Arc<dyn CacheBackend>,
    cache: Cache,
    stored: String,
}

const KEY: &str = "key";

fn context() -> CallContext {
    CallContext::new(Duration::from_secs(30))
}

fn three_steps() -> Expiry {
    Expiry::after(steps(3)).unwrap()
}

/// Every way in which a value comes to be stored.
#[derive(Clone, Copy, Debug)]
enum Write {
    Set,
    SetMany,
    Add,
    /// What is claimed is missing, and stands in the way of another command than what is not there.
    AddOverClaim,
    CompareAndSet,
    Publish(Keeping),
    PublishMany(Keeping),
}

impl Write {
    fn all(expiry: Expiry) -> [Self; 9] {
        let plain = Keeping::plain(expiry);
        let loaded = Keeping {
            cost: Some(Duration::from_millis(1)),
            ..plain
        };
        [
            Self::Set,
            Self::SetMany,
            Self::Add,
            Self::AddOverClaim,
            Self::CompareAndSet,
            Self::Publish(plain),
            Self::Publish(loaded),
            Self::PublishMany(plain),
            Self::PublishMany(loaded),
        ]
    }
}

impl Key {
    /// Nothing that a holder may do does anything.
    async fn is_not_held_under(&self, token: LoadToken) {
        let renew = self.backend.renew(context(), &self.stored, token);
        assert!(!renew.await.unwrap());
        let keeping = Keeping::plain(Expiry::Never);
        let publish = self
            .backend
            .publish(context(), &self.stored, token, Bytes::new(), keeping);
        assert!(!publish.await.unwrap());
        let release = self.backend.release(context(), &self.stored, token, None);
        assert!(!release.await.unwrap());
    }

    fn new(subject: &Subject) -> Self {
        Self {
            backend: subject.backend(),
            cache: subject.cache(),
            stored: format!("{}{KEY}", subject.prefix()),
        }
    }

    async fn set(&self, value: Bytes, expiry: Expiry, when: SetWhen) -> bool {
        let set = self
            .backend
            .set(context(), &self.stored, value, expiry, when);
        set.await.unwrap()
    }

    async fn claim(&self, over: ClaimOver) -> (LoadToken, Claim) {
        let token = LoadToken::new();
        let claim = self.backend.claim(context(), &self.stored, token, over);
        (token, claim.await.unwrap())
    }

    async fn claimed(&self) -> LoadToken {
        let (token, claim) = self.claim(ClaimOver::Gap).await;
        assert!(matches!(claim, Claim::Granted), "{claim:?}");
        token
    }

    async fn swap(&self, expected: &[u8], new: Bytes, expiry: Expiry) -> bool {
        let swap = self
            .backend
            .compare_and_set(context(), &self.stored, expected, new, expiry);
        swap.await.unwrap()
    }

    /// Stores the value where there is none.
    async fn write(&self, write: Write, value: &str, expiry: Expiry) {
        let value = Bytes::from(value.to_owned());
        let is_done = match write {
            Write::Set => self.set(value, expiry, SetWhen::Always).await,
            Write::SetMany => {
                let entries = [(&*self.stored, value)];
                let set = self.backend.set_many(context(), &entries, expiry);
                set.await.is_ok()
            }
            Write::Add => self.set(value, expiry, SetWhen::Absent).await,
            Write::AddOverClaim => {
                self.claimed().await;
                self.set(value, expiry, SetWhen::Absent).await
            }
            Write::CompareAndSet => {
                let old = Bytes::from_static(b"old");
                assert!(self.set(old, Expiry::Never, SetWhen::Always).await);
                self.swap(b"old", value, expiry).await
            }
            Write::Publish(keeping) => {
                let token = self.claimed().await;
                let publish = self
                    .backend
                    .publish(context(), &self.stored, token, value, keeping);
                publish.await.unwrap()
            }
            Write::PublishMany(keeping) => {
                let publications = vec![Publication {
                    key: self.stored.as_str().into(),
                    token: self.claimed().await,
                    value,
                    keeping,
                }];
                let publish = self.backend.publish_many(context(), publications);
                all_of(publish.await).unwrap() == [true]
            }
        };
        assert!(is_done, "{write:?}");
    }

    /// What every operation that reads says of the value.
    async fn read(&self) -> Vec<Option<Bytes>> {
        let (backend, stored) = (&self.backend, &*self.stored);
        let got = backend.get(context(), stored).await.unwrap();
        let many = backend.get_many(context(), &[stored, stored]).await;
        let mut read: Vec<_> = many.unwrap().into_iter().chain([got]).map(bytes).collect();
        for look_for in [LookFor::Fresh, LookFor::FreshOrStale] {
            let found = backend.look_up(context(), stored, look_for).await;
            read.push(fresh(found.unwrap()));
            let found = backend.look_up_many(context(), &[stored, stored], look_for);
            read.extend(all_of(found.await).unwrap().into_iter().map(fresh));
        }
        read.push(self.cache.get_bytes(KEY).await.unwrap());
        read
    }

    async fn ttl(&self) -> TimeToLive {
        coarse(self.cache.ttl(KEY).await.unwrap())
    }

    /// Looks for the value in every way there is, and takes it in the end.
    async fn is_there(&self, value: &str, ttl: TimeToLive) {
        for read in self.read().await {
            assert_eq!(read.as_deref(), Some(value.as_bytes()));
        }
        assert!(self.cache.exists(KEY).await.unwrap());
        assert_eq!(self.ttl().await, ttl);
        let add = self.set(Bytes::new(), Expiry::Never, SetWhen::Absent);
        assert!(!add.await, "nothing is added where it is");
        let taken = self.backend.take(context(), &self.stored).await.unwrap();
        assert_eq!(bytes(taken).as_deref(), Some(value.as_bytes()));
        assert!(!self.cache.exists(KEY).await.unwrap());
    }
}

fn bytes(value: Option<Value>) -> Option<Bytes> {
    value.map(Value::into_bytes)
}

fn fresh(lookup: Lookup) -> Option<Bytes> {
    match lookup {
        Lookup::Fresh { value, .. } => Some(value.into_bytes()),
        Lookup::Stale { .. } | Lookup::Missing { .. } => None,
    }
}

/// The error of the call, or that of a key.
fn all_of<T>(answers: Result<Vec<Result<T>>>) -> Result<Vec<T>> {
    answers?.into_iter().collect()
}

pub async fn a_lookalike_comes_back_from_every_write_to_every_read(subject: &Subject) {
    let key = Key::new(subject);
    for value in lookalikes() {
        for write in Write::all(three_steps()) {
            key.write(write, &value, three_steps()).await;
            key.is_there(&value, left(3)).await;
        }
        for write in Write::all(Expiry::Never) {
            key.write(write, &value, Expiry::Never).await;
            key.is_there(&value, TimeToLive::NoExpiry).await;
        }
    }
}

pub async fn a_lookalike_is_a_text_under_each_codec(subject: &Subject) {
    each_codec(subject, async |cache| {
        for text in lookalikes() {
            cache.set(KEY, &text).await.unwrap();
            assert_eq!(
                cache.get::<String>(KEY).await.unwrap().as_ref(),
                Some(&text)
            );
            let shared = cache.get_shared::<String>(KEY).await.unwrap();
            assert_eq!(shared.as_deref(), Some(&text));
            cache
                .set_many([(KEY, &text), ("other", &text)])
                .await
                .unwrap();
            let many = cache.get_many::<String>([KEY, "other"]).await.unwrap();
            assert_eq!(many, [Some(text.clone()), Some(text.clone())]);
            let swapped = cache.compare_and_set(KEY, Some(&text), &text);
            assert!(swapped.await.unwrap());
            assert!(!cache.add(KEY, "other").await.unwrap());
            assert_eq!(
                cache.take::<String>(KEY).await.unwrap().as_ref(),
                Some(&text)
            );
            assert!(cache.add(KEY, &text).await.unwrap());
            assert_eq!(cache.delete_many([KEY, "other", "none"]).await.unwrap(), 2);
        }
    })
    .await;
}

pub async fn a_lookalike_expires_at_its_time_and_is_counted_until_then(subject: &Subject) {
    let key = Key::new(subject);
    for value in lookalikes() {
        key.write(Write::Set, &value, three_steps()).await;
        assert!(key.cache.expire(KEY, steps(7)).await.unwrap());
        key.is_there(&value, left(7)).await;
        key.write(Write::Set, &value, three_steps()).await;
        assert!(key.cache.persist(KEY).await.unwrap());
        assert!(!key.cache.persist(KEY).await.unwrap());
        key.is_there(&value, TimeToLive::NoExpiry).await;
        key.write(Write::Set, &value, Expiry::Never).await;
        assert!(key.cache.expire(KEY, steps(2)).await.unwrap());
        subject.advance(steps(1)).await;
        assert_eq!(key.ttl().await, left(1));
        assert_eq!(key.cache.get_bytes(KEY).await.unwrap().unwrap(), value);
        subject.advance(steps(1)).await;
        assert_eq!(key.read().await.into_iter().flatten().count(), 0);
        assert_eq!(key.ttl().await, TimeToLive::Missing);
        assert!(!key.cache.delete(KEY).await.unwrap());
        key.write(Write::Set, &value, three_steps()).await;
        assert_eq!(key.cache.clear("*").await.unwrap(), 1);
        key.write(Write::Set, &value, three_steps()).await;
        assert!(key.cache.delete(KEY).await.unwrap());
    }
}

/// A loaded one becomes a plain one there.
pub async fn a_lookalike_that_was_loaded_may_be_given_another_expiry(subject: &Subject) {
    let key = Key::new(subject);
    let keeping = Keeping {
        stale_millis: std::num::NonZeroU64::new(1_000_000),
        ..Keeping::plain(three_steps())
    };
    for value in lookalikes() {
        key.write(Write::Publish(keeping), &value, three_steps())
            .await;
        assert!(key.cache.expire(KEY, steps(7)).await.unwrap());
        key.is_there(&value, left(7)).await;
        key.write(Write::Publish(keeping), &value, three_steps())
            .await;
        assert!(key.cache.persist(KEY).await.unwrap());
        key.is_there(&value, TimeToLive::NoExpiry).await;
    }
}

pub async fn a_lookalike_is_compared_as_a_whole(subject: &Subject) {
    let key = Key::new(subject);
    for value in lookalikes() {
        key.write(Write::Set, &value, Expiry::Never).await;
        let front = &value.as_bytes()[..value.len() - 128];
        assert!(!key.swap(front, Bytes::new(), Expiry::Never).await);
        let longer = format!("{value}{}", mark(' ', ' ', ' '));
        let swapped = key.swap(longer.as_bytes(), Bytes::new(), Expiry::Never);
        assert!(!swapped.await);
        let new = Bytes::from(longer.clone());
        assert!(key.swap(value.as_bytes(), new, three_steps()).await);
        key.is_there(&longer, left(3)).await;
    }
}

pub async fn a_lookalike_of_an_integer_is_no_counter(subject: &Subject) {
    let key = Key::new(subject);
    for value in lookalikes() {
        key.write(Write::Set, &value, three_steps()).await;
        for expiry in [three_steps(), Expiry::Never] {
            let sum = key.backend.increment(context(), &key.stored, 1, expiry);
            assert_eq!(refused(sum.await), ErrorKind::NotAnInteger);
        }
        key.is_there(&value, left(3)).await;
    }
}

pub async fn a_lookalike_is_claimed_like_any_plain_value(subject: &Subject) {
    let key = Key::new(subject);
    for value in lookalikes() {
        key.write(Write::Set, &value, three_steps()).await;
        let front = Bytes::from(value.clone()).slice(..value.len() - 128);
        for over in [
            ClaimOver::Gap,
            ClaimOver::Live,
            ClaimOver::Unreadable(front),
        ] {
            let (token, claim) = key.claim(over.clone()).await;
            assert!(
                matches!(&claim, Claim::Refused(Lookup::Fresh { value: seen, age: None })
                    if *seen.bytes() == value),
                "{over:?} {claim:?}"
            );
            let request = ClaimRequest {
                key: key.stored.as_str().into(),
                token,
                over,
            };
            let claims = key.backend.claim_many(context(), vec![request]).await;
            let claims = all_of(claims).unwrap();
            assert!(matches!(claims[..], [Claim::Refused(_)]), "{claims:?}");
            key.is_not_held_under(token).await;
        }
        key.is_there(&value, left(3)).await;

        key.write(Write::Set, &value, three_steps()).await;
        let seen = Bytes::from(value.clone());
        let (token, claim) = key.claim(ClaimOver::Unreadable(seen)).await;
        assert!(matches!(claim, Claim::Granted));
        assert_eq!(key.read().await.into_iter().flatten().count(), 0);
        let release = key.backend.release(context(), &key.stored, token, None);
        assert!(release.await.unwrap());
    }
}

/// The holder that such a text names holds nothing.
pub async fn who_stores_a_lookalike_of_a_claim_ends_it(subject: &Subject) {
    let key = Key::new(subject);
    // Its number in base 4 is all twos.
    let token = LoadToken::from_number(0xaaaa_aaaa_aaaa_aaaa).unwrap();
    let claim = || {
        let over = ClaimOver::Gap;
        key.backend.claim(context(), &key.stored, token, over)
    };
    assert!(matches!(claim().await.unwrap(), Claim::Granted));
    let lookalike = format!("null{}", mark('\t', ' ', '\n'));
    let life = Expiry::after(Duration::from_secs(2)).unwrap();
    key.write(Write::Set, &lookalike, life).await;
    assert!(matches!(
        claim().await.unwrap(),
        Claim::Refused(Lookup::Fresh { .. })
    ));
    key.is_not_held_under(token).await;
    assert_eq!(key.cache.get_bytes(KEY).await.unwrap().unwrap(), lookalike);
}

pub async fn a_lookalike_is_loaded_once(subject: &Subject) {
    each_codec(subject, async |cache| {
        for text in lookalikes() {
            for ttl in [Ttl::After(steps(3)), Ttl::Never] {
                for stale in [Duration::ZERO, steps(1)] {
                    let loads = AtomicU64::new(0);
                    for _ in 0..2 {
                        let load = || async {
                            loads.fetch_add(1, Ordering::Relaxed);
                            Ok::<_, io::Error>(text.clone())
                        };
                        let load = cache.get_or_compute(KEY, load).ttl(ttl);
                        assert_eq!(load.stale_if_error(stale).await.unwrap(), text);
                    }
                    assert_eq!(loads.into_inner(), 1);
                    assert!(cache.delete(KEY).await.unwrap());
                }
            }
        }
    })
    .await;
}
