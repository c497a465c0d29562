//! What is shown of what holds values: how large they are, and nothing of them.

use std::time::Duration;

use maestro_cache_core::{
    Bytes, Claim, ClaimOver, ClaimRequest, Expiry, Keeping, Load, LoadToken, Lookup, Publication,
    Value,
};

/// A value that can be stored and cannot be shown.
struct Hidden;

/// Nobody finds the text in it, nor its bytes.
fn shows_no_value(shown: &str) {
    assert!(!shown.contains("canary"), "{shown}");
    assert!(!shown.contains("99, 97, 110"), "{shown}");
}

#[test]
fn what_backends_are_told_of_loads_shows_no_value() {
    let canary = Bytes::from_static(b"canary");
    let token = LoadToken::from_number(7).unwrap();
    let over = ClaimOver::Unreadable(canary.clone());
    assert_eq!(format!("{over:?}"), "Unreadable(6 bytes)");
    assert_eq!(format!("{:?}", ClaimOver::Gap), "Gap");
    assert_eq!(format!("{:?}", ClaimOver::Live), "Live");
    let key = || "key".into();
    let request = ClaimRequest {
        key: key(),
        token,
        over,
    };
    let publication = Publication {
        key: key(),
        token,
        value: canary.clone(),
        keeping: Keeping::plain(Expiry::Never),
    };
    assert!(format!("{publication:?}").contains("6 bytes"));
    let value = Value::new(canary);
    let lookup = Lookup::Fresh { value, age: None };
    let claim = Claim::Refused(lookup.clone());
    for shown in [
        format!("{request:?} {publication:?} {lookup:?} {claim:?}"),
        format!("{request:#?} {publication:#?} {lookup:#?} {claim:#?}"),
    ] {
        shows_no_value(&shown);
        assert!(shown.contains("6 bytes"), "{shown}");
        assert!(shown.contains("\"key\""), "{shown}");
        assert!(shown.contains("LoadToken(0000000000000007)"), "{shown}");
    }
}

#[test]
fn what_a_loader_returns_shows_no_value() {
    for load in [
        Load::store("canary"),
        Load::store("canary").ttl(Duration::from_secs(7)),
        Load::transient("canary"),
    ] {
        shows_no_value(&format!("{load:?} {load:#?}"));
    }
    let load = Load::store(Hidden).ttl(Duration::from_secs(7));
    assert_eq!(format!("{load:?}"), "Load::store { ttl: After(7s), .. }");
    let load = Load::store(Hidden);
    assert_eq!(format!("{load:?}"), "Load::store { .. }");
    let load = Load::transient(Hidden);
    assert_eq!(format!("{load:?}"), "Load::transient { .. }");
    let load = Load::<Hidden>::not_modified();
    assert_eq!(format!("{load:?}"), "Load::not_modified { .. }");
}
