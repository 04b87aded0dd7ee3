//! Charges on their way to the server.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::link::Link;

/// How many charges may wait; more are lost, so that a server that is away costs no memory.
const WAITING: usize = 8192;
/// How many are taken up at once.
const TOGETHER: usize = 256;

/// Charges that wait for a task to bring them to the server. The task ends with the queue.
pub(super) struct Queue {
    link: Arc<Link>,
    /// Begun with the first charge: who makes a queue need not be where tasks run.
    charges: OnceLock<Sender<Charge>>,
    is_full: AtomicBool,
}

#[derive(Debug)]
struct Charge {
    key: String,
    cost: u64,
    window: Duration,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            charges: OnceLock::new(),
            is_full: AtomicBool::new(false),
        }
    }

    /// Adds a charge; it is lost when too many wait already.
    pub(super) fn push(&self, key: String, cost: u64, window: Duration) {
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!("a charge is lost: there is nobody to bring it to redis");
            return;
        };
        let charges = self.charges.get_or_init(|| {
            let (charges, waiting) = channel(WAITING);
            runtime.spawn(bring(Arc::clone(&self.link), waiting));
            charges
        });
        let is_lost = charges.try_send(Charge { key, cost, window }).is_err();
        // Told when it begins, not for every charge.
        if is_lost && !self.is_full.swap(true, Ordering::Relaxed) {
            tracing::error!(WAITING, "charges are lost: too many wait for redis");
        }
        if !is_lost && self.is_full.load(Ordering::Relaxed) {
            self.is_full.store(false, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

/// Brings charges to the server until the queue is gone.
async fn bring(link: Arc<Link>, mut waiting: Receiver<Charge>) {
    let mut taken = Vec::new();
    while waiting.recv_many(&mut taken, TOGETHER).await > 0 {
        let mut asked = JoinSet::new();
        for (key, (cost, window)) in summed(taken.drain(..)) {
            let link = Arc::clone(&link);
            asked.spawn(async move { link.charge(&key, cost, window).await });
        }
        let (mut lost, mut cause) = (0_u64, None);
        while let Some(outcome) = asked.join_next().await {
            if let Ok(Err(error)) = outcome {
                lost += 1;
                cause = Some(error);
            }
        }
        if let Some(cause) = cause {
            tracing::error!(lost, "charges are lost: {cause}");
        }
    }
}

/// One charge for each key.
fn summed(charges: impl Iterator<Item = Charge>) -> HashMap<String, (u64, Duration)> {
    let mut sums = HashMap::new();
    for Charge { key, cost, window } in charges {
        let (sum, _) = sums.entry(key).or_insert((0_u64, window));
        *sum = sum.saturating_add(cost);
    }
    sums
}
