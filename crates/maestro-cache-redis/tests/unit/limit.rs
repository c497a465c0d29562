use super::*;

#[test]
fn warnings_follow_each_other_by_a_second_and_count_those_in_between() {
    let began = Instant::now();
    let mut limit = Limit::default();
    let at = |millis| began + Duration::from_millis(millis);
    let warned = [0, 1, 999, 1000, 1001, 5000].map(|millis| limit.may_warn(at(millis)));
    assert_eq!(warned, [Some(0), None, None, Some(2), None, Some(1)]);
}
