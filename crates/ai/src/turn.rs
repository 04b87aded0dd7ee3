//! What an attempt tells the picker that chose its instance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use net::pick::{Outcome, Settle};

#[cfg(test)]
mod tests;

/// The place of an instance with a picker that learns from its choices.
#[derive(Clone, Debug)]
pub struct Seat {
    picker: Arc<dyn Settle>,
    index: usize,
}

/// One attempt at a seated instance. Its drop tells the picker how it went.
#[derive(Debug)]
pub(crate) struct Turn {
    seat: Seat,
    /// `None` for a picker that does not look at times, so that no clock is read for it.
    times: Option<Times>,
}

/// What is measured of an attempt.
#[derive(Debug)]
struct Times {
    start: Instant,
    /// Whether the answer came in one piece.
    is_whole: bool,
    /// Until the first content of a stream, or the end of a whole answer.
    first: Option<Duration>,
    /// Events after the first content, with it.
    parts: u32,
    /// Those of the piece that is being read.
    fresh: u32,
    /// Since when the upstream is waited for.
    waiting: Option<Instant>,
    /// The waits for pieces after the first content. What was there before the client asked for it
    /// counts for nothing, so that a client that reads slowly makes no slow instance.
    waited: Duration,
    /// The parts in those pieces.
    waited_parts: u32,
}

// === impl Seat ===

impl Seat {
    /// The seat that `picker` knows by `index`.
    pub fn new(picker: Arc<dyn Settle>, index: usize) -> Self {
        Self { picker, index }
    }

    /// An attempt with a request of these blocks begins.
    pub(crate) fn take(&self, blocks: &[u64]) -> Turn {
        self.picker.begin(self.index, blocks);
        let wants_times = self.picker.wants_times(self.index);
        Turn {
            seat: self.clone(),
            times: wants_times.then(Times::new),
        }
    }

    /// An attempt failed.
    pub(crate) fn fail(&self) {
        self.picker.fail(self.index);
    }
}

// === impl Turn ===

impl Turn {
    /// The answer was read to its end, in one piece.
    pub(crate) fn answered(&mut self) {
        if let Some(times) = &mut self.times {
            times.is_whole = true;
            times.first = Some(times.start.elapsed());
        }
    }

    /// The upstream has nothing to be read.
    pub(crate) fn waits(&mut self) {
        if let Some(times) = &mut self.times {
            times.waiting.get_or_insert_with(Instant::now);
        }
    }

    /// One event was read from a piece.
    pub(crate) fn event(&mut self, is_first_content: bool) {
        if let Some(times) = &mut self.times {
            times.event(is_first_content);
        }
    }

    /// A piece was read to its end; one of an answer that `nobody_reads` is content at once.
    pub(crate) fn piece(&mut self, nobody_reads: bool) {
        if let Some(times) = &mut self.times {
            if nobody_reads {
                times.event(true);
            }
            times.piece();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let times = self.times.as_ref();
        let outcome = times.map_or(Outcome::Unknown, Times::outcome);
        self.seat.picker.settle(self.seat.index, &outcome);
    }
}

// === impl Times ===

impl Times {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            is_whole: false,
            first: None,
            parts: 0,
            fresh: 0,
            waiting: None,
            waited: Duration::ZERO,
            waited_parts: 0,
        }
    }

    fn event(&mut self, is_first_content: bool) {
        if is_first_content {
            self.first.get_or_insert_with(|| self.start.elapsed());
        }
        if self.first.is_some() {
            self.fresh += 1;
        }
    }

    fn piece(&mut self) {
        let is_later = self.parts > 0;
        if let Some(since) = self.waiting.take()
            && is_later
        {
            self.waited += since.elapsed();
            self.waited_parts = self.waited_parts.saturating_add(self.fresh);
        }
        self.parts = self.parts.saturating_add(self.fresh);
        self.fresh = 0;
    }

    fn outcome(&self) -> Outcome {
        match self.first {
            None => Outcome::Abandoned(self.start.elapsed()),
            Some(time) if self.is_whole => Outcome::Whole(time),
            Some(first) => Outcome::Streamed {
                first,
                between: self.waited.checked_div(self.waited_parts),
                parts: self.parts,
            },
        }
    }
}
