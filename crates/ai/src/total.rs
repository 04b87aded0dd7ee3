//! An attempt within what is left of the time of its exchange.

use std::time::Instant;

use http::StatusCode;
use llm::Ended;
use plugin::{Choice, Ctx, Fault, Reply, Say, Whose};
use tokio::time::timeout_at;

use crate::attempt::attempt;
use crate::candidate::Candidate;
use crate::fallback::Terms;
use crate::instance::Instance;
use crate::next::Next;
use crate::record::{millis, record_end};

/// Asks `instance`, and gives up at `deadline`; a stream that has begun is cut then.
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
        return attempt(ctx, instance, choice, terms, None).await;
    };
    if Instant::now() >= deadline {
        // The attempt before this one has ended by itself, and keeps its own word for that.
        return Err(no_time_left(ctx));
    }
    let before = ctx.attempts.len();
    let outcome = attempt(ctx, instance, choice, terms, Some(deadline));
    match timeout_at(deadline.into(), outcome).await {
        Ok(outcome) => outcome,
        Err(_) => Err(out_of_time(ctx, before)),
    }
}

/// Who is asked after a failure, as far as that is known by `deadline`.
///
/// # Errors
/// At the deadline, a gateway's [`Fault`] that no other attempt may follow.
pub(crate) async fn next_until<'i>(
    ctx: &mut Ctx,
    next: &mut impl Next<'i>,
    deadline: Option<Instant>,
) -> Result<Option<Candidate<'i>>, Fault> {
    let choosing = next.after_failure(ctx);
    let Some(deadline) = deadline else {
        return Ok(choosing.await);
    };
    match timeout_at(deadline.into(), choosing).await {
        Ok(chosen) => Ok(chosen),
        Err(_) => Err(no_time_left(ctx)),
    }
}

/// Ends the running attempt, if it is one after the first `before`, since all time is over.
pub(crate) fn out_of_time(ctx: &mut Ctx, before: usize) -> Fault {
    let running = ctx.attempts.get_mut(before);
    let Some(attempt) = running.filter(|attempt| attempt.ended.is_empty()) else {
        return no_time_left(ctx);
    };
    let status = StatusCode::GATEWAY_TIMEOUT.as_u16();
    attempt.status.get_or_insert(status);
    let start = attempt.start.unwrap_or_else(Instant::now);
    record_end(ctx, start.elapsed(), Ended::TotalTimeout);
    no_time_left(ctx)
}

fn no_time_left(ctx: &mut Ctx) -> Fault {
    let took = ctx.attempts.last().and_then(|attempt| attempt.response);
    if let Some(exchange) = &mut ctx.exchange {
        exchange.upstream_response_time_ms = took.map(millis);
        exchange.ended = Ended::TotalTimeout;
        exchange.done = true;
    }
    let say = Say::ErrorMsg("there was no answer within timeouts.total_ms".to_owned());
    Fault::new(Whose::Gateway, StatusCode::GATEWAY_TIMEOUT, say)
}
