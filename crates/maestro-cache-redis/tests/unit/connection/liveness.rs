use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_sent_and_not_answered_is_owed_from_then_on() {
    let began = Instant::now();
    let (liveness, mut watch) = (Liveness::default(), Watch::new(began));
    assert_eq!(watch.look(&liveness, began), None);
    liveness.sent();
    assert_eq!(watch.look(&liveness, began + SECOND), Some(Duration::ZERO));
    assert_eq!(watch.look(&liveness, began + 3 * SECOND), Some(2 * SECOND));
    assert_eq!(liveness.timed_out(), 1);
    assert_eq!(liveness.timed_out(), 2);
    assert!(!liveness.is_suspected());
    liveness.suspect();
    assert!(liveness.is_suspected());

    liveness.answered(true);
    assert!(!liveness.is_suspected(), "the next silence is another one");
    assert_eq!(liveness.timeouts(), 0);
    assert_eq!(
        watch.look(&liveness, began + 4 * SECOND),
        Some(Duration::ZERO)
    );
    liveness.answered(false);
    assert_eq!(watch.look(&liveness, began + 5 * SECOND), None);
    assert_eq!(watch.idle_for(began + 6 * SECOND), SECOND);
}
