use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_refused_write_is_looked_into_at_once_and_then_ever_less_often() {
    let mut now = Instant::now();
    let mut writability = Writability::new();
    assert_eq!(writability.next_check(now), None);
    assert!(writability.refused(now, 1) && !writability.refused(now, 1));
    assert_eq!(writability.next_check(now), Some(now));
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        writability.checked(now, None);
        let next = writability.next_check(now).unwrap();
        assert_eq!(next - now, pause * SECOND);
        now = next;
    }
    writability.checked(now, Some(9));
    assert!(
        !writability.refused(now, 8),
        "over a connection to the old one"
    );
    assert!(!writability.is_refused);
    assert_eq!(writability.next_check(now), None);
    // A server that says it is a master and refuses is not asked without a pause either.
    assert!(writability.refused(now, 9));
    assert_eq!(writability.next_check(now), Some(now + LONGEST_PAUSE));
    let later = now + LONGEST_PAUSE + SECOND;
    assert!(!writability.refused(later, 9));
    assert_eq!(writability.next_check(later), Some(now + SECOND));
}
