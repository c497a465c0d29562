use super::*;

#[test]
fn each_key_is_at_its_place() {
    let keys = ["a", "", "bc", "é", ""];
    assert_eq!(Keys::new(&keys).all(), keys);
    assert!(Keys::new(&[]).all().is_empty());
}
