//! What a plugin hook returns: done at once, or a future.

use std::pin::Pin;

use crate::{Fault, Reply};

/// The outcome of one plugin hook; only a hook that waits allocates.
pub enum Step<'a> {
    /// Finished without waiting.
    Done(Result<Flow, Fault>),
    /// To be awaited.
    Wait(Pin<Box<dyn Future<Output = Result<Flow, Fault>> + Send + 'a>>),
}

/// Where the request goes after a hook.
#[derive(Debug)]
pub enum Flow {
    /// On to the next plugin.
    Next,
    /// Answered here; later phases before `head` are skipped.
    Respond(Box<Reply>),
}

// === impl Step ===

impl<'a> Step<'a> {
    /// Go on, nothing to say.
    pub const NEXT: Step<'static> = Step::Done(Ok(Flow::Next));

    /// Answers with `reply`.
    pub fn respond(reply: Reply) -> Self {
        Self::Done(Ok(Flow::Respond(Box::new(reply))))
    }

    /// Refuses with `fault`.
    pub fn refuse(fault: Fault) -> Self {
        Self::Done(Err(fault))
    }

    /// Waits for `future`.
    pub fn wait(future: impl Future<Output = Result<Flow, Fault>> + Send + 'a) -> Self {
        Self::Wait(Box::pin(future))
    }
}
