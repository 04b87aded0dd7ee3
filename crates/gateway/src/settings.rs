//! What the operator may set about listening, limits and logging.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use plugin::Template;
use telemetry::log_sink::LogSink;

/// How the gateway serves; read once at start.
#[derive(Debug)]
pub struct Settings {
    /// The bounds on what a client may do.
    pub limits: Limits,
    /// The `Server` header of every answer; none removes it.
    pub server: Option<HeaderValue>,
    /// Where each request leaves its line.
    pub access_log: Option<AccessLog>,
    /// Proxies whose `X-Forwarded-*` headers are believed; with an empty list, what clients send in
    /// `X-Forwarded-For` is kept and added to.
    pub trusted_addresses: Vec<IpNet>,
    /// Whether `X-APISIX-Upstream-Status` is told on every answer of an upstream, and not only on
    /// failures.
    pub always_tell_upstream_status: bool,
}

/// The bounds on what a client may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time from the first byte of a request to the end of its head, and for a TLS
    /// handshake.
    pub header_timeout: Duration,
    /// Longest pause between two pieces of a request body.
    pub body_timeout: Duration,
    /// Longest time that a client may leave no room for what is sent to it.
    pub send_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub keepalive_timeout: Duration,
    /// Largest head of a request, in bytes.
    pub max_head: u32,
    /// Largest number of header fields of a request.
    pub max_headers: usize,
    /// Largest body of a request, in bytes; none sets no bound.
    pub max_body: Option<u64>,
    /// Largest body that is read for a route condition such as `post_arg.model`, in bytes; none
    /// sets no bound.
    pub max_condition_body: Option<u64>,
    /// Requests that one HTTP/2 connection may have in flight.
    pub max_streams: u32,
    /// How long requests in flight may take when the process stops.
    pub drain_timeout: Duration,
}

/// Where and how each request leaves its line.
#[derive(Clone, Debug)]
pub struct AccessLog {
    /// The file.
    pub sink: Arc<LogSink>,
    /// How the line is written.
    pub format: LogFormat,
}

/// How a line of the access log is written.
#[derive(Clone, Debug)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// A text with `$variables`.
    Text(Template),
}

/// How routes are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// What is looked at first, and whether `:name` stands for a path segment.
    pub kind: RouterKind,
    /// Whether one slash at the end of a path is ignored.
    pub ignores_tail_slash: bool,
    /// Whether `%2F` is no slash for matching.
    pub keeps_encoded_slash: bool,
}

/// The router kinds of APISIX (`apisix.router.http`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouterKind {
    /// `radixtree_host_uri`: the host first, then the path.
    #[default]
    HostUri,
    /// `radixtree_uri`: the path; the host is a condition.
    Uri,
    /// `radixtree_uri_with_parameter`: as `Uri`, and `:name` stands for one segment.
    UriWithParameter,
}

/// A word that names no router kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected radixtree_host_uri, radixtree_uri or radixtree_uri_with_parameter, found {0:?}")]
pub struct UnknownRouter(String);

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            server: Some(HeaderValue::from_static(concat!(
                "Tollgate/",
                env!("CARGO_PKG_VERSION")
            ))),
            access_log: None,
            trusted_addresses: Vec::new(),
            always_tell_upstream_status: false,
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    /// A minute for each wait, 10 seconds for the client to take what is sent, heads up to 32 KiB
    /// with 100 fields, bodies without bound, 128 streams, 240 seconds to drain.
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_mins(1),
            body_timeout: Duration::from_mins(1),
            send_timeout: Duration::from_secs(10),
            keepalive_timeout: Duration::from_mins(1),
            max_head: 32 * 1024,
            max_headers: 100,
            max_body: None,
            max_condition_body: Some(plugin::LARGEST_FOR_VARIABLES),
            max_streams: 128,
            drain_timeout: Duration::from_mins(4),
        }
    }
}

// === impl RouterKind ===

impl FromStr for RouterKind {
    type Err = UnknownRouter;

    fn from_str(word: &str) -> Result<Self, UnknownRouter> {
        match word {
            "radixtree_host_uri" => Ok(Self::HostUri),
            "radixtree_uri" => Ok(Self::Uri),
            "radixtree_uri_with_parameter" => Ok(Self::UriWithParameter),
            other => Err(UnknownRouter(other.to_owned())),
        }
    }
}
