//! One reusable timer that bounds how long nothing may move.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

use crate::error::Phase;

/// The timer of one connection.
///
/// The runtime's timer is moved only when it fires too early or would fire too late; while data
/// flows, the deadline is a plain number here.
#[derive(Debug)]
pub(crate) struct Stall {
    sleep: Pin<Box<Sleep>>,
    waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    deadline: Instant,
    phase: Phase,
    moved: u64,
}

// === impl Stall ===

impl Stall {
    pub(crate) fn new() -> Self {
        Self {
            sleep: Box::pin(sleep(Duration::ZERO)),
            waiting: None,
        }
    }

    /// Called when there is nothing to do but wait; ready when that lasted longer than `limit`.
    ///
    /// `moved` counts what has passed the socket: a change, like a change of phase, starts a new
    /// wait. So the time in which nobody asked for more is not held against the upstream.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        phase: Phase,
        limit: Duration,
        moved: u64,
    ) -> Poll<()> {
        let deadline = match self.waiting {
            Some(waiting) if waiting.phase == phase && waiting.moved == moved => waiting.deadline,
            _ => {
                let deadline = after(limit);
                self.waiting = Some(Waiting {
                    deadline,
                    phase,
                    moved,
                });
                deadline
            }
        };
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(deadline);
        }
    }
}

/// A limit too large to be added stands for "never", which is some thirty years.
pub(crate) fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit)
        .unwrap_or_else(|| now + Duration::from_hours(30 * 365 * 24))
}

#[cfg(test)]
mod tests;
