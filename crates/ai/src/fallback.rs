//! When a failed attempt is followed by one at another instance.

use std::time::Duration;

use http::StatusCode;

use crate::limits::Limits;

/// What an exchange is held to: bounds of its attempts, and what follows a failed one.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Bounds of every attempt.
    pub limits: Limits,
    /// What follows a failed attempt.
    pub fallback: Fallback,
    /// The word for how the first instance is chosen.
    pub choice: &'static str,
}

/// Which failed attempts are followed by one at another instance.
///
/// Only ever before the first byte has reached the client. Source: apache/apisix
/// `apisix/plugins/ai-proxy/base.lua`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallback {
    /// An answer of 429.
    pub on_429: bool,
    /// An answer of 500 to 599, and everything that stands for one: an upstream that cannot be
    /// reached, is silent for too long, or breaks off before its first content.
    pub on_5xx: bool,
    /// Answers of these statuses.
    pub statuses: Vec<u16>,
    /// How many further attempts one request may make; as many as there are instances when absent.
    pub max_retries: Option<u64>,
    /// An attempt that took longer is the last one.
    pub within: Option<Duration>,
}

// === impl Terms ===

impl Terms {
    /// The terms of an exchange with a single instance: its first attempt is its last.
    pub fn single(limits: Limits) -> Self {
        Self {
            limits,
            fallback: Fallback::default(),
            choice: "single",
        }
    }
}

// === impl Fallback ===

impl Fallback {
    /// Whether a failure of this status may be followed by another attempt.
    pub fn takes(&self, status: StatusCode) -> bool {
        (self.on_429 && status == StatusCode::TOO_MANY_REQUESTS)
            || (self.on_5xx && status.is_server_error())
            || self.lists(status)
    }

    /// Whether the status is one of those that are failures only because they are listed.
    pub(crate) fn lists(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status.as_u16())
    }

    /// Whether another attempt may follow one that took `elapsed`, after `retries` retries.
    pub(crate) fn allows_another(&self, retries: u64, elapsed: Duration) -> bool {
        self.within.is_none_or(|within| elapsed <= within)
            && self.max_retries.is_none_or(|most| retries < most)
    }

    /// Whether a broken answer may be replaced by another instance's, so that it is worth looking
    /// at an answer before the client sees it.
    pub(crate) fn replaces_broken_answers(&self) -> bool {
        let stands_for = [
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::BAD_GATEWAY,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        self.max_retries != Some(0) && stands_for.into_iter().any(|status| self.takes(status))
    }
}
