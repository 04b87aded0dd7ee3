//! Health checks of an instance, as the operator writes them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use net::health::{Fall, Probe, ProbeKind, Rise};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use plugin::{ConfigError, Secret, is_reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod passive;

use passive::Passive;

/// What a query argument may hold as it is.
const ARGUMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Who is probed, and with which credentials.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) host: &'a Arc<str>,
    pub(crate) port: u16,
    /// Headers that authenticate: name and value.
    pub(crate) headers: &'a [(String, Secret)],
    /// Query arguments that authenticate: name and value.
    pub(crate) query: &'a [(String, Secret)],
}

/// Health checks of an instance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Checks {
    /// Probes that the gateway sends.
    active: Active,
    #[serde(default)]
    passive: Option<Passive>,
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
pub(crate) enum Verb {
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
    #[schemars(range(max = 86_400))]
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
    http_method: Verb,
    /// The path that a probe asks for.
    http_path: String,
    /// The body of a probe.
    http_req_body: String,
    /// Whether the instance's certificate is checked.
    https_verify_certificate: bool,
    /// Header lines of a probe, such as `X-Probe: 1`; lines that belong to the connection, such as
    /// `Content-Length`, are left out, and so is `Host` beside `host`.
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

// === impl Checks ===

impl Checks {
    /// Whether they hold a judgement by real traffic, which has no effect.
    pub(crate) fn has_passive(&self) -> bool {
        self.passive.is_some()
    }

    /// Whether what a probe says or asks for is a reference without a value.
    pub(crate) fn lack_a_value(&self) -> bool {
        let active = &self.active;
        let mut texts = [&active.http_path, &active.http_req_body]
            .into_iter()
            .chain(&active.host);
        texts.any(|text| is_reference(text))
    }

    /// The probe of a target.
    ///
    /// # Errors
    /// When the time, the path or a header cannot be used.
    pub(crate) fn probe(&self, target: Target<'_>) -> Result<Probe, ConfigError> {
        let active = &self.active;
        let is_address = target.host.parse::<IpAddr>().is_ok();
        let server_name = if is_address {
            active.host.as_deref().map(Into::into)
        } else {
            Some(target.host.clone())
        };
        Ok(Probe {
            kind: active.r#type.into(),
            host: target.host.clone(),
            port: active.port.unwrap_or(target.port),
            server_name,
            method: active.http_method.method(),
            path: active.path(target.query)?,
            headers: active.headers(target.headers)?,
            body: Bytes::from(active.http_req_body.clone()),
            verify: active.https_verify_certificate,
            timeout: active.timeout()?,
            concurrency: active.concurrency as usize,
            rise: active.healthy.rise(),
            fall: active.unhealthy.fall(),
        })
    }
}

// === impl Kind ===

impl From<Kind> for ProbeKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Http => Self::Http,
            Kind::Https => Self::Https,
            Kind::Tcp => Self::Tcp,
        }
    }
}

// === impl Verb ===

impl Verb {
    fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Delete => Method::DELETE,
            Self::Patch => Method::PATCH,
            Self::Head => Method::HEAD,
            Self::Options => Method::OPTIONS,
            Self::Connect => Method::CONNECT,
            Self::Trace => Method::TRACE,
            Self::Purge => Method::from_bytes(b"PURGE").unwrap_or_default(),
        }
    }
}

// === impl Active ===

impl Active {
    fn timeout(&self) -> Result<Duration, ConfigError> {
        let timeout = Duration::try_from_secs_f64(self.timeout).unwrap_or_default();
        if timeout.is_zero() {
            return Err(ConfigError::at(
                "/checks/active/timeout",
                format!(
                    "checks.active.timeout: expected seconds above 0, found {}",
                    self.timeout
                ),
            ));
        }
        Ok(timeout)
    }

    /// The path, and the arguments that authenticate after those it has.
    fn path(&self, query: &[(String, Secret)]) -> Result<PathAndQuery, ConfigError> {
        let mut path = self.http_path.clone();
        for (name, value) in query {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.extend(utf8_percent_encode(name, ARGUMENT));
            path.push('=');
            path.extend(utf8_percent_encode(value.expose(), ARGUMENT));
        }
        let wrong = || {
            ConfigError::at(
                "/checks/active/http_path",
                format!(
                    "checks.active.http_path: expected a path that begins with /, found {:?}",
                    self.http_path
                ),
            )
        };
        if !path.starts_with('/') {
            return Err(wrong());
        }
        PathAndQuery::try_from(path).map_err(|_| wrong())
    }

    /// The configured lines, and the headers that authenticate unless a line says the same.
    fn headers(&self, auth: &[(String, Secret)]) -> Result<HeaderMap, ConfigError> {
        let mut headers = HeaderMap::new();
        for (index, line) in self.req_headers.iter().flatten().enumerate() {
            // A reference without a value is no line that anybody should see.
            if is_reference(line) {
                continue;
            }
            let pair = line
                .split_once(':')
                .and_then(|(name, value)| header(name, value));
            let Some((name, value)) = pair else {
                return Err(ConfigError::at(
                    format!("/checks/active/req_headers/{index}"),
                    format!(
                        "checks.active.req_headers[{}]: expected a line such as X-Probe: 1",
                        index + 1
                    ),
                ));
            };
            let is_told_elsewhere = name == header::HOST && self.host.is_some();
            if !is_told_elsewhere && !is_connections_own(&name) {
                headers.append(name, value);
            }
        }
        for (name, value) in auth {
            // What cannot be sent is refused where the instance itself is compiled.
            let Some((name, value)) = header(name, value.expose()) else {
                continue;
            };
            // As in requests, it does not say whom they are for.
            if name == header::HOST || is_connections_own(&name) {
                continue;
            }
            if headers.get_all(&name).iter().all(|known| known != value) {
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

/// Whether a header says how this one message is framed, or what becomes of its connection.
fn is_connections_own(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 7] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    NAMES.contains(name) || ["keep-alive", "proxy-connection"].contains(&name.as_str())
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(value.trim()).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

// === impl Healthy ===

impl Healthy {
    fn rise(&self) -> Rise {
        Rise {
            interval: Duration::from_secs(self.interval.into()),
            statuses: self.http_statuses.clone(),
            successes: self.successes,
        }
    }
}

// === impl Unhealthy ===

impl Unhealthy {
    fn fall(&self) -> Fall {
        Fall {
            interval: Duration::from_secs(self.interval.into()),
            statuses: self.http_statuses.clone(),
            http_failures: self.http_failures,
            tcp_failures: self.tcp_failures,
            timeouts: self.timeouts,
        }
    }
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
            http_method: Verb::default(),
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
