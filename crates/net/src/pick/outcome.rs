//! What a picker learns from a call.

use std::fmt;
use std::time::Duration;

/// How a call to a target went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that came in parts.
    Streamed {
        /// Until its first part.
        first: Duration,
        /// The wait for one further part; `None` when there was none.
        between: Option<Duration>,
        /// How many parts it had.
        parts: u32,
    },
    /// An answer in one piece, after this time.
    Whole(Duration),
    /// Given up by the caller before there was an answer, after this time.
    Abandoned(Duration),
    /// Nothing that says how quick the target is.
    Unknown,
}

/// A picker that wants to know what becomes of its choices. Calls may come from any thread.
pub trait Settle: fmt::Debug + Send + Sync {
    /// A call to this target begins; `blocks` stand for the beginnings of its request, if the caller
    /// has any.
    fn begin(&self, target: usize, blocks: &[u64]);

    /// A call that began is over.
    fn settle(&self, target: usize, outcome: &Outcome);

    /// A call failed; told beside its end.
    fn fail(&self, target: usize);

    /// Whether it looks at the times of calls to this target; else each is settled as
    /// [`Outcome::Unknown`].
    fn wants_times(&self, target: usize) -> bool;
}
