//! What limits said of one request.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

/// What the limits that a request was held to said of it.
#[derive(Debug, Default)]
pub struct Budget {
    /// Whether a limit refused the request, so that nothing is charged for it.
    pub is_refused: bool,
    /// What the client is told of its limits.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The limit that was looked at last.
    pub allowance: Option<Allowance>,
    /// Instances of which nothing was left, in the order in which they were passed over.
    pub exhausted: Vec<Arc<str>>,
    /// When something is left of one of them again, as far as limits said so.
    pub renewed_in: Option<Duration>,
    /// Counters in stores elsewhere of which something was left when they were looked at, so that no
    /// request waits for the same one twice.
    pub counters_with_room: Vec<String>,
    /// Stores of counters that could not be asked, so that no request waits for one twice.
    pub silent_stores: Vec<Arc<str>>,
}

/// One limit at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// What is counted together: the name of an instance, or the key of a rule.
    pub key: String,
    /// How much there is in a window.
    pub limit: u64,
    /// How much of it is left.
    pub remaining: u64,
    /// How long the window goes on.
    pub reset: Duration,
}

/// The value of `$rate_limiting_info`.
#[derive(Serialize)]
struct Info<'a> {
    #[serde(rename = "rate_limiting_key")]
    key: &'a str,
    #[serde(rename = "rate_limiting_limit")]
    limit: u64,
    #[serde(rename = "rate_limiting_remaining")]
    remaining: u64,
    /// Seconds.
    #[serde(rename = "rate_limiting_reset")]
    reset: u64,
}

// === impl Budget ===

impl Budget {
    /// Keeps that nothing is left of this instance, by the limit that was looked at last.
    pub(crate) fn pass_over(&mut self, instance: &str) {
        let reset = self.allowance.as_ref().map(|limit| limit.reset);
        self.renewed_in = self.renewed_in.into_iter().chain(reset).min();
        self.exhausted.push(instance.into());
    }
}

// === impl Allowance ===

impl Allowance {
    /// It as JSON: `{"rate_limiting_key": "a", "rate_limiting_limit": 30, "rate_limiting_remaining":
    /// 10, "rate_limiting_reset": 59}`.
    pub(crate) fn to_json(&self) -> String {
        let info = Info {
            key: &self.key,
            limit: self.limit,
            remaining: self.remaining,
            reset: self.reset.as_secs(),
        };
        serde_json::to_string(&info).unwrap_or_default()
    }
}
