//! Claims of many keys in one call: each is answered as if it were alone.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{
    Bytes, CacheBackend, CallContext, Claim, ClaimOver, ClaimRequest, Error, ErrorKind, Expiry,
    Held, Keeping, LoadToken, LookFor, Lookup, Publication, Result, Value,
};

use crate::Subject;

const MINUTE: Duration = Duration::from_secs(60);

fn context() -> CallContext {
    CallContext::new(Duration::from_secs(30))
}

fn plain() -> Keeping {
    Keeping::plain(Expiry::after(MINUTE).unwrap())
}

/// Live for a minute, and of use for another one.
fn stale_for_a_minute() -> Keeping {
    Keeping {
        stale_millis: NonZeroU64::new(60_000),
        ..plain()
    }
}

/// Keys by their names, as loads see them.
struct Keys {
    backend: Arc<dyn CacheBackend>,
    prefix: String,
}

impl Keys {
    fn new(subject: &Subject) -> Self {
        Self {
            backend: subject.backend(),
            prefix: subject.prefix().to_owned(),
        }
    }

    fn stored(&self, name: &str) -> Arc<str> {
        format!("{}{name}", self.prefix).into()
    }

    async fn look_up(&self, names: &[&str]) -> Vec<String> {
        self.look_for(names, LookFor::FreshOrStale).await
    }

    async fn look_for(&self, names: &[&str], look_for: LookFor) -> Vec<String> {
        let stored: Vec<_> = names.iter().map(|name| self.stored(name)).collect();
        let stored: Vec<&str> = stored.iter().map(|key| &**key).collect();
        let found = self.backend.look_up_many(context(), &stored, look_for);
        found.await.unwrap().into_iter().map(told).collect()
    }

    async fn look_for_one(&self, name: &str, look_for: LookFor) -> String {
        let stored = self.stored(name);
        told(self.backend.look_up(context(), &stored, look_for).await)
    }

    /// Claims over nothing, or over what is said; with the tokens, in the order of the keys.
    async fn claim(&self, claims: &[(&str, ClaimOver)]) -> Vec<(LoadToken, Result<Claim>)> {
        let requests: Vec<_> = claims
            .iter()
            .map(|(name, over)| ClaimRequest {
                key: self.stored(name),
                token: LoadToken::new(),
                over: over.clone(),
            })
            .collect();
        let tokens: Vec<_> = requests.iter().map(|request| request.token).collect();
        let claimed = self.backend.claim_many(context(), requests).await.unwrap();
        assert_eq!(claimed.len(), tokens.len());
        tokens.into_iter().zip(claimed).collect()
    }

    /// Claims that have to be granted.
    async fn claimed(&self, names: &[&str]) -> Vec<LoadToken> {
        let gaps: Vec<_> = names.iter().map(|name| (*name, ClaimOver::Gap)).collect();
        let claims = self.claim(&gaps).await.into_iter();
        let granted = claims.map(|(token, claim)| match claim {
            Ok(Claim::Granted) => token,
            other => panic!("{other:?}"),
        });
        granted.collect()
    }

    async fn publish(&self, values: &[(&str, LoadToken, Keeping)]) -> Vec<Result<bool>> {
        let publications = values
            .iter()
            .map(|(name, token, keeping)| Publication {
                key: self.stored(name),
                token: *token,
                value: Bytes::from((*name).to_owned()),
                keeping: *keeping,
            })
            .collect();
        self.backend
            .publish_many(context(), publications)
            .await
            .unwrap()
    }

    async fn renew(&self, name: &str, token: LoadToken) -> bool {
        let renew = self.backend.renew(context(), &self.stored(name), token);
        renew.await.unwrap()
    }
}

/// What was found, in short.
fn told(lookup: Result<Lookup>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let by = |held| match held {
        None => "nobody",
        Some(Held::Loading(_)) => "somebody",
        Some(Held::BackingOff) => "nobody for a while",
    };
    match lookup.unwrap() {
        Lookup::Fresh { value, age: None } => format!("live {}", text(value.bytes())),
        Lookup::Fresh { value, .. } => format!("ageing {}", text(value.bytes())),
        Lookup::Stale { value, held, .. } => {
            format!("stale {}, held by {}", text(value.bytes()), by(held))
        }
        Lookup::Missing { held } => format!("nothing, held by {}", by(held)),
    }
}

/// A key of each kind, named by what it is.
async fn one_of_each(subject: &Subject, keys: &Keys) -> HashMap<&'static str, LoadToken> {
    let cache = subject.cache();
    let tokens = keys.claimed(&["stale", "stale and held"]).await;
    let kept = keys
        .publish(&[
            ("stale", tokens[0], stale_for_a_minute()),
            ("stale and held", tokens[1], stale_for_a_minute()),
        ])
        .await;
    assert!(kept.into_iter().all(|kept| kept.unwrap()));
    subject.advance(Duration::from_secs(90)).await;
    let tokens = keys.claimed(&["stale and held", "held", "loaded"]).await;
    let kept = keys
        .publish(&[("loaded", tokens[2], stale_for_a_minute())])
        .await;
    assert!(kept.into_iter().all(|kept| kept.unwrap()));
    cache.set("live", &5).await.unwrap();
    HashMap::from([("stale and held", tokens[0]), ("held", tokens[1])])
}

pub async fn many_keys_are_looked_up_as_each_alone(subject: &Subject) {
    let keys = Keys::new(subject);
    one_of_each(subject, &keys).await;
    let names = [
        "missing",
        "live",
        "loaded",
        "stale",
        "stale and held",
        "held",
        "missing",
    ];
    assert_eq!(
        keys.look_up(&names).await,
        [
            "nothing, held by nobody",
            "live 5",
            "live loaded",
            "stale stale, held by nobody",
            "stale stale and held, held by somebody",
            "nothing, held by somebody",
            "nothing, held by nobody",
        ]
    );
    let fresh = keys.look_for(&names, LookFor::Fresh).await;
    let fresh_or_who_is_at_it = [
        "nothing, held by nobody",
        "live 5",
        "live loaded",
        "nothing, held by nobody",
        "nothing, held by somebody",
        "nothing, held by somebody",
        "nothing, held by nobody",
    ];
    assert_eq!(fresh, fresh_or_who_is_at_it);
    for (name, found) in names.iter().zip(fresh_or_who_is_at_it) {
        assert_eq!(keys.look_for_one(name, LookFor::Fresh).await, found);
    }
    for look_for in [LookFor::Fresh, LookFor::FreshOrStale] {
        assert!(keys.look_for(&[], look_for).await.is_empty());
    }
}

pub async fn many_keys_are_claimed_as_each_alone(subject: &Subject) {
    let keys = Keys::new(subject);
    let held = one_of_each(subject, &keys).await;
    let unreadable =
        |text: &'static str| ClaimOver::Unreadable(Bytes::from_static(text.as_bytes()));
    let cache = subject.cache();
    cache.set("changed", &7).await.unwrap();
    cache.set("unreadable", &8).await.unwrap();
    let claims = [
        ("missing", ClaimOver::Gap),
        ("live", ClaimOver::Gap),
        ("loaded", ClaimOver::Live),
        ("unreadable", unreadable("8")),
        ("changed", unreadable("6")),
        ("stale", ClaimOver::Gap),
        ("stale and held", ClaimOver::Gap),
        ("held", ClaimOver::Gap),
        ("missing too", ClaimOver::Live),
        ("gone", unreadable("8")),
    ];
    let claimed = keys.claim(&claims).await;
    let answers: Vec<_> = claimed
        .iter()
        .map(|(_, claim)| match claim.as_ref().unwrap() {
            Claim::Granted => "granted".to_owned(),
            Claim::Refused(found) => told(Ok(found.clone())),
        })
        .collect();
    assert_eq!(
        answers,
        [
            "granted",
            "live 5",
            "granted",
            "granted",
            "live 7",
            "granted",
            "stale stale and held, held by somebody",
            "nothing, held by somebody",
            "granted",
            "granted",
        ]
    );
    for ((name, _), (token, claim)) in claims.iter().zip(&claimed) {
        let is_granted = matches!(claim, Ok(Claim::Granted));
        assert_eq!(keys.renew(name, *token).await, is_granted, "{name}");
    }
    for (name, token) in held {
        assert!(keys.renew(name, token).await, "{name}");
    }
    assert!(keys.claim(&[]).await.is_empty());
}

pub async fn a_key_that_is_claimed_twice_in_one_call_is_claimed_once(subject: &Subject) {
    let keys = Keys::new(subject);
    let claimed = keys
        .claim(&[("key", ClaimOver::Gap), ("key", ClaimOver::Gap)])
        .await;
    let granted: Vec<_> = claimed
        .into_iter()
        .filter(|(_, claim)| matches!(claim, Ok(Claim::Granted)))
        .collect();
    assert_eq!(granted.len(), 1);
    let (token, _) = granted[0];
    let published = keys
        .publish(&[("key", token, plain()), ("key", token, plain())])
        .await;
    let kept = published
        .into_iter()
        .filter(|kept| matches!(kept, Ok(true)));
    assert_eq!(kept.count(), 1, "the first ends the claim");
}

pub async fn what_is_published_together_is_kept_where_its_claim_holds(subject: &Subject) {
    let keys = Keys::new(subject);
    let cache = subject.cache();
    let names = ["kept", "written", "removed", "kept old", "kept for good"];
    let tokens = keys.claimed(&names).await;
    cache.set_bytes("written", "by somebody").await.unwrap();
    cache.delete("removed").await.unwrap();
    cache.set_bytes("never claimed", "there").await.unwrap();
    let kept = keys
        .publish(&[
            ("kept", tokens[0], plain()),
            ("written", tokens[1], plain()),
            ("removed", tokens[2], plain()),
            ("kept old", tokens[3], stale_for_a_minute()),
            ("kept for good", tokens[4], Keeping::plain(Expiry::Never)),
            ("never claimed", LoadToken::new(), plain()),
        ])
        .await;
    let kept: Vec<_> = kept.into_iter().map(Result::unwrap).collect();
    assert_eq!(kept, [true, false, false, true, true, false]);
    assert_eq!(
        keys.look_up(&names).await,
        [
            "live kept",
            "live by somebody",
            "nothing, held by nobody",
            "live kept old",
            "live kept for good",
        ]
    );
    let there = keys.look_up(&["never claimed"]).await;
    assert_eq!(there, ["live there"]);
    subject.advance(Duration::from_secs(90)).await;
    assert_eq!(
        keys.look_up(&["kept", "kept old", "kept for good"]).await,
        [
            "nothing, held by nobody",
            "stale kept old, held by nobody",
            "live kept for good",
        ]
    );
    assert!(keys.publish(&[]).await.is_empty());
}

/// More than go into one message, of all sizes.
pub async fn thousands_of_keys_are_claimed_and_published_at_once(subject: &Subject) {
    let keys = Keys::new(subject);
    let names: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tokens = keys.claimed(&names).await;
    let publications: Vec<_> = (0..)
        .zip(names.iter().zip(tokens))
        .map(|(at, (name, token))| Publication {
            key: keys.stored(name),
            token,
            value: Bytes::from(vec![b'5'; if at % 100 == 0 { 40_000 } else { at % 100 }]),
            keeping: plain(),
        })
        .collect();
    let published = keys.backend.publish_many(context(), publications.clone());
    assert!(
        published
            .await
            .unwrap()
            .into_iter()
            .all(|kept| kept.unwrap())
    );
    let stored: Vec<&str> = publications.iter().map(|each| &*each.key).collect();
    let found = keys.backend.get_many(context(), &stored).await.unwrap();
    for (publication, found) in publications.iter().zip(found) {
        let found = found.map(Value::into_bytes);
        assert!(found.as_ref() == Some(&publication.value));
    }
}

pub async fn after_close_calls_about_many_keys_are_closed(subject: &Subject) {
    let keys = Keys::new(subject);
    subject.cache().close().await.unwrap();
    let closed = |error: Option<Error>| error.map(|error| error.kind()) == Some(ErrorKind::Closed);
    let request = ClaimRequest {
        key: keys.stored("key"),
        token: LoadToken::new(),
        over: ClaimOver::Gap,
    };
    let publication = Publication {
        key: keys.stored("key"),
        token: LoadToken::new(),
        value: Bytes::new(),
        keeping: plain(),
    };
    for look_for in [LookFor::Fresh, LookFor::FreshOrStale] {
        let found = keys.backend.look_up_many(context(), &["key"], look_for);
        assert!(closed(all_of(found.await).err()));
    }
    let claimed = keys.backend.claim_many(context(), vec![request]);
    assert!(closed(all_of(claimed.await).err()));
    let published = keys.backend.publish_many(context(), vec![publication]);
    assert!(closed(all_of(published.await).err()));
}

/// The error of the call, or that of a key.
fn all_of<T>(answers: Result<Vec<Result<T>>>) -> Result<Vec<T>> {
    answers?.into_iter().collect()
}
