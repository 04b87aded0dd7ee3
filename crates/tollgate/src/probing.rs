//! Asking targets how they are, for as long as a configuration names them.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use admin::control::{Checked, CheckedNode, Checks, Counter};
use net::dns::Resolve;
use net::health::{Change, Checker, Node, Prober};
use telemetry::metrics::Metrics;
use tokio::task::{JoinError, JoinSet};

use crate::house::House;

#[cfg(test)]
mod tests;

/// How often it is looked who is due.
const TICK: Duration = Duration::from_millis(100);

/// How many of those pass between two updates of the metric.
const TICKS_TOLD: u32 = 10;

/// A node under the name that the metric knows it by.
type Told = BTreeSet<(String, SocketAddr)>;

/// Runs the turns of every prober of the house; `names` knows the addresses of their targets.
pub(crate) async fn probe(house: Arc<House>, names: impl Resolve) {
    let names = Arc::new(names);
    let mut turns = JoinSet::new();
    let mut taking = HashMap::new();
    let mut told = Told::new();
    for tick in (0..TICKS_TOLD).cycle() {
        tokio::time::sleep(TICK).await;
        while let Some(turn) = turns.try_join_next_with_id() {
            let id = turn.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
            let prober = taking.remove(&id);
            if let (Err(error), Some(prober)) = (turn, prober) {
                // The other probers go on, and this one is due again.
                tell_broken(&house, &prober, &error);
            }
        }
        let probers = house.living.all::<Prober>();
        for prober in probers.into_iter().filter(|prober| prober.is_due()) {
            let (names, taken) = (Arc::clone(&names), Arc::downgrade(&prober));
            let turn = turns.spawn(async move {
                let changes = prober.turn(&*names).await;
                tell_changes(&prober, &changes);
            });
            taking.insert(turn.id(), taken);
        }
        if tick == 0 {
            told = tell_metrics(&house.metrics, &house.living.all::<Checker>(), &told);
        }
    }
}

/// What the control API tells of the probers.
pub(crate) fn checks(house: Arc<House>) -> Checks {
    Checks::new(move || {
        let checkers = house.living.all::<Checker>();
        checkers.iter().map(|checker| checked(checker)).collect()
    })
}

fn checked(checker: &Checker) -> Checked {
    let probe = checker.prober().probe();
    let node = |node: Node| {
        let counters = node.health.counters;
        CheckedNode {
            ip: node.address.map_or_else(
                || probe.host.to_string(),
                |address| address.ip().to_string(),
            ),
            port: probe.port,
            hostname: probe.host.to_string(),
            status: node.health.state.name(),
            counter: Counter {
                success: counters.success,
                http_failure: counters.http_failure,
                tcp_failure: counters.tcp_failure,
                timeout_failure: counters.timeout_failure,
            },
        }
    };
    Checked {
        name: checker.name().to_owned(),
        instance: checker.label().to_owned(),
        r#type: probe.kind.name(),
        nodes: checker.prober().nodes().into_iter().map(node).collect(),
    }
}

fn tell_changes(prober: &Prober, changes: &[Change]) {
    let host = &*prober.probe().host;
    for Change { address, usable } in changes {
        let address = address.map(tracing::field::display);
        if *usable {
            tracing::info!(host, address, "a target is healthy again");
        } else {
            tracing::warn!(host, address, "a target is unhealthy");
        }
    }
}

/// Names every place whose prober broke.
fn tell_broken(house: &House, prober: &Weak<Prober>, error: &JoinError) {
    for checker in house.living.all::<Checker>() {
        if Arc::as_ptr(checker.prober()) == prober.as_ptr() {
            tracing::error!(checker = checker.name(), %error, "a turn of a prober broke");
        }
    }
}

/// Sets the state of every node that is known, and forgets those that are not any more.
fn tell_metrics(metrics: &Metrics, checkers: &[Arc<Checker>], before: &Told) -> Told {
    let mut told = Told::new();
    for checker in checkers {
        for node in checker.prober().nodes() {
            let Some(address) = node.address else {
                continue;
            };
            let usable = node.health.state.is_usable();
            let ip = address.ip().to_string();
            metrics.set_upstream_status(checker.name(), &ip, address.port(), usable);
            told.insert((checker.name().to_owned(), address));
        }
    }
    for (name, address) in before.difference(&told) {
        metrics.remove_upstream_status(name, &address.ip().to_string(), address.port());
    }
    told
}
