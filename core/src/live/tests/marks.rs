//! Marks: what was read before an announcement is good no more.

use crate::{UserId, live::marks::Marks};

#[test]
fn what_was_read_before_an_announcement_does_not_stand() {
    let marks = Marks::new(64);
    let ada = UserId::new("ada").unwrap();
    let others: Vec<UserId> = (0..100).map(|n| UserId::new(n).unwrap()).collect();
    let other = others.iter().find(|user| marks.place(user) != marks.place(&ada)).unwrap();
    let before = marks.born();
    assert!(marks.stands(before, marks.place(&ada)));
    marks.announce(&ada);
    assert!(!marks.stands(before, marks.place(&ada)));
    assert!(marks.stands(before, marks.place(other)), "nobody spoke of that user");
    assert!(marks.stands(marks.born(), marks.place(&ada)), "what is read now stands");
    let between = marks.born();
    marks.announce_everybody();
    assert!(!marks.stands(between, marks.place(other)));
    assert!(marks.stands(marks.born(), marks.place(other)));
}
