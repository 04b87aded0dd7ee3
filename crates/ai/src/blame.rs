//! Whose fault a failed attempt is, and how long the upstream asks to be left alone.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use plugin::Attempt;

#[cfg(test)]
mod tests;

/// How much of an error is looked at.
const LOOKED_AT: usize = 4096;

/// What providers say when a conversation does not fit into the model.
const TOO_LONG: [&[u8]; 6] = [
    b"context_length_exceeded",
    b"context length",
    b"context window",
    b"prompt is too long",
    b"input is too long",
    b"exceeds the maximum number of tokens",
];

/// What providers say when they refuse the content rather than the key.
const REFUSED_CONTENT: [&[u8]; 5] = [
    b"moderation",
    b"content_policy",
    b"content_filter",
    b"content management policy",
    b"flagged",
];

/// Who caused a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The instance's key: refused, unpaid, or over its limit.
    Key,
    /// The provider, or the way to it.
    Provider,
    /// What the client asked for, or the key it sent itself.
    Client,
    /// The conversation is longer than the model takes.
    ContextLength,
}

// === impl Blame ===

impl Blame {
    /// The word for it in logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Provider => "provider",
            Self::Client => "client",
            Self::ContextLength => "context_length",
        }
    }

    /// Whether other requests to the same instance would fare no better.
    pub(crate) const fn is_of_instance(self) -> bool {
        matches!(self, Self::Key | Self::Provider)
    }

    /// Whose fault an answer of this status is; `None` when it is nobody's.
    ///
    /// `has_key` tells whether the instance has a key of its own. Without one the client's is sent,
    /// and its refusal says nothing of other clients.
    pub(crate) fn of_status(status: StatusCode, body: &[u8], has_key: bool) -> Option<Self> {
        if !status.is_client_error() && !status.is_server_error() {
            return None;
        }
        let body = body.get(..LOOKED_AT).unwrap_or(body);
        let says = |words: &[&[u8]]| {
            let mut words = words.iter();
            words.any(|word| memchr::memmem::find(body, word).is_some())
        };
        if says(&TOO_LONG) {
            return Some(Self::ContextLength);
        }
        Some(match status.as_u16() {
            403 if says(&REFUSED_CONTENT) => Self::Client,
            401 | 402 | 403 | 429 if has_key => Self::Key,
            408 => Self::Provider,
            400..500 => Self::Client,
            _ => Self::Provider,
        })
    }

    /// Whose fault it is that an event of a stream reports a failure, by its data.
    pub(crate) fn of_report(data: &[u8]) -> Self {
        // The status of the stream itself says that all is well.
        Self::of_status(StatusCode::BAD_GATEWAY, data, true).unwrap_or(Self::Provider)
    }

    /// Whose fault a failed attempt is, with the body of its answer; `None` when it is nobody's.
    pub(crate) fn of_attempt(attempt: &Attempt, body: &[u8], has_key: bool) -> Option<Self> {
        let status = attempt.status.and_then(|status| {
            let status = StatusCode::from_u16(status);
            status.ok()
        });
        match attempt.ended {
            // An empty word: the answer is still being relayed.
            "" | "status" | "complete" => Self::of_status(status?, body, has_key),
            "error_event" | "error_answer" => Some(Self::of_report(body)),
            "credential" => Some(Self::Key),
            "resolve"
            | "connect"
            | "tls"
            | "timeout"
            | "cut"
            | "protocol"
            | "coding"
            | "no_body"
            | "not_json"
            | "no_content"
            | "upstream_cut"
            | "read_error"
            | "connect_timeout"
            | "first_byte_timeout"
            | "first_content_timeout"
            | "total_timeout" => Some(Self::Provider),
            _ => None,
        }
    }
}

/// How long the upstream asks to be left alone.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let text = text(header::RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(SystemTime::now()).ok()
}
