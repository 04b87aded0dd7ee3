//! What an attempt tells of its instance: at once, or when its stream has ended.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use llm::Ended;
use plugin::{Ctx, End, Fault, Relay, RelayError, Reply, ReplyBody};

use crate::blame::Blame;
use crate::breaker::{Finding, Permit};
use crate::deadline::TOTAL_TIMEOUT;

/// An attempt whose outcome is to be judged.
pub(crate) struct Trial {
    /// How many attempts came before it.
    pub(crate) before: usize,
    /// Whether the instance has a key of its own.
    pub(crate) has_key: bool,
    pub(crate) permit: Option<Permit>,
}

/// A relay whose end is told to the breaker of its instance.
struct Watched {
    relay: Box<dyn Relay>,
    permit: Option<Permit>,
}

// === impl Trial ===

impl Trial {
    /// Tells the breaker what came of the attempt, and the record whose fault it was. The end of a
    /// stream is told when it has come.
    pub(crate) fn judge(
        self,
        ctx: &mut Ctx,
        outcome: Result<Reply, Fault>,
    ) -> Result<Reply, Fault> {
        let finding = match &outcome {
            Ok(reply) if reply.status.is_success() => Finding::Success,
            Ok(reply) => self.finding(ctx, body_of(reply)),
            Err(fault) => self.finding(ctx, fault.upstream_body().map_or(&[], Bytes::as_ref)),
        };
        let Some(mut permit) = self.permit else {
            return outcome;
        };
        match outcome {
            Ok(reply) if finding == Finding::Success => Ok(Reply {
                body: match reply.body {
                    ReplyBody::Relay(relay) => {
                        permit.answered();
                        ReplyBody::Relay(Box::new(Watched {
                            relay,
                            permit: Some(permit),
                        }))
                    }
                    whole => {
                        permit.settle(finding);
                        whole
                    }
                },
                ..reply
            }),
            outcome => {
                permit.settle(finding);
                outcome
            }
        }
    }

    fn finding(&self, ctx: &mut Ctx, body: &[u8]) -> Finding {
        // Without a new attempt nobody was asked.
        let Some(attempt) = ctx.attempts.get_mut(self.before) else {
            return Finding::Nothing;
        };
        // What others before it left of the time says nothing of this one.
        if attempt.ended == TOTAL_TIMEOUT && self.before > 0 {
            return Finding::Nothing;
        }
        let Some(blame) = Blame::of_attempt(attempt, body, self.has_key) else {
            return Finding::Nothing;
        };
        attempt.fault = blame.name();
        Finding::Fault(blame, attempt.retry_after)
    }
}

/// The body of an answer that was read whole.
fn body_of(reply: &Reply) -> &[u8] {
    match &reply.body {
        ReplyBody::Full(bytes) => bytes,
        ReplyBody::Empty | ReplyBody::Relay(_) => &[],
    }
}

// === impl Watched ===

impl Relay for Watched {
    fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
        ctx: &mut Ctx,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.relay.poll_frame(task, ctx)
    }

    fn close(&mut self, ctx: &mut Ctx, end: End) {
        self.relay.close(ctx, end);
        let attempt = ctx.attempts.last();
        let finding = match attempt.map(|attempt| (attempt.ended, attempt.fault)) {
            Some((_, fault)) if fault == Blame::Provider.name() => {
                Finding::Fault(Blame::Provider, None)
            }
            Some((ended, _)) if ended == Ended::Complete.name() => Finding::Success,
            // Who ended it was the client, or a limit of ours; or it was the client's fault.
            _ => Finding::Nothing,
        };
        if let Some(permit) = self.permit.take() {
            permit.settle(finding);
        }
    }

    fn length(&self) -> Option<u64> {
        self.relay.length()
    }
}
