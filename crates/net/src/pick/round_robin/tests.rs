use std::collections::HashMap;

use super::{RoundRobin, Tried};

fn picks(picker: &RoundRobin, count: usize) -> Vec<usize> {
    (0..count)
        .map(|_| picker.pick(&Tried::new()).unwrap())
        .collect()
}

fn tally(picks: &[usize]) -> HashMap<usize, usize> {
    picks.iter().fold(HashMap::new(), |mut tally, index| {
        *tally.entry(*index).or_default() += 1;
        tally
    })
}

#[test]
fn turns_are_those_of_nginx() {
    for (weights, round) in [
        (&[5, 1, 1][..], &[0, 0, 1, 0, 2, 0, 0][..]),
        (&[4, 2, 1], &[0, 1, 0, 2, 0, 1, 0]),
        (&[3, 2, 1], &[0, 1, 0, 2, 1, 0]),
        (&[4, 1], &[0, 0, 1, 0, 0]),
        (&[1, 1, 1], &[0, 1, 2]),
    ] {
        let picker = RoundRobin::from_first(weights.iter().copied());
        for _ in 0..3 {
            assert_eq!(picks(&picker, round.len()), round, "{weights:?}");
        }
    }
}

#[test]
fn common_divisor_shortens_the_round() {
    let picker = RoundRobin::from_first([500, 100, 100]);
    assert_eq!(picks(&picker, 7), [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(picker.round.len(), 7);
}

#[test]
fn a_random_start_is_a_place_of_the_round() {
    let round = [0, 0, 1, 0, 2, 0, 0];
    let mut starts = HashMap::new();
    for _ in 0..300 {
        let picked = picks(&RoundRobin::new([5, 1, 1]), 7);
        let start = (0..7).find(|start| (0..7).all(|at| picked[at] == round[(start + at) % 7]));
        *starts.entry(start.expect("a turned round")).or_insert(0) += 1;
    }
    assert!(starts.len() > 4, "{starts:?}");
}

#[test]
fn every_window_of_one_round_is_exact() {
    let picker = RoundRobin::new([8, 2, 5]);
    let picks = picks(&picker, 150);
    for window in picks.windows(15) {
        assert_eq!(tally(window), HashMap::from([(0, 8), (1, 2), (2, 5)]));
    }
}

#[test]
fn equal_weights_take_turns_from_a_random_start() {
    let starts: Vec<usize> = (0..200)
        .map(|_| picks(&RoundRobin::new([1, 1, 1]), 1)[0])
        .collect();
    assert_eq!(tally(&starts).len(), 3);
    let picker = RoundRobin::new([1, 1, 1]);
    let first = picks(&picker, 1)[0];
    assert_eq!(picks(&picker, 3), [(first + 1) % 3, (first + 2) % 3, first]);
}

#[test]
fn single_target_is_picked_whatever_its_weight() {
    assert_eq!(picks(&RoundRobin::new([0]), 3), [0, 0, 0]);
    assert_eq!(picks(&RoundRobin::new([7]), 3), [0, 0, 0]);
    assert_eq!(RoundRobin::new([0]).pick(&Tried::from_iter([0])), None);
}

#[test]
fn nothing_to_pick_from_gives_nothing() {
    let picker = RoundRobin::new([]);
    assert!(picker.is_empty());
    assert_eq!(picker.pick(&Tried::new()), None);
    assert_eq!(picker.pick(&Tried::from_iter([3])), None);
}

#[test]
fn zero_weight_is_never_picked_beside_others() {
    let picker = RoundRobin::new([0, 1, 0, 3]);
    assert_eq!(
        tally(&picks(&picker, 40)),
        HashMap::from([(1, 10), (3, 30)])
    );
}

#[test]
fn zero_weight_is_not_a_last_resort_and_nothing_tried_comes_twice() {
    let picker = RoundRobin::new([0, 1, 3]);
    let first = picker.pick(&Tried::new()).unwrap();
    let second = picker.pick(&Tried::from_iter([first])).unwrap();
    assert_eq!(tally(&[first, second]), HashMap::from([(1, 1), (2, 1)]));
    assert_eq!(picker.pick(&Tried::from_iter([1, 2])), None);
}

#[test]
fn all_zero_means_all_equal() {
    let picker = RoundRobin::new([0, 0, 0]);
    assert_eq!(
        tally(&picks(&picker, 30)),
        HashMap::from([(0, 10), (1, 10), (2, 10)])
    );
    assert_eq!(picker.pick(&Tried::from_iter([0, 2])), Some(1));
}

#[test]
fn light_target_is_reached_at_once_when_the_heavy_one_is_tried() {
    let picker = RoundRobin::from_first([1_000_000, 1]);
    assert_eq!(picker.pick(&Tried::from_iter([0])), Some(1));
    assert_eq!(picker.pick(&Tried::new()), Some(0));
}

#[test]
fn those_that_are_left_share_by_weight_from_the_first_pick_on() {
    let without = Tried::from_iter([0]);
    for start in 0..6 {
        let picker = RoundRobin::from_first([3, 2, 1]);
        picks(&picker, start);
        let left: Vec<_> = (0..90).map(|_| picker.pick(&without).unwrap()).collect();
        for window in left.windows(3) {
            assert_eq!(tally(window), HashMap::from([(1, 2), (2, 1)]), "{left:?}");
        }
        for window in picks(&picker, 60).windows(6) {
            assert_eq!(tally(window), HashMap::from([(0, 3), (1, 2), (2, 1)]));
        }
    }
}

#[test]
fn the_turns_of_a_target_that_is_passed_over_fall_to_all_others() {
    // `a a b a c a a`: on the round of all, whoever comes after `a` would have two thirds or more.
    let without = Tried::from_iter([0]);
    let picker = RoundRobin::new([5, 1, 1]);
    let left: Vec<_> = (0..100).map(|_| picker.pick(&without).unwrap()).collect();
    assert_eq!(tally(&left), HashMap::from([(1, 50), (2, 50)]));
    // The same, of more targets than have places of their own.
    let without = Tried::from_iter([0, 70]);
    let picker = RoundRobin::new((0..71).map(|index| if index % 70 == 0 { 40 } else { 1 }));
    let left: Vec<_> = (0..690).map(|_| picker.pick(&without).unwrap()).collect();
    assert_eq!(tally(&left), (1..70).map(|index| (index, 10)).collect());
}

#[test]
fn those_that_fail_beside_one_that_is_passed_over_get_no_more_for_it() {
    // The last one is not healthy, and the first one fails every time. Retries that went on where
    // first picks stop would give it each first pick.
    let picker = RoundRobin::from_first([4, 1, 1, 3]);
    let mut first = Vec::new();
    for _ in 0..600 {
        let pick = picker.pick(&Tried::from_iter([3])).unwrap();
        first.push(pick);
        if pick == 0 {
            picker.pick(&Tried::from_iter([0, 3])).unwrap();
        }
    }
    assert_eq!(tally(&first), HashMap::from([(0, 400), (1, 100), (2, 100)]));
}

#[test]
fn enormous_weights_keep_their_ratio_in_bounded_memory() {
    let picker = RoundRobin::new([u32::MAX, 1_431_655_765, 7, 0]);
    assert!(picker.round.len() <= 4096 + 4, "{}", picker.round.len());
    let shares = tally(&picks(&picker, picker.round.len()));
    assert_eq!(shares, HashMap::from([(0, 3071), (1, 1023), (2, 1)]));
    // Ten whose weights have no common divisor.
    let coprime = (0..10).map(|step| 1_000_003 + step * 10_007);
    let picker = RoundRobin::new(coprime);
    assert!(picker.round.len() <= 4096 + 10, "{}", picker.round.len());
}

#[test]
fn a_retry_counts_as_a_turn_and_costs_the_others_nothing() {
    // Each pick of the heavy one fails, and is followed by one of who is left.
    let picker = RoundRobin::from_first([4, 1, 1]);
    let mut first = Vec::new();
    for _ in 0..600 {
        let pick = picker.pick(&Tried::new()).unwrap();
        first.push(pick);
        if pick == 0 {
            picker.pick(&Tried::from_iter([0])).unwrap();
        }
    }
    assert_eq!(tally(&first)[&0], 400);
}

#[test]
fn picks_from_several_threads_share_one_round() {
    let picker = RoundRobin::new([5, 3, 2]);
    let all: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| picks(&picker, 250)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(tally(&all), HashMap::from([(0, 500), (1, 300), (2, 200)]));
}

#[test]
fn picks_from_several_threads_that_pass_over_some_share_one_round_too() {
    let picker = RoundRobin::new([5, 3, 2]);
    let without = Tried::from_iter([0]);
    let all: Vec<usize> = std::thread::scope(|scope| {
        let picks = || {
            let left = (0..250).map(|_| picker.pick(&without).unwrap());
            left.collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(picks)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(tally(&all), HashMap::from([(1, 600), (2, 400)]));
}

#[test]
fn tried_holds_any_number_of_targets() {
    let mut tried = Tried::new();
    assert!(tried.is_empty());
    for index in [0, 63, 64, 500] {
        tried.add(index);
        tried.add(index);
        assert!(tried.contains(index));
    }
    assert_eq!(tried.len(), 4);
    assert!(!tried.contains(1) && !tried.contains(501) && !tried.contains(10_000));
}

#[test]
fn sets_of_many_targets_have_places_of_their_own_too() {
    // As above, of more targets than have a place for each set.
    let picker = RoundRobin::from_first([8, 1, 1, 1, 1, 1, 1, 1, 1, 5]);
    let mut first = Vec::new();
    for _ in 0..1600 {
        let pick = picker.pick(&Tried::from_iter([9])).unwrap();
        first.push(pick);
        if pick == 0 {
            picker.pick(&Tried::from_iter([0, 9])).unwrap();
        }
    }
    assert_eq!(tally(&first)[&0], 800);
}

#[test]
fn whoever_is_left_may_be_the_first() {
    let first = |_| RoundRobin::new([1, 1, 1]).pick(&Tried::from_iter([0]));
    let firsts: Vec<_> = (0..100).filter_map(first).collect();
    assert_eq!(tally(&firsts).len(), 2);
}
