//! The log entry field `llm_attempts`: who was asked, why, and what became of it.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::{Attempt, Choice, Ctx};

/// One attempt; what is not known is absent. Shape: `{"instance": "a", "chosen": "roundrobin",
/// "address": "192.0.2.1:443", "pooled": false, "status": 429, "start_time": 1500000000250,
/// "connect_time": 3, "header_time": 12, "response_time": 12, "ended": "status", "fault": "key"}`.
///
/// Times but `start_time` are milliseconds from the start of the attempt.
#[derive(Debug, Serialize)]
pub(super) struct AttemptEntry<'a> {
    /// The instance that was asked.
    instance: &'a str,
    /// Why it was this one.
    chosen: &'a str,
    /// The address that was dialled; name and port when the name was not resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Cow<'a, str>>,
    /// Whether a kept connection served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pooled: Option<bool>,
    /// Its status, or the one that stands for a failure to reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// When it began, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<i64>,
    /// To an open connection, TLS included.
    #[serde(skip_serializing_if = "Option::is_none")]
    connect_time: Option<u64>,
    /// To the head of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    header_time: Option<u64>,
    /// To the first content of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_content_time: Option<u64>,
    /// To its end, whatever that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_time: Option<u64>,
    /// How it ended.
    ended: &'a str,
    /// Whose fault it was; absent where it is nobody's.
    #[serde(skip_serializing_if = "str::is_empty")]
    fault: &'a str,
}

/// The attempts of a request at instances.
pub(super) fn attempts(ctx: &Ctx) -> Vec<AttemptEntry<'_>> {
    let attempts = ctx.attempts.iter();
    attempts
        .filter_map(|attempt| Some(entry(ctx, attempt, attempt.choice.as_ref()?)))
        .collect()
}

fn entry<'a>(ctx: &Ctx, attempt: &'a Attempt, choice: &'a Choice) -> AttemptEntry<'a> {
    AttemptEntry {
        instance: &choice.instance,
        chosen: choice.reason,
        address: address(attempt),
        pooled: attempt.peer.map(|_| attempt.pooled),
        status: attempt.status,
        start_time: start_time(ctx, attempt),
        connect_time: attempt.connect.map(millis),
        header_time: attempt.header.map(millis),
        first_content_time: attempt.first_content.map(millis),
        response_time: attempt.response.map(millis),
        ended: attempt.ended,
        fault: attempt.fault,
    }
}

fn address(attempt: &Attempt) -> Option<Cow<'_, str>> {
    match attempt.peer {
        Some(peer) => Some(peer.to_string().into()),
        // Of an instance without a host.
        None if &*attempt.address == "-" => None,
        None => Some((&*attempt.address).into()),
    }
}

/// By the wall clock of the request, so that all its times agree.
fn start_time(ctx: &Ctx, attempt: &Attempt) -> Option<i64> {
    let since = attempt
        .start?
        .saturating_duration_since(ctx.request.received);
    let received = Timestamp::try_from(ctx.request.received_at).ok()?;
    received
        .as_millisecond()
        .checked_add(i64::try_from(since.as_millis()).ok()?)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
