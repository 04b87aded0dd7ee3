//! Health checks of an instance, as the operator writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Health checks of an instance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Checks {
    /// Probes that the gateway sends.
    #[expect(dead_code, reason = "checked here, used where instances are probed")]
    active: Active,
    /// Judgement by real traffic; not looked into, as APISIX has it for instances.
    #[serde(default)]
    #[expect(dead_code, reason = "a compatible configuration may carry it")]
    passive: Option<Map<String, Value>>,
}

/// How a probe is made.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A request over plain HTTP.
    #[default]
    Http,
    /// A request over TLS.
    Https,
    /// Only a connection.
    Tcp,
}

/// The method of a probe.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    #[default]
    Get,
    Post,
    Put,
    Delete,
    Patch,
    Head,
    Options,
    Connect,
    Trace,
    Purge,
}

/// Probes that the gateway sends.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Active {
    /// How a probe is made.
    r#type: Kind,
    /// Seconds that a probe may take.
    timeout: f64,
    /// Probes that run at once.
    concurrency: u32,
    /// The host name that a probe asks for at a numeric address.
    #[schemars(regex(pattern = r"^\*?[0-9a-zA-Z-._\[\]:]+$"))]
    host: Option<String>,
    /// The port that is probed; the instance's own when absent.
    #[schemars(range(min = 1, max = 65535))]
    port: Option<u16>,
    /// The method of a probe.
    http_method: Method,
    /// The path that a probe asks for.
    http_path: String,
    /// The body of a probe.
    http_req_body: String,
    /// Whether the instance's certificate is checked.
    https_verify_certificate: bool,
    /// Header lines of a probe, such as `X-Probe: 1`.
    #[schemars(length(min = 1))]
    req_headers: Option<Vec<String>>,
    /// When an instance counts as healthy again.
    healthy: Healthy,
    /// When an instance counts as unhealthy.
    unhealthy: Unhealthy,
}

/// When an instance counts as healthy again.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Healthy {
    /// Seconds between two probes of a healthy instance.
    #[schemars(range(min = 1))]
    interval: u32,
    /// Statuses that count as success.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    http_statuses: Vec<u16>,
    /// Successes in a row that make an instance healthy.
    #[schemars(range(min = 1, max = 254))]
    successes: u8,
}

/// When an instance counts as unhealthy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Unhealthy {
    /// Seconds between two probes of an unhealthy instance.
    #[schemars(range(min = 1))]
    interval: u32,
    /// Statuses that count as failure.
    #[schemars(length(min = 1), inner(range(min = 200, max = 599)), extend("uniqueItems" = true))]
    http_statuses: Vec<u16>,
    /// Failed requests in a row that make an instance unhealthy.
    #[schemars(range(min = 1, max = 254))]
    http_failures: u8,
    /// Failed connections in a row that make an instance unhealthy.
    #[schemars(range(min = 1, max = 254))]
    tcp_failures: u8,
    /// Timeouts in a row that make an instance unhealthy.
    #[schemars(range(min = 1, max = 254))]
    timeouts: u8,
}

// === defaults ===

impl Default for Active {
    fn default() -> Self {
        Self {
            r#type: Kind::default(),
            timeout: 1.0,
            concurrency: 10,
            host: None,
            port: None,
            http_method: Method::default(),
            http_path: "/".to_owned(),
            http_req_body: String::new(),
            https_verify_certificate: true,
            req_headers: None,
            healthy: Healthy::default(),
            unhealthy: Unhealthy::default(),
        }
    }
}

impl Default for Healthy {
    fn default() -> Self {
        Self {
            interval: 1,
            http_statuses: vec![200, 302],
            successes: 2,
        }
    }
}

impl Default for Unhealthy {
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
