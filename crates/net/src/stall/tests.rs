use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::time::{Instant, advance};

use super::Stall;
use crate::error::Phase;

const LIMIT: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_secs(4);

async fn is_over(stall: &mut Stall, phase: Phase, moved: u64) -> bool {
    poll_fn(|cx| Poll::Ready(stall.poll(cx, phase, LIMIT, moved).is_ready())).await
}

#[tokio::test(start_paused = true)]
async fn wait_ends_after_the_limit() {
    let mut stall = Stall::new();
    let start = Instant::now();
    poll_fn(|cx| stall.poll(cx, Phase::Head, LIMIT, 0)).await;
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn looking_again_does_not_prolong_the_wait() {
    let mut stall = Stall::new();
    assert!(!is_over(&mut stall, Phase::Body, 1).await);
    advance(STEP).await;
    assert!(!is_over(&mut stall, Phase::Body, 1).await);
    advance(STEP).await;
    assert!(is_over(&mut stall, Phase::Body, 1).await);
}

#[tokio::test(start_paused = true)]
async fn what_moves_starts_the_wait_anew() {
    let mut stall = Stall::new();
    for moved in 0..10 {
        assert!(!is_over(&mut stall, Phase::Body, moved).await);
        advance(STEP).await;
    }
    assert!(!is_over(&mut stall, Phase::Body, 9).await);
    advance(STEP).await;
    assert!(is_over(&mut stall, Phase::Body, 9).await);
}

#[tokio::test(start_paused = true)]
async fn next_phase_has_a_wait_of_its_own() {
    let mut stall = Stall::new();
    assert!(!is_over(&mut stall, Phase::Send, 0).await);
    advance(STEP).await;
    assert!(!is_over(&mut stall, Phase::Head, 0).await);
    advance(STEP).await;
    assert!(!is_over(&mut stall, Phase::Head, 0).await);
}

#[tokio::test(start_paused = true)]
async fn shorter_limit_of_a_later_call_is_kept() {
    let mut stall = Stall::new();
    let long = Duration::from_hours(1);
    let waits = poll_fn(|cx| Poll::Ready(stall.poll(cx, Phase::Head, long, 0).is_pending())).await;
    assert!(waits);
    let start = Instant::now();
    poll_fn(|cx| stall.poll(cx, Phase::Head, LIMIT, 1)).await;
    assert_eq!(start.elapsed().as_secs(), LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn limit_beyond_all_time_is_none() {
    let mut stall = Stall::new();
    let waits =
        poll_fn(|cx| Poll::Ready(stall.poll(cx, Phase::Head, Duration::MAX, 0).is_pending()));
    assert!(waits.await);
}
