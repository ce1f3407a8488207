//! The table: found is what is equal, and the bounds hold.

use triomphe::ThinArc;

use crate::live::{
    marks::Marks,
    moment::Moment,
    table::{Entry, Kept, Room, Table, Weighs, weight},
};

struct Light;

impl Weighs for Light {
    fn weight(&self) -> usize {
        0
    }
}

const ROOMY: Room = Room { entries: 10_000, bytes: 1 << 30 };

fn entry(token: &str, deadline: u64) -> Entry<Light> {
    let marks = Marks::new(1);
    let user = crate::UserId::new("ada").unwrap();
    let (born, place) = (marks.born(), marks.place(&user));
    let deadline = Moment::from_nanos(deadline + 1);
    ThinArc::from_header_and_slice(Kept { value: Light, deadline, born, place }, token.as_bytes())
}

fn token(number: u64) -> String {
    format!("token {number}")
}

/// A hash that gathers many in few places, from one end of the array to the other.
fn bad_hash(number: u64) -> u64 {
    (number % 7).wrapping_mul(u64::MAX / 6)
}

fn good_hash(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[test]
fn what_is_kept_is_found_by_all_its_bytes() {
    for hash in [bad_hash, good_hash] {
        let mut table = Table::new();
        for number in 0..1000 {
            table.insert(hash(number), entry(&token(number), number), ROOMY);
            table.insert(hash(number), entry(&token(number), number), ROOMY);
        }
        assert_eq!(table.len(), 1000);
        for number in 0..1000 {
            assert!(table.get(hash(number), token(number).as_bytes(), Moment::START).is_some());
            assert!(
                table.get(hash(number), token(number + 1000).as_bytes(), Moment::START).is_none()
            );
        }
    }
}

#[test]
fn what_is_purged_is_gone_and_all_else_is_found() {
    for hash in [bad_hash, good_hash] {
        let mut table = Table::new();
        for number in 0..1000 {
            table.insert(hash(number), entry(&token(number), number), ROOMY);
        }
        let is_odd =
            |entry: &Entry<Light>| entry.header.header.deadline.as_nanos().is_multiple_of(2);
        let mut from = Some(0);
        while let Some(at) = from {
            from = table.purge(at, 10, is_odd);
        }
        for number in 0..1000 {
            let found = table.get(hash(number), token(number).as_bytes(), Moment::START).is_some();
            assert_eq!(found, number % 2 == 0, "{number}");
        }
        assert_eq!(table.len(), 500);
    }
}

#[test]
fn neither_bound_is_passed() {
    let each = weight(&entry(&token(1000), 0));
    for room in [
        Room { entries: 100, ..ROOMY },
        Room { entries: 1, ..ROOMY },
        Room { bytes: 100 * each, ..ROOMY },
        Room { bytes: each - 1, ..ROOMY },
        Room { entries: 0, ..ROOMY },
    ] {
        let mut table = Table::new();
        for number in 1000..3000 {
            table.insert(good_hash(number), entry(&token(number), number), room);
            assert!(table.len() <= room.entries && table.bytes() <= room.bytes, "{room:?}");
        }
        let all = (1000..3000)
            .filter(|n| table.get(good_hash(*n), token(*n).as_bytes(), Moment::START).is_some());
        assert_eq!(all.count(), table.len());
        assert!(table.len() * each <= table.bytes(), "{room:?}");
    }
}

/// Those whose time is up first are given up first, nearly.
#[test]
fn the_newest_stay() {
    let mut table = Table::new();
    let room = Room { entries: 100, ..ROOMY };
    for number in 0..1000 {
        table.insert(good_hash(number), entry(&token(number), number), room);
    }
    let kept = |number: &u64| {
        table.get(good_hash(*number), token(*number).as_bytes(), Moment::START).is_some()
    };
    assert!((800..1000).filter(kept).count() > 70, "{}", (800..1000).filter(kept).count());
}
