use std::time::Duration;

use super::Finding::{HttpFailure, Nothing, Success, TcpFailure, Timeout};
use super::State::{Healthy, MostlyHealthy, MostlyUnhealthy, Unhealthy};
use super::{Fall, Finding, Health, Rise, State};

fn rise() -> Rise {
    Rise {
        interval: Duration::from_secs(1),
        statuses: vec![200],
        successes: 2,
    }
}

fn fall() -> Fall {
    Fall {
        interval: Duration::from_secs(1),
        statuses: vec![500],
        http_failures: 3,
        tcp_failures: 2,
        timeouts: 2,
    }
}

/// The states after each finding.
fn states(findings: &[Finding]) -> Vec<State> {
    let mut health = Health::default();
    let mut after = |finding: &Finding| {
        health.report(*finding, &rise(), &fall());
        health.state
    };
    findings.iter().map(&mut after).collect()
}

#[test]
fn failures_of_one_kind_in_a_row_make_unhealthy() {
    let found = states(&[HttpFailure, HttpFailure, HttpFailure, HttpFailure]);
    assert_eq!(found, [MostlyHealthy, MostlyHealthy, Unhealthy, Unhealthy]);
    assert_eq!(
        states(&[TcpFailure, TcpFailure]),
        [MostlyHealthy, Unhealthy]
    );
    assert_eq!(states(&[Timeout, Timeout]), [MostlyHealthy, Unhealthy]);
}

#[test]
fn kinds_of_failure_are_counted_apart() {
    let found = states(&[HttpFailure, Timeout, TcpFailure, HttpFailure]);
    assert_eq!(found, [MostlyHealthy; 4]);
    let found = states(&[HttpFailure, Timeout, HttpFailure, HttpFailure]);
    assert_eq!(found.last(), Some(&Unhealthy));
}

#[test]
fn a_success_in_between_ends_the_row() {
    let found = states(&[TcpFailure, Success, TcpFailure]);
    assert_eq!(found, [MostlyHealthy; 3]);
    let found = states(&[TcpFailure, Success, Success, TcpFailure]);
    assert_eq!(
        found,
        [MostlyHealthy, MostlyHealthy, Healthy, MostlyHealthy]
    );
}

#[test]
fn successes_in_a_row_make_healthy_again() {
    let found = states(&[Timeout, Timeout, Success, Success]);
    assert_eq!(found, [MostlyHealthy, Unhealthy, MostlyUnhealthy, Healthy]);
}

#[test]
fn a_failure_between_successes_starts_them_again() {
    let found = states(&[Timeout, Timeout, Success, TcpFailure, Success, Success]);
    let expected = [
        MostlyHealthy,
        Unhealthy,
        MostlyUnhealthy,
        MostlyUnhealthy,
        MostlyUnhealthy,
        Healthy,
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_says_nothing_changes_nothing() {
    assert_eq!(states(&[Nothing, Nothing]), [Healthy; 2]);
    let found = states(&[TcpFailure, Nothing, TcpFailure]);
    assert_eq!(found, [MostlyHealthy, MostlyHealthy, Unhealthy]);
}

#[test]
fn a_healthy_address_does_not_save_successes() {
    let mut health = Health::default();
    for finding in [Success, Success, Success, Timeout, Timeout, Success] {
        health.report(finding, &rise(), &fall());
    }
    assert_eq!(health.state, MostlyUnhealthy);
    assert_eq!(health.counters.success, 1);
}
