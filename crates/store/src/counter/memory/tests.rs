use std::collections::HashMap;
use std::sync::Barrier;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{LONGEST_KEY, MOST, MemoryCounters, SHARDS};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_window_begins_with_the_first_look_and_ends_after_its_length() {
    let counters = MemoryCounters::default();
    let start = Instant::now();
    let first = counters.charge("a", 0, MINUTE, start);
    assert_eq!((first.used, first.left), (0, MINUTE));

    let later = start + Duration::from_secs(59);
    let charged = counters.charge("a", 5, MINUTE, later);
    assert_eq!((charged.used, charged.left), (5, Duration::from_secs(1)));

    let over = counters.charge("a", 0, MINUTE, start + MINUTE);
    assert_eq!((over.used, over.left), (0, MINUTE));
}

#[test]
fn keys_do_not_share_a_counter() {
    let counters = MemoryCounters::default();
    let now = Instant::now();
    counters.charge("a", 5, MINUTE, now);
    assert_eq!(counters.charge("b", 0, MINUTE, now).used, 0);
}

#[test]
fn long_keys_count_apart_and_take_no_more_room_than_short_ones() {
    let counters = MemoryCounters::default();
    let now = Instant::now();
    let long = "k".repeat(60_000);
    for end in ["a", "b"] {
        let key = format!("{long}{end}");
        assert_eq!(counters.charge(&key, 5, MINUTE, now).used, 5);
        assert_eq!(counters.charge(&key, 5, MINUTE, now).used, 10);
    }
    assert_eq!(counters.len(), 2);
    for shard in &counters.shards {
        let shard = shard.read().unwrap();
        assert!(shard.order.iter().all(|key| key.len() <= LONGEST_KEY));
    }
}

#[test]
fn a_counter_that_is_full_stays_full() {
    let counters = MemoryCounters::default();
    let now = Instant::now();
    counters.charge("a", u64::MAX, MINUTE, now);
    assert_eq!(counters.charge("a", 10, MINUTE, now).used, u64::MAX);
}

#[test]
fn a_window_without_end_is_no_panic() {
    let counters = MemoryCounters::default();
    let now = Instant::now();
    let endless = Duration::from_secs((1 << 53) - 1);
    assert_eq!(counters.charge("a", 1, endless, now).used, 1);
    assert_eq!(counters.charge("a", 1, endless, now).used, 2);
}

#[test]
fn charges_of_many_threads_all_count() {
    const THREADS: u64 = 8;
    let counters = MemoryCounters::default();
    let now = Instant::now();
    let together = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                together.wait();
                for _ in 0..1000 {
                    counters.charge("a", 1, MINUTE, now);
                }
            });
        }
    });
    assert_eq!(counters.charge("a", 0, MINUTE, now).used, THREADS * 1000);
}

#[test]
fn what_is_over_makes_room_for_what_comes() {
    let counters = MemoryCounters::default();
    let mut now = Instant::now();
    for round in 0..20 {
        for key in 0..1000 {
            counters.charge(&format!("{round}-{key}"), 1, MINUTE, now);
        }
        now += MINUTE;
    }
    // Those of the last round, and at most as many that nobody has looked at yet.
    assert!(counters.len() <= 2 * 1000 + SHARDS, "{}", counters.len());
}

#[test]
fn there_are_never_more_than_there_may_be() {
    let counters = MemoryCounters::with_room_for(SHARDS * 4);
    let now = Instant::now();
    for key in 0..10_000 {
        counters.charge(&key.to_string(), 1, MINUTE, now);
    }
    assert!(counters.len() <= SHARDS * 4, "{}", counters.len());
    let lately = counters.charge("9999", 0, MINUTE, now);
    assert_eq!(lately.used, 1, "the last one is still there");
    const { assert!(MOST >= SHARDS) };
}

#[test]
fn counters_of_which_nothing_is_used_push_out_none_that_is_used_up() {
    let counters = MemoryCounters::with_room_for(SHARDS * 16);
    let now = Instant::now();
    for key in 0..SHARDS {
        counters.charge(&format!("used up {key}"), 100, MINUTE, now);
    }
    for key in 0..20_000 {
        counters.charge(&format!("looked at {key}"), 0, MINUTE, now);
    }
    assert!(counters.len() <= SHARDS * 16, "{}", counters.len());
    for key in 0..SHARDS {
        let tally = counters.charge(&format!("used up {key}"), 0, MINUTE, now);
        assert_eq!(tally.used, 100, "{key}");
    }
}

proptest! {
    /// Against a plain list of what was charged: whoever asks for leave while nothing is left of
    /// `limit` does not get it, and whoever asks while something is left does.
    #[test]
    fn nobody_is_let_in_when_nothing_is_left(
        limit in 1_u64..50,
        steps in prop::collection::vec((0_usize..3, 0_u64..20, 0_u64..40), 1..60),
    ) {
        let counters = MemoryCounters::default();
        let mut now = Instant::now();
        let mut charged: HashMap<usize, (Instant, u64)> = HashMap::new();
        for (key, cost, seconds) in steps {
            now += Duration::from_secs(seconds);
            let name = key.to_string();
            let known = charged.entry(key).or_insert((now, 0));
            if now >= known.0 + MINUTE {
                *known = (now, 0);
            }
            let tally = counters.charge(&name, 0, MINUTE, now);
            prop_assert_eq!(tally.used, known.1);
            prop_assert_eq!(tally.left, known.0 + MINUTE - now);
            prop_assert_eq!(tally.used < limit, known.1 < limit);
            if tally.used < limit {
                counters.charge(&name, cost, MINUTE, now);
                known.1 += cost;
            }
        }
    }
}
