//! The log entry field `llm_attempts`: who was asked, why, and what became of it.

use serde::Serialize;

use crate::{Attempt, Ctx};

/// One attempt. Shape:
/// `{"instance":"a","chosen":"roundrobin","status":429,"duration":12,"ended":"status","fault":"key"}`.
#[derive(Debug, Serialize)]
pub(super) struct AttemptEntry<'a> {
    /// The instance that was asked.
    instance: &'a str,
    /// Why it was this one.
    chosen: &'a str,
    /// Its status, or the one that stands for a failure to reach it; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Milliseconds to the end of its answer.
    duration: u64,
    /// How it ended.
    ended: &'a str,
    /// Whose fault it was; absent where it is nobody's.
    #[serde(skip_serializing_if = "str::is_empty")]
    fault: &'a str,
}

/// The attempts of a request at instances.
pub(super) fn attempts(ctx: &Ctx) -> Vec<AttemptEntry<'_>> {
    ctx.attempts.iter().filter_map(entry).collect()
}

fn entry(attempt: &Attempt) -> Option<AttemptEntry<'_>> {
    let choice = attempt.choice.as_ref()?;
    let duration = attempt.response.unwrap_or_default().as_millis();
    Some(AttemptEntry {
        instance: &choice.instance,
        chosen: choice.reason,
        status: attempt.status,
        duration: u64::try_from(duration).unwrap_or(u64::MAX),
        ended: attempt.ended,
        fault: attempt.fault,
    })
}
