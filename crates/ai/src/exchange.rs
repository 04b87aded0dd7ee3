//! One exchange: attempts at one instance after another, until there is an answer.

use std::time::Instant;

use http::StatusCode;
use llm::{Ended, Usage};
use plugin::{Choice, Ctx, Fault, Reply, Retry};

use crate::candidate::Candidate;
use crate::fallback::Terms;
use crate::instance::Instance;
use crate::next::Next;
use crate::total::{attempt_until, next_until};
use crate::verdict::Trial;

/// Asks `first` what the client asked, and after each failure that the terms let pass whoever `next`
/// names, until one answers. Every attempt starts from the client's own body.
///
/// # Errors
/// The [`Fault`] of an attempt that nothing may follow. When `next` has nobody left: 502, with the
/// body of the last upstream that gave one.
pub async fn exchange<'i>(
    ctx: &mut Ctx,
    first: impl Into<Candidate<'i>> + Send,
    terms: &Terms,
    mut next: impl Next<'i>,
) -> Result<Reply, Fault> {
    let mut candidate = first.into();
    let total = terms.limits.deadlines.total;
    let deadline = total.and_then(|total| Instant::now().checked_add(total));
    let mut retries = 0;
    let mut told = None;
    loop {
        let Candidate {
            instance,
            permit,
            reason,
        } = candidate;
        let start = Instant::now();
        let trial = Trial {
            before: ctx.attempts.len(),
            has_key: instance.has_key(),
            permit,
        };
        let choice = Choice {
            instance: instance.name().clone(),
            reason: reason.unwrap_or(if retries == 0 {
                terms.choice
            } else {
                "fallback"
            }),
        };
        let outcome = attempt_until(ctx, instance, choice, terms, deadline).await;
        let fault = match trial.judge(ctx, outcome) {
            Ok(reply) => return Ok(reply),
            Err(fault) => fault,
        };
        if let Some(seat) = &instance.seat
            && fault.retry() == Retry::Elsewhere
        {
            seat.fail();
        }
        let may_follow = fault.retry() == Retry::Elsewhere
            && terms.fallback.takes(fault.status())
            && terms.fallback.allows_another(retries, start.elapsed());
        if !may_follow {
            return Err(fault);
        }
        let Some(other) = next_until(ctx, &mut next, deadline).await? else {
            return Err(exhausted(fault, told));
        };
        tell_of_fallback(ctx, instance, &fault, &other);
        told = Some(fault).filter(Fault::has_upstream_body).or(told);
        forget_attempt(ctx);
        retries += 1;
        candidate = other;
    }
}

/// Says who failed, for which request, and who is asked instead.
fn tell_of_fallback(ctx: &Ctx, failed: &Instance, fault: &Fault, next: &Candidate<'_>) {
    tracing::warn!(
        request_id = &*ctx.request.id,
        route = ctx.route.as_ref().map(|route| &*route.id),
        instance = &**failed.name(),
        ended = ctx.attempts.last().map(|attempt| attempt.ended),
        status = fault.status().as_u16(),
        cause = fault.cause(),
        next = &**next.instance.name(),
        "an instance failed, another one is asked"
    );
}

/// What is said when every instance has failed.
fn exhausted(last: Fault, told: Option<Fault>) -> Fault {
    let fault = match told {
        Some(told) if !last.has_upstream_body() => told,
        _ => last,
    };
    fault.answered_with(StatusCode::BAD_GATEWAY)
}

/// Takes back what the failed attempt wrote into the exchange, so that nothing of it is taken for
/// the next one's.
fn forget_attempt(ctx: &mut Ctx) {
    let Some(exchange) = &mut ctx.exchange else {
        return;
    };
    exchange.usage = Usage::default();
    exchange.raw_usage = None;
    exchange.has_tool_calls = false;
    exchange.text.clear();
    exchange.text_known = false;
    exchange.time_to_first_token_ms = None;
    exchange.upstream_response_time_ms = None;
    exchange.done = false;
    exchange.ended = Ended::Running;
    if let Some(scan) = ctx.body.scanned() {
        let facts = exchange.dialect.protocol().facts(scan);
        exchange.tool_count = facts.tool_count;
        exchange.end_user = facts.end_user.unwrap_or_default();
    }
}
