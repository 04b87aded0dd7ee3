use std::time::Duration;

use super::super::simulation::Simulation;
use super::{LeastBusy, Outcome, Tried};

/// How many of `count` calls each target gets, one every 10 ms.
fn shares(picker: &LeastBusy, count: usize, times: &[u64]) -> Vec<usize> {
    let mut simulation = Simulation::new();
    let mut shares = vec![0; times.len()];
    for _ in 0..count {
        simulation.pass(Duration::from_millis(10), |target, _, _| {
            picker.settle(target, &Outcome::Unknown);
        });
        let target = picker.pick(&Tried::new()).expect("a target");
        picker.begin(target);
        simulation.call(target, Duration::from_millis(times[target]));
        shares[target] += 1;
    }
    shares
}

#[test]
fn a_slow_target_gets_less() {
    let picker = LeastBusy::new([1, 1, 1]);
    let shares = shares(&picker, 3000, &[100, 1000, 100]);
    // A tenth of the speed is a tenth of what another gets, give or take the steps of a queue.
    assert!(shares[1] * 5 < shares[0], "{shares:?}");
    assert!(shares[1] > 100, "{shares:?}");
    assert!(shares[0].abs_diff(shares[2]) < 150, "{shares:?}");
}

#[test]
fn idle_targets_take_turns_by_weight() {
    let picker = LeastBusy::new([3, 1]);
    assert_eq!(shares(&picker, 400, &[1, 1]), [300, 100]);
}

#[test]
fn a_heavy_target_may_be_busier() {
    let picker = LeastBusy::new([3, 1]);
    for _ in 0..40 {
        picker.begin(picker.pick(&Tried::new()).expect("a target"));
    }
    assert_eq!(picker.in_flight.of(0), 30);
    assert_eq!(picker.in_flight.of(1), 10);
}

#[test]
fn calls_count_for_the_weight_of_their_target() {
    let picker = LeastBusy::new([3, 1]);
    picker.begin(0);
    picker.begin(0);
    picker.begin(1);
    // Two thirds of a call against a whole one, though the latter has fewer.
    for _ in 0..5 {
        assert_eq!(picker.pick(&Tried::new()), Some(0));
    }
    picker.begin(0);
    picker.begin(0);
    for _ in 0..5 {
        assert_eq!(picker.pick(&Tried::new()), Some(1));
    }
}

#[test]
fn tried_targets_and_those_of_weight_zero_are_passed_over() {
    let picker = LeastBusy::new([0, 1, 1]);
    picker.begin(2);
    assert_eq!(picker.pick(&Tried::new()), Some(1));
    assert_eq!(picker.pick(&Tried::from_iter([1])), Some(2));
    assert_eq!(picker.pick(&Tried::from_iter([1, 2])), None);
    assert_eq!(LeastBusy::new([]).pick(&Tried::new()), None);
    assert!(LeastBusy::new([0, 0]).pick(&Tried::from_iter([0])) == Some(1));
}

#[test]
fn a_call_that_never_began_cannot_end() {
    let picker = LeastBusy::new([1, 1]);
    picker.settle(0, &Outcome::Unknown);
    picker.settle(7, &Outcome::Unknown);
    assert_eq!(picker.in_flight.of(0), 0);
}

#[test]
fn an_heir_knows_what_is_in_flight_of_the_targets_it_has_too() {
    let picker = LeastBusy::new([1, 1]);
    picker.begin(1);
    // The first one is gone, and there is a new one.
    let heir = picker.heir([1, 1], &[Some(1), None]);
    assert_eq!(heir.pick(&Tried::new()), Some(1));
    picker.settle(1, &Outcome::Unknown);
    heir.begin(1);
    assert_eq!(heir.pick(&Tried::new()), Some(0));
}
