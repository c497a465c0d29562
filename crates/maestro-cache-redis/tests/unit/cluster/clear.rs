use super::says_that_a_slot_moves;

#[test]
fn slots_on_their_way_stand_in_brackets() {
    let begin = "07c3 127.0.0.1:30004@31004 myself,master - 0 1426238317239 4 connected 0-5460";
    assert!(!says_that_a_slot_moves(begin));
    assert!(says_that_a_slot_moves(&format!("{begin} [93-<-292f]")));
    assert!(says_that_a_slot_moves(&format!("{begin} [77->-e7d1]")));
    let other = begin.replace("myself,", "");
    assert!(!says_that_a_slot_moves(&format!("{other} [77->-e7d1]")));
}
