use std::num::NonZeroU64;

use super::*;

#[test]
fn the_longest_expiry_leaves_room_for_the_servers_clock() {
    let longest = Expiry::AfterMillis(NonZeroU64::new(Expiry::MAX_MILLIS).unwrap());
    let year_4000 = 64_060_588_800_000;
    assert!(millis(longest).unwrap().checked_add(year_4000).is_some());
    let second = Expiry::AfterMillis(NonZeroU64::new(1000).unwrap());
    assert_eq!(millis(second), Some(1000));
    assert_eq!(millis(Expiry::Never), None);
}
