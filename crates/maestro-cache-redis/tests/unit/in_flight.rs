use super::*;

#[test]
fn calls_beyond_the_bound_are_refused_until_others_end() {
    let calls = InFlight::new(2);
    let first = calls.enter().unwrap();
    let _second = calls.enter().unwrap();
    for _ in 0..10 {
        assert_eq!(calls.enter().unwrap_err().kind(), ErrorKind::Rejected);
    }
    drop(first);
    let _third = calls.enter().unwrap();
    assert!(calls.enter().is_err());
}
