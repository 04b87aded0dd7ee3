use std::sync::{Arc, Mutex};

use net::pick::{Outcome, Settle};

use super::{Seat, Turn};

/// A picker that writes down what it is told.
#[derive(Debug)]
struct Ledger {
    wants_times: bool,
    began: Mutex<Vec<(usize, Vec<u64>)>>,
    settled: Mutex<Vec<(usize, Outcome)>>,
}

impl Settle for Ledger {
    fn begin(&self, target: usize, blocks: &[u64]) {
        let mut began = self.began.lock().expect("no panic");
        began.push((target, blocks.to_vec()));
    }

    fn settle(&self, target: usize, outcome: &Outcome) {
        let mut settled = self.settled.lock().expect("no panic");
        settled.push((target, *outcome));
    }

    fn fail(&self, _target: usize) {}

    fn wants_times(&self, _target: usize) -> bool {
        self.wants_times
    }
}

impl Ledger {
    fn new() -> Arc<Self> {
        Self::wanting(true)
    }

    fn wanting(wants_times: bool) -> Arc<Self> {
        Arc::new(Self {
            wants_times,
            began: Mutex::default(),
            settled: Mutex::default(),
        })
    }

    fn settled(&self) -> Vec<(usize, Outcome)> {
        self.settled.lock().expect("no panic").clone()
    }
}

#[test]
fn a_turn_begins_with_its_blocks_and_ends_once() {
    let ledger = Ledger::new();
    let turn = Seat::new(ledger.clone(), 3).take(&[7, 8]);
    assert_eq!(*ledger.began.lock().expect("no panic"), [(3, vec![7, 8])]);
    assert_eq!(ledger.settled(), []);
    drop(turn);
    assert!(matches!(ledger.settled()[..], [(3, Outcome::Abandoned(_))]));
}

#[test]
fn an_answer_in_one_piece_tells_its_time() {
    let ledger = Ledger::new();
    let mut turn = Seat::new(ledger.clone(), 0).take(&[]);
    turn.answered();
    drop(turn);
    assert!(matches!(ledger.settled()[..], [(0, Outcome::Whole(_))]));
}

#[test]
fn events_before_the_first_content_are_no_answer() {
    let ledger = Ledger::new();
    let mut turn = Seat::new(ledger.clone(), 0).take(&[]);
    turn.event(false);
    turn.piece(false);
    drop(turn);
    assert!(matches!(ledger.settled()[..], [(0, Outcome::Abandoned(_))]));
}

/// All parts, and those that were waited for.
fn parts(turn: &Turn) -> (u32, u32) {
    let times = turn.times.as_ref().expect("times");
    (times.parts, times.waited_parts)
}

#[test]
fn only_pieces_that_were_waited_for_tell_the_time_between_parts() {
    let ledger = Ledger::new();
    let mut turn = Seat::new(ledger.clone(), 0).take(&[]);
    turn.waits();
    turn.event(true);
    turn.piece(false);
    // Was there already when the client asked for more.
    turn.event(false);
    turn.piece(false);
    assert_eq!(parts(&turn), (2, 0));
    turn.waits();
    turn.event(false);
    turn.event(false);
    turn.piece(false);
    assert_eq!(parts(&turn), (4, 2));
    let waited = turn.times.as_ref().expect("times").waited;
    drop(turn);
    let [(0, Outcome::Streamed { between, parts, .. })] = ledger.settled()[..] else {
        panic!("{:?}", ledger.settled());
    };
    assert_eq!((between, parts), (Some(waited / 2), 4));
}

#[test]
fn a_piece_that_nobody_reads_is_content() {
    let ledger = Ledger::new();
    let mut turn = Seat::new(ledger.clone(), 0).take(&[]);
    turn.piece(true);
    drop(turn);
    let settled = ledger.settled();
    assert!(matches!(
        settled[..],
        [(
            0,
            Outcome::Streamed {
                between: None,
                parts: 1,
                ..
            }
        )]
    ));
}

#[test]
fn no_clock_is_read_for_a_picker_that_does_not_want_times() {
    let ledger = Ledger::wanting(false);
    let mut turn = Seat::new(ledger.clone(), 2).take(&[5]);
    turn.waits();
    turn.event(true);
    turn.piece(false);
    turn.waits();
    turn.piece(true);
    turn.answered();
    assert!(turn.times.is_none());
    drop(turn);
    assert_eq!(ledger.settled(), [(2, Outcome::Unknown)]);
}
