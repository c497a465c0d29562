use std::num::NonZeroU64;

use maestro_cache_core::{Expiry, Held, Keeping, LoadToken, Outcome};

use super::*;

fn loaded(stale: u64, cost: Option<Duration>) -> Bytes {
    let keeping = Keeping {
        expiry: Expiry::Never,
        stale_millis: NonZeroU64::new(stale),
        cost,
    };
    mark::marked(&Bytes::from_static(b"5"), &keeping).0
}

fn fresh(lookup: Lookup) -> Option<(Bytes, Option<Age>)> {
    match lookup {
        Lookup::Fresh { value, age } => Some((value.into_bytes(), age)),
        _ => None,
    }
}

#[test]
fn a_value_is_live_as_long_as_more_is_left_than_it_may_be_stale() {
    let five = Bytes::from_static(b"5");
    let glance = |left| at_a_glance(left, Some(loaded(100, None)));
    assert_eq!(fresh(glance(101).unwrap()), Some((five.clone(), None)));
    assert_eq!(fresh(glance(-1).unwrap()), Some((five.clone(), None)));
    assert!(
        glance(100).is_none(),
        "it takes a clock to say who is at it"
    );
    assert!(glance(-2).is_none(), "it was written in between");
    let plain = at_a_glance(-2, Some(five.clone()));
    assert_eq!(fresh(plain.unwrap()), Some((five, None)));
}

#[test]
fn an_age_is_known_where_the_cost_is() {
    let cost = Duration::from_millis(30);
    let lookup = at_a_glance(150, Some(loaded(100, Some(cost)))).unwrap();
    let left = Duration::from_millis(50);
    assert_eq!(fresh(lookup.clone()).unwrap().1, Some(Age { left, cost }));
    assert_eq!(fresh(looked_for(LookFor::Fresh, lookup)).unwrap().1, None);
}

#[test]
fn a_claim_is_a_missing_value() {
    let token = LoadToken::new();
    let lookup = at_a_glance(50, Some(mark::placeholder(token).into())).unwrap();
    let held = match lookup {
        Lookup::Missing { held } => held,
        _ => None,
    };
    assert_eq!(held, Some(Held::Loading(token)));
}

#[test]
fn a_script_tells_all_at_one_instant() {
    let value = String::from_utf8(loaded(100, None).into()).unwrap();
    let found_of = |left: i64, value: &str| {
        let line = format!("*3\r\n:{left}\r\n:5\r\n{value}");
        let reply = Reply::new(
            redis::parse_redis_value(line.as_bytes()).unwrap(),
            Outcome::NotApplied,
        );
        found(reply)
    };
    let bulk = format!("${}\r\n{value}\r\n", value.len());
    assert!(live(found_of(101, &bulk).unwrap()).is_some());
    assert!(live(found_of(100, &bulk).unwrap()).is_none());
    let lookup = found_of(60, &bulk).unwrap();
    assert!(
        matches!(&lookup, Lookup::Stale { value, stale_for, held: None }
            if value.bytes() == "5" && *stale_for == Duration::from_millis(40)),
        "{lookup:?}"
    );
    assert!(live(found_of(-2, "_\r\n").unwrap()).is_none());
    assert!(found_of(-1, "-WRONGTYPE no\r\n").is_err());
    assert!(found_of(-1, "*0\r\n").is_err());
}
