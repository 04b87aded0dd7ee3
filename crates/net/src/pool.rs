//! Connections that wait for the next call: a bounded queue without a lock.

use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use tokio::time::Instant;

use crate::{client::Live, origin::KeepAlive};

/// The idle connections of one origin.
pub(crate) struct Pool {
    idle: ArrayQueue<Idle>,
    longest: Duration,
    requests: Option<u64>,
}

struct Idle {
    live: Box<Live>,
    since: Instant,
}

// === impl Pool ===

impl Pool {
    /// A pool of the given size; none when nothing may be kept.
    pub(crate) fn new(policy: KeepAlive) -> Option<Self> {
        (policy.size > 0).then(|| Self {
            idle: ArrayQueue::new(policy.size),
            longest: policy.idle,
            requests: policy.requests,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.idle.len()
    }

    /// Takes a connection that is still usable; those that are not are closed on the way.
    pub(crate) fn take(&self) -> Option<Box<Live>> {
        let now = Instant::now();
        while let Some(mut idle) = self.idle.pop() {
            if self.is_fresh(&idle, now) && idle.live.is_usable() {
                return Some(idle.live);
            }
        }
        None
    }

    /// Keeps a connection whose call has ended; a full pool closes it.
    pub(crate) fn put(&self, live: Box<Live>) {
        if self.requests.is_some_and(|most| live.served() >= most) {
            return;
        }
        drop(self.idle.push(Idle {
            live,
            since: Instant::now(),
        }));
    }

    pub(crate) fn drop_expired(&self) {
        let now = Instant::now();
        // Each connection is looked at once: what calls return meanwhile goes to the end.
        for _ in 0..self.idle.len() {
            let Some(mut idle) = self.idle.pop() else {
                return;
            };
            if self.is_fresh(&idle, now) && idle.live.is_usable() {
                drop(self.idle.push(idle));
            }
        }
    }

    fn is_fresh(&self, idle: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(idle.since) < self.longest
    }
}
