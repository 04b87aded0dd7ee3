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
