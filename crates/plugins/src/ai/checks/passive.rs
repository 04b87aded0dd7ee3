//! Judgement by real traffic, as the operator writes it.
//!
//! compat: apache/apisix takes it for the instances of `ai-proxy-multi` and never feeds it; breakers
//! do what it is meant for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Kind;

/// Judgement by real traffic: checked, and without effect, as in APISIX. See `breaker`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Passive {
    /// How an instance is spoken to.
    r#type: Kind,
    /// When real traffic makes an instance healthy again.
    healthy: Healthy,
    /// When real traffic makes an instance unhealthy.
    unhealthy: Unhealthy,
}

/// When real traffic makes an instance healthy again.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct Healthy {
    /// Statuses that count as success.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    http_statuses: Vec<u16>,
    /// Successes in a row that make an instance healthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    successes: u8,
}

/// When real traffic makes an instance unhealthy.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct Unhealthy {
    /// Statuses that count as failure.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    http_statuses: Vec<u16>,
    /// Failed requests in a row that make an instance unhealthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    http_failures: u8,
    /// Failed connections in a row that make an instance unhealthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    tcp_failures: u8,
    /// Timeouts in a row that make an instance unhealthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    timeouts: u8,
}

// === defaults ===

impl Default for Healthy {
    fn default() -> Self {
        Self {
            http_statuses: (200..=208).chain([226]).chain(300..=308).collect(),
            successes: 5,
        }
    }
}

impl Default for Unhealthy {
    fn default() -> Self {
        Self {
            http_statuses: vec![429, 500, 503],
            http_failures: 5,
            tcp_failures: 2,
            timeouts: 7,
        }
    }
}
