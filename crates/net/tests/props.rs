//! Properties of the parts that need no socket.

use net::{
    pick::{RoundRobin, Tried},
    strict::{Inspector, Part, Violation},
};
use proptest::{prelude::*, sample::Index};

/// Pieces of requests, sound and unsound, that together make streams with many turns.
const PARTS: [&str; 30] = [
    "GET / HTTP/1.1\r\n",
    "POST /x HTTP/1.1\r\n",
    "POST / HTTP/1.0\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "PRI * HTTP/2.0\r\n",
    "host: a\r\n",
    "Host: a:80\r\n",
    "host: a@b\r\n",
    "content-length: 0\r\n",
    "content-length: 3\r\n",
    "content-length: +3\r\n",
    "transfer-encoding: chunked\r\n",
    "transfer-encoding: gzip\r\n",
    "x: y\r\n",
    "x : y\r\n",
    " folded\r\n",
    "\r\n",
    "\n",
    "\r",
    "\0",
    "abc",
    "3\r\nabc\r\n",
    "3;e=f\r\nabc\r\n",
    "0\r\n\r\n",
    "0\r\nx: y\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "upgrade: x\r\n",
];

fn stream() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(&PARTS[..]), 0..12)
        .prop_map(|parts| parts.concat().into_bytes())
}

/// The offence, and at which byte of the whole stream it was found.
fn verdict(pieces: &[&[u8]]) -> Option<(Violation, Part, usize)> {
    let mut inspector = Inspector::new();
    let mut before = 0;
    for piece in pieces {
        if let Err(offence) = inspector.feed(piece) {
            return Some((offence.violation, offence.part, before + offence.at));
        }
        before += piece.len();
    }
    None
}

fn cut<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.sort_unstable();
    places.push(stream.len());
    let mut from = 0;
    places
        .into_iter()
        .map(|to| &stream[std::mem::replace(&mut from, to)..to])
        .collect()
}

/// Whether a stream begins like HTTP/2 without being it: such a beginning is passed on at once.
fn almost_preface(stream: &[u8]) -> bool {
    stream.starts_with(b"PRI")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_cut_of_a_stream_gets_the_same_verdict(
        stream in stream(),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let whole = verdict(&[&stream]);
        let pieces = verdict(&cut(&stream, &cuts));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        let bytes = verdict(&bytes);
        if almost_preface(&stream) {
            let reason = |verdict: Option<(Violation, Part, usize)>| verdict.map(|(reason, part, _)| (reason, part));
            prop_assert_eq!(reason(whole), reason(pieces));
            prop_assert_eq!(reason(whole), reason(bytes));
        } else {
            prop_assert_eq!(whole, pieces);
            prop_assert_eq!(whole, bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_upset_the_inspector(
        stream in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let reason = |verdict: Option<(Violation, Part, usize)>| verdict.map(|(reason, ..)| reason);
        prop_assert_eq!(reason(verdict(&[&stream])), reason(verdict(&cut(&stream, &cuts))));
    }

    #[test]
    fn every_round_gives_each_target_its_share(
        weights in prop::collection::vec(0_u32..20, 1..8),
        skip in 0_usize..50,
    ) {
        let even = weights.iter().all(|weight| *weight == 0);
        let shares: Vec<usize> =
            weights.iter().map(|weight| if even { 1 } else { *weight as usize }).collect();
        let picker = RoundRobin::new(weights);
        for _ in 0..skip {
            picker.pick(&Tried::new());
        }
        let mut seen = vec![0; shares.len()];
        for _ in 0..shares.iter().sum() {
            seen[picker.pick(&Tried::new()).unwrap()] += 1;
        }
        prop_assert_eq!(seen, shares);
    }

    #[test]
    fn the_order_is_that_of_balances_paid_by_weight(
        weights in prop::collection::vec(0_u32..20, 1..8),
    ) {
        let even = weights.iter().all(|weight| *weight == 0);
        let paid: Vec<i64> =
            weights.iter().map(|weight| if even { 1 } else { i64::from(*weight) }).collect();
        let total: i64 = paid.iter().sum();
        let picker = RoundRobin::from_first(weights);
        let mut balances = vec![0; paid.len()];
        for _ in 0..3 * total {
            for (balance, paid) in balances.iter_mut().zip(&paid) {
                *balance += paid;
            }
            let most = balances.iter().max().copied().unwrap();
            let first = balances.iter().position(|balance| *balance == most).unwrap();
            balances[first] -= total;
            prop_assert_eq!(picker.pick(&Tried::new()), Some(first));
        }
    }

    #[test]
    fn those_that_are_left_share_each_of_their_rounds_by_weight(
        weights in prop::collection::vec(0_u32..20, 2..12),
        out in prop::collection::vec(any::<bool>(), 12),
    ) {
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let tried: Tried = (0..weights.len()).filter(|index| out[*index]).collect();
        let is_left = |index: &usize| weights[*index] > 0 && !tried.contains(*index);
        let shares: Vec<usize> = (0..weights.len())
            .map(|index| if is_left(&index) { weights[index] as usize } else { 0 })
            .collect();
        let picker = RoundRobin::new(weights.iter().copied());
        let mut seen = vec![0; shares.len()];
        for _ in 0..2 * shares.iter().sum::<usize>() {
            seen[picker.pick(&tried).unwrap()] += 1;
        }
        let twice: Vec<usize> = shares.iter().map(|share| 2 * share).collect();
        prop_assert_eq!(seen, twice);
        prop_assert_eq!(picker.pick(&tried).is_some(), shares.iter().sum::<usize>() > 0);
    }

    #[test]
    fn retries_reach_every_target_with_weight_exactly_once(
        weights in prop::collection::vec(0_u32..50, 1..100),
        skip in 0_usize..50,
    ) {
        let even = weights.iter().all(|weight| *weight == 0);
        let mut expected: Vec<usize> =
            (0..weights.len()).filter(|index| even || weights[*index] > 0).collect();
        let picker = RoundRobin::new(weights);
        for _ in 0..skip {
            picker.pick(&Tried::new());
        }
        let mut tried = Tried::new();
        let mut order = Vec::new();
        while let Some(index) = picker.pick(&tried) {
            prop_assert!(!tried.contains(index));
            tried.add(index);
            order.push(index);
        }
        order.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(order, expected);
    }
}
