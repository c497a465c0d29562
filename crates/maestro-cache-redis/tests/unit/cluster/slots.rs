use super::*;

#[test]
fn slots_are_those_of_the_specification() {
    // The check value of the specification, and what `CLUSTER KEYSLOT` says of the others.
    assert_eq!(
        crc16::State::<crc16::XMODEM>::calculate(b"123456789"),
        0x31c3
    );
    for (key, expected) in [
        ("foo", 12_182),
        ("{user1000}.following", 3443),
        ("{user1000}.followers", 3443),
        ("", 0),
    ] {
        assert_eq!(slot(key.as_bytes()), Slot(expected), "{key}");
    }
}

#[test]
fn only_the_first_braces_count_and_only_if_something_is_in_them() {
    for (key, expected) in [
        ("plain", "plain"),
        ("{tag}rest", "tag"),
        ("a{tag}b{other}", "tag"),
        ("foo{}{bar}", "foo{}{bar}"),
        ("foo{{bar}}zap", "{bar"),
        ("foo{bar", "foo{bar"),
        ("foo}bar{", "foo}bar{"),
    ] {
        assert_eq!(tag(key.as_bytes()), expected.as_bytes(), "{key}");
    }
}
