use std::time::{Duration, Instant};

use super::super::mixed;
use super::super::simulation::Simulation;
use super::{Outcome, Prefix, Tried};

/// Where a request with these blocks goes, and is over at once.
fn ask(picker: &Prefix, blocks: &[u64], tried: &[usize], now: Instant) -> usize {
    let tried = tried.iter().copied().collect();
    let target = picker.pick(blocks, &tried, now).expect("a target");
    picker.begin(target, blocks, now);
    picker.settle(target, &Outcome::Unknown);
    target
}

/// Has a target get so many requests without blocks, which are over at once.
fn load(picker: &Prefix, target: usize, count: usize, now: Instant) {
    for _ in 0..count {
        picker.begin(target, &[], now);
        picker.settle(target, &Outcome::Unknown);
    }
}

/// One conversation of a simulation.
struct Conversation {
    blocks: Vec<u64>,
    turns: usize,
    /// Which target got each turn.
    went: Vec<usize>,
}

/// Numbers that look random and are the same in every run.
struct Lots(u64);

impl Lots {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        usize::try_from(mixed(self.0) % end as u64).expect("a small number")
    }
}

impl Conversation {
    /// The whole of its next request: the question, and before it the last answer.
    fn ask(&mut self, lots: &mut Lots) -> &[u64] {
        let steps = if self.went.is_empty() { 1 } else { 2 };
        for _ in 0..steps {
            let before = self.blocks.last().copied().unwrap_or(0);
            self.blocks
                .push(mixed(before ^ lots.below(usize::MAX) as u64));
        }
        &self.blocks
    }

    /// How many of its turns went where most of them went.
    fn kept(&self) -> usize {
        let of = |target| self.went.iter().filter(|went| **went == target).count();
        self.went
            .iter()
            .map(|target| of(*target))
            .max()
            .unwrap_or(0)
    }
}

struct Outlook {
    kept: usize,
    turns: usize,
    load: Vec<usize>,
}

/// Plays interleaved conversations to their ends; a call comes every 20 ms and takes 0.1 to 2 s.
fn play(picker: &Prefix, targets: usize, mut open: Vec<Conversation>, seed: u64) -> Outlook {
    let mut lots = Lots(seed);
    let mut simulation = Simulation::new();
    let mut closed = Vec::new();
    while !open.is_empty() {
        simulation.pass(Duration::from_millis(20), |target, took, _| {
            picker.settle(target, &Outcome::Whole(took));
        });
        let chosen = lots.below(open.len());
        let conversation = &mut open[chosen];
        let blocks = conversation.ask(&mut lots);
        let target = picker.pick(blocks, &Tried::new(), simulation.now());
        let target = target.expect("a target");
        picker.begin(target, blocks, simulation.now());
        simulation.call(target, Duration::from_millis(100 + lots.below(1900) as u64));
        conversation.went.push(target);
        if conversation.went.len() == conversation.turns {
            closed.push(open.swap_remove(chosen));
        }
    }
    let load = (0..targets).map(|target| {
        let went = closed.iter().flat_map(|conversation| &conversation.went);
        went.filter(|went| **went == target).count()
    });
    Outlook {
        kept: closed.iter().map(Conversation::kept).sum(),
        turns: closed
            .iter()
            .map(|conversation| conversation.went.len())
            .sum(),
        load: load.collect(),
    }
}

/// 200 conversations of 5 to 30 turns that begin with these blocks.
fn two_hundred(opening: &[u64], seed: u64) -> Vec<Conversation> {
    let mut lots = Lots(seed);
    let one = |_| Conversation {
        blocks: opening.to_vec(),
        turns: 5 + lots.below(26),
        went: Vec::new(),
    };
    (0..200).map(one).collect()
}

fn equal(targets: usize) -> Prefix {
    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    Prefix::new(NAMES.into_iter().take(targets).map(|name| (name, 1)))
}

fn assert_kept_and_even(outlook: &Outlook) {
    let Outlook { kept, turns, load } = outlook;
    assert!(kept * 10 >= turns * 9, "{kept} of {turns} turns were kept");
    let most = load.iter().max().copied().unwrap_or(0);
    // most <= 1.25 * turns / targets
    assert!(most * load.len() * 4 <= turns * 5, "{load:?}");
}

#[test]
fn two_hundred_conversations_stay_where_they_are_and_the_load_stays_even() {
    for seed in 0..8 {
        for targets in [2, 3, 4, 6] {
            let outlook = play(&equal(targets), targets, two_hundred(&[], seed), seed + 100);
            assert_kept_and_even(&outlook);
        }
    }
}

#[test]
fn conversations_that_share_a_long_opening_do_so_too() {
    for seed in 0..8 {
        for targets in [2, 3, 4, 6] {
            let opening = [11, 12, 13, 14, 15];
            let open = two_hundred(&opening, seed);
            let outlook = play(&equal(targets), targets, open, seed + 100);
            assert_kept_and_even(&outlook);
        }
    }
}

#[test]
fn one_opening_of_all_does_not_lead_all_to_one_target() {
    let picker = equal(4);
    let now = Instant::now();
    let mut load = [0; 4];
    for number in 0..4000 {
        load[ask(&picker, &[1, 2, mixed(number)], &[], now)] += 1;
    }
    assert!(load.iter().all(|count| *count <= 1250), "{load:?}");
}

#[test]
fn few_requests_with_one_opening_share_a_target() {
    let picker = equal(4);
    let mut now = Instant::now();
    for first in 0..20 {
        now += Duration::from_mins(10);
        let home = ask(&picker, &[mixed(first), 2, 3], &[], now);
        assert_eq!(ask(&picker, &[mixed(first), 2, 4], &[], now), home);
    }
}

#[test]
fn a_conversation_alone_stays_at_its_target() {
    let picker = equal(4);
    let mut now = Instant::now();
    let mut blocks = vec![1];
    let first = ask(&picker, &blocks, &[], now);
    for turn in 2..60 {
        now += Duration::from_secs(10);
        blocks.extend([turn * 2, turn * 2 + 1]);
        assert_eq!(ask(&picker, &blocks, &[], now), first, "{turn}");
    }
}

#[test]
fn shares_follow_weights() {
    let picker = Prefix::new([("a", 3), ("b", 1)]);
    let outlook = play(&picker, 2, two_hundred(&[], 3), 4);
    let (part, turns) = (outlook.load[1], outlook.turns);
    assert!(
        part * 16 <= turns * 5 && part * 6 >= turns,
        "{part} of {turns}"
    );
    assert!(outlook.kept * 10 >= turns * 9);
}

#[test]
fn a_conversation_leaves_a_target_that_failed_and_stays_at_the_next() {
    let picker = equal(3);
    let now = Instant::now();
    let home = ask(&picker, &[1], &[], now);
    let other = ask(&picker, &[1, 2, 3], &[home], now);
    assert_ne!(other, home);
    assert_eq!(ask(&picker, &[1, 2, 3, 4, 5], &[], now), other);
}

#[test]
fn looking_changes_nothing() {
    let picker = equal(3);
    let now = Instant::now();
    let home = ask(&picker, &[1], &[], now);
    for _ in 0..100 {
        let other = picker.pick(&[1, 2, 3], &Tried::from_iter([home]), now);
        assert_ne!(other, Some(home));
    }
    assert_eq!(ask(&picker, &[1, 2, 3], &[], now), home);
}

#[test]
fn every_process_places_a_new_conversation_alike() {
    let now = Instant::now();
    let mut places = [0; 4];
    for number in 0..100 {
        let pick = |picker: &Prefix| picker.pick(&[mixed(number)], &Tried::new(), now);
        let place = pick(&equal(4)).expect("a target");
        assert_eq!(pick(&equal(4)), Some(place));
        places[place] += 1;
    }
    assert!(places.iter().all(|count| *count > 10), "{places:?}");
}

#[test]
fn only_the_share_of_a_new_target_moves() {
    let now = Instant::now();
    let pick = |targets, number| equal(targets).pick(&[mixed(number)], &Tried::new(), now);
    let mut moved = 0;
    for number in 0..300 {
        let (before, after) = (pick(3, number), pick(4, number));
        if before != after {
            assert_eq!(after, Some(3));
            moved += 1;
        }
    }
    assert!((50..100).contains(&moved), "{moved}");
}

#[test]
fn a_target_that_does_not_answer_gets_no_more() {
    let picker = equal(2);
    let now = Instant::now();
    let home = ask(&picker, &[1], &[], now);
    for _ in 0..40 {
        picker.in_flight.begin(home);
    }
    assert_eq!(ask(&picker, &[1, 2, 3], &[], now), 1 - home);
}

#[test]
fn requests_without_blocks_go_to_who_has_least() {
    let picker = equal(3);
    let now = Instant::now();
    let mut load = [0; 3];
    for _ in 0..30 {
        load[ask(&picker, &[], &[], now)] += 1;
    }
    assert_eq!(load, [10, 10, 10]);
}

#[test]
fn tried_targets_and_those_of_weight_zero_are_passed_over() {
    let picker = Prefix::new([("a", 0), ("b", 1), ("c", 1)]);
    let now = Instant::now();
    for number in 0..50 {
        assert_ne!(picker.pick(&[number], &Tried::new(), now), Some(0));
        assert_eq!(picker.pick(&[number], &Tried::from_iter([1]), now), Some(2));
    }
    assert_eq!(picker.pick(&[1], &Tried::from_iter([1, 2]), now), None);
    assert_eq!(Prefix::new([]).pick(&[1], &Tried::new(), now), None);
}

#[test]
fn an_heir_keeps_conversations_at_the_targets_it_has_too() {
    let picker = equal(3);
    let now = Instant::now();
    let homes: Vec<_> = (0..30)
        .map(|number| ask(&picker, &[mixed(number)], &[], now))
        .collect();
    // The first one is gone, the others have changed places, and there is a new one.
    let heir = picker.heir([("new", 1), ("c", 1), ("b", 1)], &[None, Some(2), Some(1)]);
    for (number, home) in (0..30).zip(homes) {
        let next = heir
            .pick(&[mixed(number), 1], &Tried::new(), now)
            .expect("a target");
        match home {
            1 => assert_eq!(next, 2, "{number}"),
            2 => assert_eq!(next, 1, "{number}"),
            _ => {}
        }
    }
}

/// Whether a request stays at the home of its beginning when that one has got so many requests, and
/// the other so many.
fn stays(blocks: &[u64], home: usize, other: usize) -> bool {
    let picker = equal(2);
    let now = Instant::now();
    let first = ask(&picker, &[1, 2], &[], now);
    load(&picker, first, home - 1, now);
    load(&picker, 1 - first, other, now);
    picker.pick(blocks, &Tried::new(), now) == Some(first)
}

#[test]
fn a_conversation_stays_up_to_a_fifth_or_eight_above_the_part() {
    let next = [1, 2, 3];
    assert!(stays(&next, 15, 0));
    assert!(!stays(&next, 16, 0));
    assert!(stays(&next, 149, 100));
    assert!(!stays(&next, 150, 100));
}

#[test]
fn those_that_begin_alike_join_up_to_a_twentieth_or_two_above_the_part() {
    let like = [1, 9];
    assert!(stays(&like, 3, 0));
    assert!(!stays(&like, 4, 0));
    assert!(stays(&like, 109, 100));
    assert!(!stays(&like, 110, 100));
}

#[test]
fn new_conversations_are_placed_by_weight() {
    let picker = Prefix::new([("a", 3), ("b", 1)]);
    let now = Instant::now();
    let blocks = (0..800).map(|number| [mixed(number)]);
    let light = blocks.filter(|block| picker.pick(block, &Tried::new(), now) == Some(1));
    let light = light.count();
    assert!((160..240).contains(&light), "{light}");
}

#[test]
fn who_has_least_is_told_by_weight_and_by_what_is_stuck() {
    let now = Instant::now();
    let picker = Prefix::new([("a", 3), ("b", 1)]);
    load(&picker, 0, 4, now);
    load(&picker, 1, 2, now);
    assert_eq!(picker.pick(&[], &Tried::new(), now), Some(0));

    let picker = equal(2);
    load(&picker, 1, 5, now);
    for _ in 0..40 {
        picker.in_flight.begin(0);
    }
    assert_eq!(picker.pick(&[], &Tried::new(), now), Some(1));
}

#[test]
fn an_heir_knows_the_load_and_what_is_in_flight() {
    let now = Instant::now();
    let heir = |picker: &Prefix| picker.heir([("b", 1), ("new", 1)], &[Some(1), None]);
    let picker = equal(2);
    load(&picker, 1, 5, now);
    assert_eq!(heir(&picker).pick(&[], &Tried::new(), now), Some(1));
    let picker = equal(2);
    for _ in 0..40 {
        picker.in_flight.begin(1);
    }
    assert_eq!(heir(&picker).pick(&[], &Tried::new(), now), Some(1));
}

#[test]
fn a_new_target_of_an_heir_does_not_pass_for_one_that_is_gone() {
    let picker = equal(3);
    let now = Instant::now();
    let homes: Vec<_> = (0..60)
        .map(|number| ask(&picker, &[mixed(number)], &[], now))
        .collect();
    let heir = picker.heir([("new", 1), ("b", 1), ("c", 1)], &[None, Some(1), Some(2)]);
    // The load of then is forgotten, and the conversations go on.
    let now = now + Duration::from_hours(1);
    let gone = (0..60).zip(homes).filter(|(_, home)| *home == 0);
    let places: Vec<_> = gone
        .map(|(number, _)| heir.pick(&[mixed(number), 1], &Tried::new(), now))
        .collect();
    assert!(places.iter().any(|place| *place != Some(0)), "{places:?}");
}
