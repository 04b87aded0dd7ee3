//! A waker between a connection and the task that owns it, which knows when the owner is at the door.
//!
//! Inside a connection, the codec and the body it feeds wake each other through their queue. Both
//! live in one task here, so each such wake would make the runtime poll the whole task once more
//! for nothing. A bell that is rung while its owner is attending is only remembered; the owner
//! looks again before it goes to sleep. While a connection is idle nobody listens, and whether
//! the bell was rung tells whether anything happened to the socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use atomic_waker::AtomicWaker;

#[derive(Debug, Default)]
struct Clapper {
    owner: AtomicWaker,
    rung: AtomicBool,
    attended: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Bell {
    clapper: Arc<Clapper>,
    waker: Waker,
}

// === impl Bell ===

impl Bell {
    pub(crate) fn new() -> Self {
        let clapper = Arc::new(Clapper::default());
        Self {
            waker: Waker::from(Arc::clone(&clapper)),
            clapper,
        }
    }

    /// The waker to hand to whatever is polled on behalf of the owner.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Tells whether anything was woken since the last look.
    pub(crate) fn was_rung(&self) -> bool {
        self.clapper.rung.load(Ordering::Acquire)
    }

    /// Forgets the owner, so that an idle connection keeps no task alive.
    pub(crate) fn leave(&self) {
        self.clapper.rung.store(false, Ordering::SeqCst);
        self.clapper.attended.store(false, Ordering::SeqCst);
        drop(self.clapper.owner.take());
    }

    /// Runs `step` for the owner, and once more when the bell was rung meanwhile.
    ///
    /// A second ring goes to the runtime: it may be the runtime's own request to yield.
    pub(crate) fn attend<T>(
        &self,
        owner: &Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let clapper = &*self.clapper;
        clapper.owner.register(owner.waker());
        let mut inner = Context::from_waker(&self.waker);
        for _ in 0..2 {
            clapper.attended.store(true, Ordering::SeqCst);
            clapper.rung.store(false, Ordering::SeqCst);
            let outcome = step(&mut inner);
            clapper.attended.store(false, Ordering::SeqCst);
            if outcome.is_ready() || !clapper.rung.load(Ordering::SeqCst) {
                return outcome;
            }
        }
        owner.waker().wake_by_ref();
        Poll::Pending
    }
}

// === impl Clapper ===

impl Wake for Clapper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        if !self.attended.load(Ordering::SeqCst) {
            self.owner.wake();
        }
    }
}

#[cfg(test)]
mod tests;
