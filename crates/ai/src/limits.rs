//! What bounds an exchange.

use std::time::Duration;

use net::{KeepAlive, Timeouts};

use crate::deadline::Deadlines;

/// Bounds and switches that hold for every instance of one plugin configuration.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the configuration"
)]
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub max_request_bytes: u64,
    /// Longest silence of an upstream, for each of connecting, sending and receiving.
    pub timeout: Duration,
    /// By when certain things must have happened.
    pub deadlines: Deadlines,
    /// Longest time of a streamed answer, from the start of its attempt.
    pub max_stream_duration: Option<Duration>,
    /// Largest answer, in bytes.
    pub max_response_bytes: Option<u64>,
    /// Whether pieces that are readable at once leave as one write.
    pub join_writes: bool,
    /// Whether log entries carry a summary of the exchange.
    pub log_summaries: bool,
    /// Whether log entries carry the request's content and the answer's text.
    pub log_payloads: bool,
    /// What is kept of upstream connections; `None` closes each one after its call.
    pub keepalive: Option<KeepAlive>,
    /// Whether upstream certificates are checked.
    pub verify: bool,
}

// === impl Limits ===

impl Limits {
    /// The bounds of one call.
    pub(crate) fn timeouts(&self) -> Timeouts {
        let timeouts = Timeouts::all(self.timeout);
        Timeouts {
            connect: self.deadlines.connect.unwrap_or(self.timeout),
            ..timeouts
        }
    }
}
