use std::time::{Duration, Instant};

use super::{Clock, Fading, Stamp};

#[test]
fn half_is_left_after_the_half_life() {
    let clock = Clock::new();
    let start = Instant::now();
    let number = Fading::new();
    assert!(number.read(clock.stamp(start)).is_none());
    number.update(clock.stamp(start), |_| 8.0);
    let later = clock.stamp(start + Duration::from_secs(20));
    assert!((number.left(later, 10.0) - 2.0).abs() < 0.001);
}

#[test]
fn a_stamp_from_before_the_last_write_has_no_age() {
    let number = Fading::new();
    number.update(Stamp(50), |_| 3.0);
    assert!((number.left(Stamp(40), 10.0) - 3.0).abs() < f64::EPSILON);
}

#[test]
fn the_clock_may_run_over() {
    let number = Fading::new();
    number.update(Stamp(u32::MAX - 999), |_| 4.0);
    assert!((number.left(Stamp(9_000), 10.0) - 2.0).abs() < 0.001);
}

#[test]
fn updates_from_several_threads_all_count() {
    let number = Fading::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    number.update(Stamp(1), |before| {
                        before.map_or(0.0, |reading| reading.value) + 1.0
                    });
                }
            });
        }
    });
    assert!((number.left(Stamp(1), 1.0) - 2000.0).abs() < f64::EPSILON);
}
