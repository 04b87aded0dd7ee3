//! An upstream's answer on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame};
use net::{AnswerBody, NetError};
use plugin::{Ctx, End, Relay, RelayError};

use super::Guards;

/// What one read of the upstream's socket brought leaves in one write, up to this many bytes.
const JOINED: usize = 64 * 1024;

/// Hands pieces on as they come and keeps the record of its attempt.
pub(super) struct Passing {
    /// Gone once it has ended, so that the connection is free or closed as early as can be.
    body: Option<AnswerBody>,
    begun: Instant,
    guards: Guards,
}

// === impl Passing ===

impl Passing {
    pub(super) fn new(mut body: AnswerBody, begun: Instant, guards: Guards) -> Self {
        body.join_ready(JOINED);
        Self {
            body: Some(body),
            begun,
            guards,
        }
    }

    fn settle(&mut self, ctx: &mut Ctx) {
        self.body = None;
        self.guards.clear();
        if let Some(attempt) = ctx.attempts.last_mut() {
            attempt.response.get_or_insert_with(|| self.begun.elapsed());
        }
    }
}

impl Relay for Passing {
    fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
        ctx: &mut Ctx,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let next = std::task::ready!(Pin::new(body).poll_frame(task));
        let outcome = match next {
            Some(Ok(frame)) => {
                if let (Some(data), Some(attempt)) = (frame.data_ref(), ctx.attempts.last_mut()) {
                    attempt.length += data.len() as u64;
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Some(Err(error)) => Some(Err(cut(&error))),
            None => None,
        };
        self.settle(ctx);
        Poll::Ready(outcome)
    }

    fn close(&mut self, ctx: &mut Ctx, _end: End) {
        self.settle(ctx);
    }

    fn length(&self) -> Option<u64> {
        self.body.as_ref()?.size_hint().exact()
    }
}

fn cut(error: &NetError) -> RelayError {
    tracing::debug!(%error, "upstream answer cut");
    if error.is_timeout() {
        RelayError::UpstreamStalled
    } else {
        RelayError::UpstreamCut
    }
}
