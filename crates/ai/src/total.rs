//! An attempt within what is left of the time of its exchange.

use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use http_body::Frame;
use llm::Ended;
use plugin::{Choice, Ctx, End, Fault, Relay, RelayError, Reply, ReplyBody, Say, Whose};
use tokio::time::timeout_at;

use crate::attempt::attempt;
use crate::deadline::TOTAL_TIMEOUT;
use crate::fallback::Terms;
use crate::instance::Instance;
use crate::record::{record_end, record_reason};

/// A relay that ends with its exchange's time.
struct Bounded(Box<dyn Relay>);

/// Asks `instance`, and gives up at `deadline`.
///
/// # Errors
/// Those of [`attempt`]; at the deadline, a gateway's [`Fault`] that no other attempt may follow.
pub(crate) async fn attempt_until(
    ctx: &mut Ctx,
    instance: &Instance,
    choice: Choice,
    terms: &Terms,
    deadline: Option<Instant>,
) -> Result<Reply, Fault> {
    let Some(deadline) = deadline else {
        return attempt(ctx, instance, choice, terms).await;
    };
    let start = Instant::now();
    let left = deadline.saturating_duration_since(start);
    let mut terms = terms.clone();
    let longest = &mut terms.limits.max_stream_duration;
    let is_first = longest.is_none_or(|longest| left <= longest);
    if is_first {
        *longest = Some(left);
    }
    let before = ctx.attempts.len();
    let outcome = timeout_at(deadline.into(), attempt(ctx, instance, choice, &terms)).await;
    match outcome {
        Ok(Ok(reply)) if is_first => Ok(bounded(reply)),
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(fault)) if Instant::now() < deadline => Err(fault),
        Ok(Err(_)) | Err(_) => {
            if ctx.attempts.len() > before {
                record_end(ctx, start.elapsed(), 0, Ended::Failed);
                record_reason(ctx, TOTAL_TIMEOUT);
            }
            Err(out_of_time(ctx))
        }
    }
}

fn bounded(reply: Reply) -> Reply {
    let body = match reply.body {
        ReplyBody::Relay(relay) => ReplyBody::Relay(Box::new(Bounded(relay))),
        whole => whole,
    };
    Reply { body, ..reply }
}

fn out_of_time(ctx: &mut Ctx) -> Fault {
    let status = StatusCode::GATEWAY_TIMEOUT;
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.status.get_or_insert(status.as_u16());
    }
    let say = Say::ErrorMsg("there was no answer within timeouts.total_ms".to_owned());
    Fault::new(Whose::Gateway, status, say)
}

// === impl Bounded ===

impl Relay for Bounded {
    fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
        ctx: &mut Ctx,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.0.poll_frame(task, ctx)
    }

    fn close(&mut self, ctx: &mut Ctx, end: End) {
        self.0.close(ctx, end);
        let ended = ctx.attempts.last().map(|attempt| attempt.ended);
        if ended == Some(Ended::DurationLimit.name()) {
            record_reason(ctx, TOTAL_TIMEOUT);
        }
    }

    fn length(&self) -> Option<u64> {
        self.0.length()
    }
}
