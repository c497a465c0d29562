use super::*;

#[test]
fn a_key_is_large_from_its_first_large_value_to_its_next_small_one() {
    let large = Large::new();
    let value = |size| Value::BulkString(vec![0; size]);
    large.note("key", &value(LARGE));
    assert!(!large.holds("key"));
    large.note("key", &value(LARGE + 1));
    assert!(large.holds("key"));
    large.note("key", &value(5));
    assert!(!large.holds("key"));
    large.note("key", &value(LARGE + 1));
    large.note("key", &Value::Nil);
    assert!(!large.holds("key"));
}
