use super::super::Clock;
use super::{Home, MOST_SLOTS, Memory};
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
    let count = MOST_SLOTS as u64;
    for block in 0..count {
        memory.keep(&[block], 0, clock.stamp(start));
    }
    for block in count..count * 2 {
        memory.keep(&[block], 1, later);
    }
    let known = |range: std::ops::Range<u64>| range.filter(|n| memory.find(&[*n], ANY).is_some());
    let old = known(0..count).count();
    let new = known(count..count * 2).count();
    assert!(new > MOST_SLOTS * 8 / 10, "{new}");
    assert!(old + new <= MOST_SLOTS, "{old} {new}");
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

/// How many of these blocks are known.
fn known(memory: &Memory, blocks: impl Iterator<Item = u64>) -> usize {
    blocks
        .filter(|block| memory.find(&[*block], ANY).is_some())
        .count()
}

#[test]
fn little_is_kept_in_little_room() {
    let memory = Memory::new();
    let now = Clock::new().stamp(Instant::now());
    for block in 0..100 {
        memory.keep(&[block], 1, now);
    }
    assert_eq!(memory.slots(), 512);
    assert_eq!(known(&memory, 0..100), 100);
}

#[test]
fn more_room_is_made_as_needed_and_nothing_is_forgotten_for_it() {
    let memory = Memory::new();
    let now = Clock::new().stamp(Instant::now());
    let mut before = memory.slots();
    for block in 0..20_000 {
        memory.keep(&[block, block + 1_000_000], 1, now);
        let slots = memory.slots();
        if slots != before && slots != MOST_SLOTS {
            let so_far = (0..=block).chain(1_000_000..=1_000_000 + block);
            assert_eq!(
                known(&memory, so_far),
                2 * (usize::try_from(block).expect("few") + 1)
            );
        }
        before = slots;
    }
    assert_eq!(memory.slots(), MOST_SLOTS);
    let home = memory.find(&[7], ANY).expect("a home");
    let end = memory.find(&[7 + 1_000_000], ANY).expect("a home");
    assert_eq!((home.is_end, end.is_end), (false, true));
}

#[test]
fn what_is_an_hour_old_is_worth_no_more_room() {
    let memory = Memory::new();
    let (clock, start) = (Clock::new(), Instant::now());
    for hours in 0..7 {
        let now = clock.stamp(start + Duration::from_hours(2 * hours));
        for block in 0..100 {
            memory.keep(&[hours * 1000 + block], 1, now);
        }
    }
    assert_eq!(memory.slots(), 512);
    assert_eq!(known(&memory, 12_000..12_100), 0);
    assert_eq!(known(&memory, 6000..6100), 100);
}

#[test]
fn room_is_made_once_when_many_need_it() {
    let memory = Memory::new();
    let now = Clock::new().stamp(Instant::now());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                for block in 0..250 {
                    memory.keep(&[thread * 10_000 + block], 1, now);
                }
            });
        }
    });
    assert_eq!(memory.slots(), 4096);
}
