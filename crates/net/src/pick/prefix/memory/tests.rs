use super::super::Clock;
use super::{Home, Memory, SLOTS};
use std::time::{Duration, Instant};

const ANY: fn(Home) -> bool = |_| true;

#[test]
fn the_longest_whole_request_is_found_before_a_longer_beginning() {
    let memory = Memory::new();
    let now = Clock::new().stamp(Instant::now());
    memory.keep(&[1, 2], 4, now);
    memory.keep(&[1, 2, 3, 9], 5, now);
    let home = memory.find(&[1, 2, 3, 7], ANY);
    assert_eq!(
        home,
        Some(Home {
            target: 5,
            is_end: true
        })
    );
    assert_eq!(memory.find(&[8], ANY), None);
}

#[test]
fn a_beginning_is_found_where_no_whole_request_is() {
    let memory = Memory::new();
    let now = Clock::new().stamp(Instant::now());
    memory.keep(&[1, 2], 4, now);
    let home = memory.find(&[1, 3], ANY);
    assert_eq!(
        home,
        Some(Home {
            target: 4,
            is_end: false
        })
    );
    assert_eq!(memory.find(&[1, 3], |home| home.target != 4), None);
}

#[test]
fn what_is_new_pushes_out_what_is_old() {
    let memory = Memory::new();
    let (clock, start) = (Clock::new(), Instant::now());
    let later = clock.stamp(start + Duration::from_mins(2));
    let count = SLOTS as u64;
    for block in 0..count {
        memory.keep(&[block], 0, clock.stamp(start));
    }
    for block in count..count * 2 {
        memory.keep(&[block], 1, later);
    }
    let known = |range: std::ops::Range<u64>| range.filter(|n| memory.find(&[*n], ANY).is_some());
    let old = known(0..count).count();
    let new = known(count..count * 2).count();
    assert!(new > SLOTS * 8 / 10, "{new}");
    assert!(old + new <= SLOTS, "{old} {new}");
}

#[test]
fn a_target_beyond_what_a_word_can_name_is_not_remembered() {
    let memory = Memory::new();
    let now = Clock::new().stamp(Instant::now());
    memory.keep(&[1], 32_766, now);
    memory.keep(&[2], 32_767, now);
    assert!(
        memory
            .find(&[1], ANY)
            .is_some_and(|home| home.target == 32_766)
    );
    assert_eq!(memory.find(&[2], ANY), None);
}
