//! Timeouts of single steps, as the operator writes them.

use std::time::Duration;

use ai::Deadlines;
use schemars::JsonSchema;
use serde::Deserialize;

/// Timeouts of single steps; Tollgate's own. Each is without effect when absent.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// Longest time of connecting, and again of the TLS handshake, in milliseconds; instead of
    /// `timeout`.
    #[serde(default, rename = "connect_ms")]
    #[schemars(range(min = 1, max = 86_400_000))]
    connect: Option<u64>,
    /// Longest time from the start of an attempt to the head of its answer, in milliseconds.
    #[serde(default, rename = "first_byte_ms")]
    #[schemars(range(min = 1, max = 86_400_000))]
    first_byte: Option<u64>,
    /// Longest time from the start of an attempt to the first content of a stream, whoever asked for
    /// one, in milliseconds.
    #[serde(default, rename = "first_content_ms")]
    #[schemars(range(min = 1, max = 86_400_000))]
    first_content: Option<u64>,
    /// Longest time of all attempts together, up to the end of the answer, in milliseconds; a stream
    /// that has begun is cut then.
    #[serde(default, rename = "total_ms")]
    #[schemars(range(min = 1, max = 86_400_000))]
    total: Option<u64>,
}

// === impl Timeouts ===

impl Timeouts {
    pub(crate) fn deadlines(self) -> Deadlines {
        Deadlines {
            connect: self.connect.map(Duration::from_millis),
            first_byte: self.first_byte.map(Duration::from_millis),
            first_content: self.first_content.map(Duration::from_millis),
            total: self.total.map(Duration::from_millis),
        }
    }
}
