use std::sync::Arc;
use std::time::Duration;

use tokio::time::advance;

use super::state::{Kind, State};
use super::{Breaker, BreakerSettings, Finding};
use crate::blame::Blame;

const PROVIDER: Finding = Finding::Fault(Blame::Provider, None);
const KEY: Finding = Finding::Fault(Blame::Key, None);

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn breaker() -> Arc<Breaker> {
    Arc::new(Breaker::new(
        "/routes/1",
        "a",
        BreakerSettings {
            faults: 5,
            window: secs(10),
            key_faults: 3,
            open: secs(5),
            longest: secs(60),
        },
    ))
}

fn show(breaker: &Arc<Breaker>, finding: Finding) {
    breaker.force().settle(finding);
}

/// A breaker that is open since just now.
fn opened() -> Arc<Breaker> {
    let breaker = breaker();
    for _ in 0..5 {
        show(&breaker, PROVIDER);
    }
    assert_eq!(breaker.opens_in(), Some(secs(5)));
    breaker
}

#[tokio::test(start_paused = true)]
async fn five_faults_in_a_row_open_it() {
    let breaker = breaker();
    for _ in 0..4 {
        show(&breaker, PROVIDER);
        advance(secs(2)).await;
        assert_eq!(breaker.opens_in(), None);
    }
    show(&breaker, PROVIDER);
    assert_eq!(breaker.opens_in(), Some(secs(5)));
    assert!(breaker.claim().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_success_between_them_ends_the_row() {
    let breaker = breaker();
    for finding in [PROVIDER, PROVIDER, PROVIDER, PROVIDER, Finding::Success] {
        show(&breaker, finding);
    }
    for _ in 0..4 {
        show(&breaker, PROVIDER);
    }
    assert_eq!(breaker.opens_in(), None);
    show(&breaker, PROVIDER);
    assert_eq!(breaker.opens_in(), Some(secs(5)));
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_ten_seconds_count() {
    let breaker = breaker();
    show(&breaker, PROVIDER);
    advance(secs(9)).await;
    for _ in 0..3 {
        show(&breaker, PROVIDER);
    }
    advance(secs(2)).await;
    show(&breaker, PROVIDER);
    assert_eq!(breaker.opens_in(), None);
    show(&breaker, PROVIDER);
    assert_eq!(breaker.opens_in(), Some(secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_bad_key_stays_bad_however_rarely_it_is_used() {
    let breaker = breaker();
    for _ in 0..2 {
        show(&breaker, KEY);
        advance(secs(3600)).await;
    }
    assert_eq!(breaker.opens_in(), None);
    show(&breaker, KEY);
    assert_eq!(breaker.opens_in(), Some(secs(5)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_between_refusals_of_the_key_ends_their_row() {
    let breaker = breaker();
    for finding in [KEY, KEY, Finding::Success, KEY, KEY] {
        show(&breaker, finding);
    }
    assert_eq!(breaker.opens_in(), None);
    show(&breaker, KEY);
    assert_eq!(breaker.opens_in(), Some(secs(5)));
}

#[tokio::test(start_paused = true)]
async fn what_the_upstream_asks_for_while_it_is_open_lengthens_it() {
    let breaker = opened();
    for (asked, expected) in [(30, 30), (7, 30), (1_000_000, 24 * 3600)] {
        let told = Finding::Fault(Blame::Provider, Some(secs(asked)));
        breaker.force().settle(told);
        assert_eq!(breaker.opens_in(), Some(secs(expected)), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_clients_never_open_it() {
    let breaker = breaker();
    for blame in [Blame::Client, Blame::ContextLength] {
        for _ in 0..100 {
            show(&breaker, Finding::Fault(blame, Some(secs(60))));
        }
    }
    for _ in 0..100 {
        show(&breaker, Finding::Nothing);
    }
    assert_eq!((breaker.opens_in(), breaker.recovers_in()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn one_request_probes_and_closes_it() {
    let breaker = opened();
    advance(secs(5)).await;
    assert_eq!(breaker.opens_in(), None);
    let probe = breaker.claim().expect("a probe");
    assert!(probe.is_probe());
    assert!(breaker.claim().is_none());
    assert!(breaker.opens_in().is_some());
    probe.settle(Finding::Success);
    let next = breaker.claim().expect("closed");
    assert!(!next.is_probe());
}

#[tokio::test(start_paused = true)]
async fn probes_that_fail_double_the_wait_up_to_the_longest() {
    let breaker = opened();
    for wait in [5, 10, 20, 40, 60, 60] {
        assert_eq!(breaker.opens_in(), Some(secs(wait)));
        advance(secs(wait)).await;
        breaker.claim().expect("a probe").settle(PROVIDER);
    }
    advance(secs(60)).await;
    breaker.claim().expect("a probe").settle(Finding::Success);
    for _ in 0..5 {
        show(&breaker, PROVIDER);
    }
    assert_eq!(breaker.opens_in(), Some(secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_shows_nothing_is_given_back() {
    let breaker = opened();
    advance(secs(5)).await;
    drop(breaker.claim().expect("a probe"));
    let client = Finding::Fault(Blame::Client, None);
    breaker.claim().expect("a probe again").settle(client);
    assert!(breaker.claim().expect("and again").is_probe());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_closes_it() {
    let breaker = opened();
    advance(secs(5)).await;
    let mut probe = breaker.claim().expect("a probe");
    probe.answered();
    assert!(!breaker.claim().expect("closed").is_probe());
    probe.settle(PROVIDER);
    assert_eq!(breaker.opens_in(), None);
}

#[tokio::test(start_paused = true)]
async fn it_stays_open_as_long_as_the_upstream_asks() {
    let told = |wait| Finding::Fault(Blame::Key, Some(wait));
    let breaker = breaker();
    show(&breaker, told(secs(30)));
    assert_eq!(
        (breaker.opens_in(), breaker.recovers_in()),
        (None, Some(secs(30)))
    );
    show(&breaker, KEY);
    show(&breaker, told(secs(7)));
    assert_eq!(breaker.opens_in(), Some(secs(7)));
    advance(secs(7)).await;
    breaker.claim().expect("a probe").settle(told(secs(1)));
    assert_eq!(breaker.opens_in(), Some(secs(10)));
    show(&breaker, told(secs(1_000_000)));
    assert!(breaker.claim().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wait_without_end_is_cut_to_a_day() {
    let breaker = breaker();
    let told = Finding::Fault(Blame::Key, Some(secs(1_000_000)));
    show(&breaker, told);
    assert_eq!(breaker.recovers_in(), Some(secs(24 * 3600)));
    show(&breaker, Finding::Success);
    assert_eq!(breaker.recovers_in(), None);
}

#[tokio::test(start_paused = true)]
async fn what_began_before_it_opened_does_not_close_it() {
    let breaker = breaker();
    let before = breaker.claim().expect("closed");
    for _ in 0..5 {
        show(&breaker, PROVIDER);
    }
    before.settle(Finding::Success);
    assert_eq!(breaker.opens_in(), Some(secs(5)));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_for_want_of_others_before_its_time_is_no_probe() {
    let breaker = opened();
    for _ in 0..3 {
        let forced = breaker.force();
        assert!(!forced.is_probe());
        advance(secs(1)).await;
        forced.settle(PROVIDER);
    }
    assert_eq!(breaker.opens_in(), Some(secs(2)));
    breaker.force().settle(Finding::Success);
    assert!(!breaker.claim().expect("closed").is_probe());
    assert_eq!(breaker.opens_in(), None);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_asked_for_want_of_others_when_it_is_time_is_the_probe() {
    let breaker = opened();
    advance(secs(5)).await;
    let forced = breaker.force();
    assert!(forced.is_probe());
    let beside = breaker.force();
    assert!(!beside.is_probe());
    beside.settle(Finding::Success);
    assert!(!breaker.claim().expect("closed").is_probe());
    forced.settle(PROVIDER);
    assert_eq!(breaker.opens_in(), None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_closes_it_for_want_of_others_too() {
    let breaker = opened();
    breaker.force().answered();
    assert!(!breaker.claim().expect("closed").is_probe());
}

#[test]
fn of_many_at_once_one_probes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let breaker = runtime.block_on(async {
        let settings = BreakerSettings {
            faults: 1,
            window: secs(10),
            key_faults: 1,
            open: Duration::ZERO,
            longest: Duration::ZERO,
        };
        let breaker = Arc::new(Breaker::new("/routes/1", "a", settings));
        show(&breaker, PROVIDER);
        breaker
    });
    let probes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| breaker.claim())).collect();
        let permits: Vec<_> = threads
            .into_iter()
            .filter_map(|thread| thread.join().expect("no panic"))
            .collect();
        permits.len()
    });
    assert_eq!(probes, 1);
}

#[test]
fn a_state_is_packed_without_loss() {
    for kind in [Kind::Closed, Kind::Open, Kind::Probing] {
        for (epoch, level, until) in [(0, 0, 0), (1, 2, 3), ((1 << 14) - 1, 63, (1 << 42) - 1)] {
            let state = State {
                kind,
                epoch,
                level,
                until,
            };
            assert_eq!(State::unpack(state.pack()), state);
        }
    }
    let last = State {
        epoch: (1 << 14) - 1,
        ..State::default()
    };
    assert_eq!(last.opened(200, 1).epoch, 0);
    assert_eq!(last.opened(200, 1).level, 63);
}
