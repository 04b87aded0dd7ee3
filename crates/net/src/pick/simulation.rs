//! Calls that come at given times and take given times, played in order without a clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Calls in flight, by when they end.
#[derive(Debug)]
pub(super) struct Simulation {
    start: Instant,
    now: Duration,
    running: BinaryHeap<Reverse<(Duration, usize, Duration)>>,
}

// === impl Simulation ===

impl Simulation {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            now: Duration::ZERO,
            running: BinaryHeap::new(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.start + self.now
    }

    /// Starts a call to `target` that takes `time`.
    pub(super) fn call(&mut self, target: usize, time: Duration) {
        self.running.push(Reverse((self.now + time, target, time)));
    }

    /// Goes on by `time`; `ended` sees every call that ends until then, with when it does.
    pub(super) fn pass(&mut self, time: Duration, mut ended: impl FnMut(usize, Duration, Instant)) {
        self.now += time;
        while let Some(Reverse((end, target, took))) = self.running.peek().copied() {
            if end > self.now {
                break;
            }
            self.running.pop();
            ended(target, took, self.start + end);
        }
    }
}
