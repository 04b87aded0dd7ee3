//! What callers and the writing thread share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the writing thread.
    work: Condvar,
    /// Wakes those who wait for [`Shared::flush`].
    written: Condvar,
    capacity: usize,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    waiting: Batch,
    /// Lines for which there was no room since the last batch.
    refused: u64,
    reopen: bool,
    closed: bool,
    /// Nobody is going to look at the buffer unless woken.
    idle: bool,
    flushes_asked: u64,
    flushes_done: u64,
}

/// Lines with their ends, to be written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// What happened to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Push {
    Taken,
    Refused,
}

/// What the writing thread has to do.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) batch: Batch,
    pub(super) refused: u64,
    pub(super) reopen: bool,
    pub(super) closed: bool,
    flushes: u64,
}

// === impl Shared ===

impl Shared {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            written: Condvar::new(),
            capacity,
            lost: AtomicU64::new(0),
        }
    }

    pub(super) fn push(&self, line: &[u8]) -> Push {
        let mut state = self.lock();
        if state.closed || state.waiting.bytes.len() + line.len() >= self.capacity {
            state.refused += 1;
            self.lost.fetch_add(1, Ordering::Relaxed);
            return Push::Refused;
        }
        state.waiting.bytes.extend_from_slice(line);
        state.waiting.bytes.push(b'\n');
        state.waiting.lines += 1;
        let wake = std::mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Push::Taken
    }

    pub(super) fn ask_reopen(&self) {
        self.lock().reopen = true;
        self.work.notify_one();
    }

    pub(super) fn flush(&self) {
        let mut state = self.lock();
        state.flushes_asked += 1;
        let mine = state.flushes_asked;
        self.work.notify_one();
        let waits = |state: &mut State| state.flushes_done < mine;
        drop(self.written.wait_while(state, waits));
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn add_lost(&self, lines: u64) {
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }

    /// Waits until there is something to do, then takes all of it.
    ///
    /// `spare` becomes the next buffer, so that two buffers serve for ever.
    pub(super) fn take(&self, spare: Batch) -> Work {
        let mut state = self.lock();
        while !state.has_work() {
            state.idle = true;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        Work {
            batch: std::mem::replace(&mut state.waiting, spare),
            refused: std::mem::take(&mut state.refused),
            reopen: std::mem::take(&mut state.reopen),
            closed: state.closed,
            flushes: state.flushes_asked,
        }
    }

    /// Says that the work is done.
    pub(super) fn done(&self, work: &Work) {
        let mut state = self.lock();
        state.flushes_done = work.flushes;
        if work.closed {
            // Nobody will write any more, so nobody may wait for it.
            state.flushes_done = u64::MAX;
        }
        drop(state);
        self.written.notify_all();
    }

    /// Lets lines gather for a moment, unless someone is waiting.
    ///
    /// Callers do not wake the thread meanwhile, which costs more than writing a line.
    pub(super) fn gather(&self, time: Duration) {
        let state = self.lock();
        let half = self.capacity / 2;
        let may_rest = |state: &mut State| !state.is_urgent() && state.waiting.bytes.len() < half;
        drop(self.work.wait_timeout_while(state, time, may_rest));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn has_work(&self) -> bool {
        self.waiting.lines > 0 || self.refused > 0 || self.is_urgent()
    }

    fn is_urgent(&self) -> bool {
        self.reopen || self.closed || self.flushes_asked > self.flushes_done
    }
}
