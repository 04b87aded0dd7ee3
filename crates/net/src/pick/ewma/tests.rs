use std::time::{Duration, Instant};

use super::super::simulation::Simulation;
use super::{Ewma, Outcome, Tried};

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn streamed(first: u64, between: u64) -> Outcome {
    Outcome::Streamed {
        first: millis(first),
        between: Some(millis(between)),
        parts: 50,
    }
}

/// How many of `count` calls each target gets, one every 20 ms, when its answers go so.
fn shares(
    picker: &Ewma,
    simulation: &mut Simulation,
    count: usize,
    answers: &[Outcome],
) -> Vec<usize> {
    let mut shares = vec![0; answers.len()];
    for _ in 0..count {
        simulation.pass(millis(20), |target, _, now| {
            picker.settle(target, &answers[target], now);
            if answers[target] == Outcome::Unknown {
                picker.fail(target, now);
            }
        });
        let is_streamed = matches!(answers[0], Outcome::Streamed { .. });
        let target = picker.pick(is_streamed, &Tried::new(), simulation.now());
        let target = target.expect("a target");
        picker.begin(target);
        simulation.call(target, time(&answers[target]));
        shares[target] += 1;
    }
    shares
}

fn time(answer: &Outcome) -> Duration {
    match *answer {
        Outcome::Streamed {
            first,
            between,
            parts,
        } => first + between.unwrap_or_default() * parts,
        Outcome::Whole(time) | Outcome::Abandoned(time) => time,
        Outcome::Unknown => millis(1),
    }
}

/// Ends a call to each target in turn, so that their paces are known.
fn teach(picker: &Ewma, outcomes: &[Outcome], now: Instant) {
    for (target, outcome) in outcomes.iter().enumerate() {
        picker.begin(target);
        picker.settle(target, outcome, now);
    }
}

fn pick(picker: &Ewma, is_streamed: bool, now: Instant) -> usize {
    picker
        .pick(is_streamed, &Tried::new(), now)
        .expect("a target")
}

#[test]
fn a_slow_target_gets_less() {
    let picker = Ewma::with_lots([1, 1, 1], 7);
    let answers = [streamed(100, 2), streamed(1000, 20), streamed(100, 2)];
    let shares = shares(&picker, &mut Simulation::new(), 3000, &answers);
    assert!(shares[1] * 5 < shares[0], "{shares:?}");
    assert!(shares[1] * 5 < shares[2], "{shares:?}");
}

#[test]
fn a_target_that_became_quick_again_gets_its_share_again() {
    let picker = Ewma::with_lots([1, 1], 7);
    let mut simulation = Simulation::new();
    let slow = [streamed(100, 1), streamed(2000, 20)];
    let before = shares(&picker, &mut simulation, 3000, &slow);
    assert!(before[1] * 5 < before[0], "{before:?}");
    let equal = [streamed(100, 1), streamed(100, 1)];
    // What it was known for is forgotten meanwhile.
    _ = shares(&picker, &mut simulation, 15_000, &equal);
    let after = shares(&picker, &mut simulation, 3000, &equal);
    assert!(after[1] > 1200, "{after:?}");
}

#[test]
fn a_slow_speaker_loses_to_a_late_one_when_answers_are_long() {
    let picker = Ewma::with_lots([1, 1], 1);
    let now = Instant::now();
    teach(&picker, &[streamed(100, 40), streamed(1000, 10)], now);
    for _ in 0..20 {
        assert_eq!(pick(&picker, true, now), 1);
    }
}

#[test]
fn a_late_target_loses_when_answers_are_short() {
    let picker = Ewma::with_lots([1, 1], 1);
    let now = Instant::now();
    let short = |first, between| Outcome::Streamed {
        first: millis(first),
        between: Some(millis(between)),
        parts: 10,
    };
    teach(&picker, &[short(100, 40), short(1000, 10)], now);
    for _ in 0..20 {
        assert_eq!(pick(&picker, true, now), 0);
    }
}

#[test]
fn answers_in_one_piece_are_judged_by_their_own_times() {
    let picker = Ewma::with_lots([1, 1], 1);
    let now = Instant::now();
    teach(&picker, &[streamed(10, 1), streamed(900, 9)], now);
    let whole = [Outcome::Whole(millis(800)), Outcome::Whole(millis(200))];
    teach(&picker, &whole, now);
    for _ in 0..20 {
        assert_eq!(pick(&picker, true, now), 0);
        assert_eq!(pick(&picker, false, now), 1);
    }
}

#[test]
fn a_target_that_fails_at_once_does_not_pass_for_quick() {
    let picker = Ewma::with_lots([1, 1], 7);
    let answers = [Outcome::Whole(millis(400)), Outcome::Unknown];
    let shares = shares(&picker, &mut Simulation::new(), 1000, &answers);
    assert!(shares[1] < 50, "{shares:?}");
    assert!(shares[1] > 0, "it is asked again now and then: {shares:?}");
}

#[test]
fn who_waited_in_vain_tells_that_it_takes_longer() {
    let picker = Ewma::with_lots([1, 1], 1);
    let now = Instant::now();
    let known = [Outcome::Whole(millis(500)), Outcome::Whole(millis(400))];
    teach(&picker, &known, now);
    assert_eq!(pick(&picker, false, now), 1);
    // Who left early tells nothing.
    picker.settle(1, &Outcome::Abandoned(millis(300)), now);
    assert_eq!(pick(&picker, false, now), 1);
    picker.settle(1, &Outcome::Abandoned(millis(30_000)), now);
    assert_eq!(pick(&picker, false, now), 0);
}

#[test]
fn who_left_early_tells_nothing_of_an_unknown_target() {
    let picker = Ewma::with_lots([1, 1], 1);
    let now = Instant::now();
    let expected = || picker.expected(0, false, picker.clock.stamp(now));
    picker.settle(0, &Outcome::Abandoned(millis(20)), now);
    assert_eq!(expected(), None);
    picker.settle(0, &Outcome::Abandoned(millis(2000)), now);
    assert_eq!(expected(), Some(2.0));
}

#[test]
fn failures_count_for_a_minute_at_most() {
    let picker = Ewma::with_lots([1, 1], 1);
    let now = Instant::now();
    let expected = |picker: &Ewma| picker.expected(0, false, picker.clock.stamp(now));
    for seconds in [1.0, 2.0, 4.0] {
        picker.fail(0, now);
        assert_eq!(expected(&picker), Some(seconds));
    }
    for _ in 0..20 {
        picker.fail(0, now);
    }
    assert_eq!(expected(&picker), Some(60.0));
}

#[test]
fn a_new_time_counts_the_more_the_older_those_before_it_are() {
    let picker = Ewma::with_lots([1, 1], 1);
    let start = Instant::now();
    let after = |target, wait: u64| {
        let now = start + Duration::from_secs(wait);
        picker.settle(target, &Outcome::Whole(millis(1000)), start);
        picker.settle(target, &Outcome::Whole(millis(9000)), now);
        picker.expected(target, false, picker.clock.stamp(now))
    };
    assert_eq!(after(0, 0), Some(2.0));
    let half = after(1, 10).expect("it is known");
    assert!((half - 5.0).abs() < 0.01, "{half}");
}

#[test]
fn the_usual_number_of_parts_follows_slowly_and_is_inherited() {
    let picker = Ewma::with_lots([1, 1], 1);
    let now = Instant::now();
    let answer = |parts| Outcome::Streamed {
        first: millis(1),
        between: None,
        parts,
    };
    picker.settle(0, &answer(10), now);
    picker.settle(1, &answer(26), now);
    let heir = picker.heir([1, 1], &[None, None]);
    for picker in [&picker, &heir] {
        let parts = picker.parts.read(picker.clock.stamp(now));
        assert_eq!(parts.map(|parts| parts.value), Some(11.0));
    }
}

#[test]
fn equal_targets_share_by_what_is_in_flight_and_by_weight() {
    let picker = Ewma::with_lots([3, 1], 7);
    let now = Instant::now();
    for _ in 0..40 {
        picker.begin(pick(&picker, true, now));
    }
    assert!(picker.in_flight.of(0).abs_diff(30) <= 1);
}

#[test]
fn an_unknown_target_is_found_out() {
    let picker = Ewma::with_lots([1, 1], 7);
    let now = Instant::now();
    picker.settle(0, &streamed(10, 1), now);
    let times = (0..40).filter(|_| pick(&picker, true, now) == 1).count();
    assert!((10..30).contains(&times), "{times}");
}

#[test]
fn an_unknown_target_passes_for_as_quick_as_the_other() {
    let picker = Ewma::with_lots([1, 1], 7);
    let now = Instant::now();
    picker.settle(0, &streamed(10, 1), now);
    picker.begin(0);
    assert!((0..20).all(|_| pick(&picker, true, now) == 1));
    picker.begin(1);
    picker.begin(1);
    assert!((0..20).all(|_| pick(&picker, true, now) == 0));
}

#[test]
fn tried_targets_and_those_of_weight_zero_are_passed_over() {
    let picker = Ewma::with_lots([0, 1, 1], 7);
    let now = Instant::now();
    let pick = |tried: &[usize]| picker.pick(true, &tried.iter().copied().collect(), now);
    assert_ne!(pick(&[]), Some(0));
    assert_eq!(pick(&[1]), Some(2));
    assert_eq!(pick(&[1, 2]), None);
    assert_eq!(Ewma::new([]).pick(true, &Tried::new(), now), None);
    assert_eq!(
        Ewma::new([0, 0]).pick(true, &Tried::from_iter([0]), now),
        Some(1)
    );
}

#[test]
fn an_heir_knows_the_paces_of_the_targets_it_has_too() {
    let picker = Ewma::with_lots([1, 1, 1], 1);
    let now = Instant::now();
    let known = [streamed(10, 1), streamed(900, 9), streamed(100, 1)];
    teach(&picker, &known, now);
    let heir = picker.heir([1, 1], &[Some(1), Some(2)]);
    for _ in 0..20 {
        assert_eq!(pick(&heir, true, now), 1);
    }
}
