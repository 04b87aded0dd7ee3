//! Health checks of an upstream.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared;

/// How a node is probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckType {
    /// A request over plain HTTP.
    #[default]
    Http,
    /// A request over TLS.
    Https,
    /// Only a connection.
    Tcp,
}

/// Health checks: probes of our own, and judgement by real traffic.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Checks {
    /// Probes that the gateway sends.
    pub active: ActiveCheck,
    /// Judgement by the replies of real traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passive: Option<PassiveCheck>,
}

/// Probes that the gateway sends.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActiveCheck {
    /// How a node is probed.
    pub r#type: CheckType,
    /// Seconds that a probe may take.
    pub timeout: f64,
    /// Probes that run at once.
    pub concurrency: u32,
    /// The host name that a probe asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::host")]
    pub host: Option<String>,
    /// The port that is probed; the node's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The method of a probe.
    pub http_method: String,
    /// The path that a probe asks for.
    pub http_path: String,
    /// The body of a probe.
    pub http_req_body: String,
    /// Whether the node's certificate is checked.
    pub https_verify_certificate: bool,
    /// Header lines of a probe, such as `X-Probe: 1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub req_headers: Option<Vec<String>>,
    /// When a node counts as healthy again.
    pub healthy: ActiveHealthy,
    /// When a node counts as unhealthy.
    pub unhealthy: ActiveUnhealthy,
}

/// When a probed node counts as healthy again.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActiveHealthy {
    /// Seconds between two probes of a healthy node.
    #[schemars(range(min = 1))]
    pub interval: u32,
    /// Statuses that count as success.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    pub http_statuses: Vec<u16>,
    /// Successes in a row that make a node healthy.
    #[schemars(range(min = 1, max = 254))]
    pub successes: u8,
}

/// When a probed node counts as unhealthy.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ActiveUnhealthy {
    /// Seconds between two probes of an unhealthy node.
    #[schemars(range(min = 1))]
    pub interval: u32,
    /// Statuses that count as failure.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    pub http_statuses: Vec<u16>,
    /// Failed requests in a row that make a node unhealthy.
    #[schemars(range(min = 1, max = 254))]
    pub http_failures: u8,
    /// Failed connections in a row that make a node unhealthy.
    #[schemars(range(min = 1, max = 254))]
    pub tcp_failures: u8,
    /// Timeouts in a row that make a node unhealthy.
    #[schemars(range(min = 1, max = 254))]
    pub timeouts: u8,
}

/// Judgement by the replies of real traffic.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveCheck {
    /// How the upstream is spoken to.
    pub r#type: CheckType,
    /// When a node counts as healthy again.
    pub healthy: PassiveHealthy,
    /// When a node counts as unhealthy.
    pub unhealthy: PassiveUnhealthy,
}

/// When real traffic makes a node healthy again.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveHealthy {
    /// Statuses that count as success.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    pub http_statuses: Vec<u16>,
    /// Successes in a row that make a node healthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    pub successes: u8,
}

/// When real traffic makes a node unhealthy.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PassiveUnhealthy {
    /// Statuses that count as failure.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    pub http_statuses: Vec<u16>,
    /// Failed requests in a row that make a node unhealthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    pub http_failures: u8,
    /// Failed connections in a row that make a node unhealthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    pub tcp_failures: u8,
    /// Timeouts in a row that make a node unhealthy; 0 for never.
    #[schemars(range(min = 0, max = 254))]
    pub timeouts: u8,
}

// === defaults ===

impl Default for ActiveCheck {
    fn default() -> Self {
        Self {
            r#type: CheckType::default(),
            timeout: 1.0,
            concurrency: 10,
            host: None,
            port: None,
            http_method: "GET".to_owned(),
            http_path: "/".to_owned(),
            http_req_body: String::new(),
            https_verify_certificate: true,
            req_headers: None,
            healthy: ActiveHealthy::default(),
            unhealthy: ActiveUnhealthy::default(),
        }
    }
}

impl Default for ActiveHealthy {
    fn default() -> Self {
        Self {
            interval: 1,
            http_statuses: vec![200, 302],
            successes: 2,
        }
    }
}

impl Default for ActiveUnhealthy {
    fn default() -> Self {
        Self {
            interval: 1,
            http_statuses: vec![429, 404, 500, 501, 502, 503, 504, 505],
            http_failures: 5,
            tcp_failures: 2,
            timeouts: 3,
        }
    }
}

impl Default for PassiveHealthy {
    fn default() -> Self {
        let http_statuses = (200..=208).chain([226]).chain(300..=308).collect();
        Self {
            http_statuses,
            successes: 5,
        }
    }
}

impl Default for PassiveUnhealthy {
    fn default() -> Self {
        Self {
            http_statuses: vec![429, 500, 503],
            http_failures: 5,
            tcp_failures: 2,
            timeouts: 7,
        }
    }
}
