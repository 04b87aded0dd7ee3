//! What is written down of an attempt.

use std::time::{Duration, Instant};

use http::StatusCode;
use llm::Ended;
use net::{Answer, Contact, NetError};
use plugin::Ctx;

use crate::blame::retry_after;

/// 504 when time ran out, 500 for everything else, as APISIX answers.
pub(crate) fn status_of(error: &NetError) -> StatusCode {
    if error.is_timeout() {
        StatusCode::GATEWAY_TIMEOUT
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

/// Writes when the attempt began into the request's record.
pub(crate) fn record_start(ctx: &mut Ctx, start: Instant) {
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.start = Some(start);
    }
}

/// Writes how an attempt comes by its connection into the request's record.
pub(crate) fn record_contact(ctx: &mut Ctx, contact: Contact) {
    let Some(attempt) = ctx.attempts.last_mut() else {
        return;
    };
    match contact {
        Contact::Kept(peer) => (attempt.peer, attempt.pooled) = (Some(peer), true),
        Contact::Dialling(peer) => (attempt.peer, attempt.pooled) = (Some(peer), false),
        Contact::Connected(time) => attempt.connect = Some(time),
    }
}

/// Writes what the head of an answer says into the request's record.
pub(crate) fn record_head(ctx: &mut Ctx, answer: &Answer, start: Instant) {
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.status = Some(answer.head.status.as_u16());
        attempt.header = Some(start.elapsed());
        attempt.retry_after = retry_after(&answer.head.headers);
    }
}

/// Writes how many bytes of a body have come into the request's record.
pub(crate) fn record_length(ctx: &mut Ctx, length: u64) {
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.length = length;
    }
}

/// Writes how an attempt ended into the request's record.
pub(crate) fn record_end(ctx: &mut Ctx, elapsed: Duration, ended: Ended) {
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.response = Some(elapsed);
        attempt.ended = ended.name();
    }
    if let Some(exchange) = &mut ctx.exchange {
        exchange.upstream_response_time_ms = Some(millis(elapsed));
        exchange.ended = ended;
        exchange.done = true;
    }
}

/// Writes that an attempt failed, and why in a word of the trail, into the request's record.
pub(crate) fn record_failure(ctx: &mut Ctx, elapsed: Duration, word: &'static str) {
    record_end(ctx, elapsed, Ended::Failed);
    record_reason(ctx, word);
}

/// Writes why the last attempt was no answer, in a word of the trail.
pub(crate) fn record_reason(ctx: &mut Ctx, word: &'static str) {
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.ended = word;
    }
}

/// The word of the trail for a failed call.
pub(crate) const fn word_for(error: &NetError) -> &'static str {
    match error {
        NetError::Settings(_) => "settings",
        NetError::Resolve { .. } => "resolve",
        NetError::Connect(_) => "connect",
        NetError::Tls(_) => "tls",
        NetError::Timeout { .. } => "timeout",
        NetError::Lost { .. } => "cut",
        NetError::Protocol { .. } => "protocol",
        NetError::Coding(_) => "coding",
        NetError::RequestBody(_) => "request_body",
    }
}

/// Whole milliseconds.
pub(crate) fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// An error with everything that caused it, for the operator's log.
pub(crate) struct Chain<'a>(pub(crate) &'a NetError);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = std::error::Error::source(self.0);
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}
