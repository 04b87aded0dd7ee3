//! One question to one address.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::state::{Fall, Finding, Rise};
use crate::error::NetError;
use crate::origin::{Origin, OriginSettings, Scheme, Timeouts};
use crate::request_body::RequestBody;

/// How a target is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A request over plain HTTP.
    Http,
    /// A request over TLS.
    Https,
    /// Only a connection.
    Tcp,
}

/// What is asked of a target, and what its answers mean.
#[derive(Clone, Debug)]
pub struct Probe {
    /// How it is asked.
    pub kind: ProbeKind,
    /// Name or address of the target, an IPv6 address without brackets.
    pub host: Arc<str>,
    /// The port that is asked.
    pub port: u16,
    /// What `Host` and SNI carry, without a port; the address itself when absent.
    pub server_name: Option<Arc<str>>,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: PathAndQuery,
    /// Headers, besides `Host` and `Connection`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whether the certificate is checked.
    pub verify: bool,
    /// How long a probe may take in all.
    pub timeout: Duration,
    /// How many addresses are asked at once.
    pub concurrency: usize,
    /// When an address counts as healthy again.
    pub rise: Rise,
    /// When an address counts as unhealthy.
    pub fall: Fall,
}

// === impl ProbeKind ===

impl ProbeKind {
    /// The word for it in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
        }
    }
}

// === impl Probe ===

impl Probe {
    /// Asks one address.
    pub(super) async fn ask(&self, address: SocketAddr) -> Finding {
        let asked = async {
            match self.kind {
                ProbeKind::Tcp => match TcpStream::connect(address).await {
                    Ok(_) => Finding::Success,
                    Err(_) => Finding::TcpFailure,
                },
                ProbeKind::Http => self.request(address, Scheme::Http).await,
                ProbeKind::Https => self.request(address, Scheme::Https).await,
            }
        };
        timeout(self.timeout, asked)
            .await
            .unwrap_or(Finding::Timeout)
    }

    /// The time between two probes of an address.
    pub(super) fn interval(&self, usable: bool) -> Duration {
        if usable {
            self.rise.interval
        } else {
            self.fall.interval
        }
    }

    async fn request(&self, address: SocketAddr, scheme: Scheme) -> Finding {
        let mut settings =
            OriginSettings::new(scheme, address.ip().to_string().into(), address.port());
        settings.server_name.clone_from(&self.server_name);
        settings.verify = self.verify;
        settings.keepalive = None;
        let origin = match Origin::new(settings) {
            Ok(origin) => origin,
            Err(error) => return judge(&error),
        };
        match origin
            .send(self.message(address), Timeouts::all(self.timeout))
            .await
        {
            Ok(answer) => self.weigh(answer.head.status.as_u16()),
            Err(error) => judge(&error),
        }
    }

    fn message(&self, address: SocketAddr) -> Request<RequestBody> {
        let body = if self.body.is_empty() {
            RequestBody::Empty
        } else {
            RequestBody::Full(self.body.clone())
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.path.clone());
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let host = match (&self.server_name, address.ip()) {
            (Some(name), _) => name.to_string(),
            (None, IpAddr::V4(ip)) => ip.to_string(),
            (None, IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        if let Ok(host) = HeaderValue::try_from(host) {
            headers.entry(header::HOST).or_insert(host);
        }
        request
    }

    fn weigh(&self, status: u16) -> Finding {
        if self.rise.statuses.contains(&status) {
            Finding::Success
        } else if self.fall.statuses.contains(&status) {
            Finding::HttpFailure
        } else {
            Finding::Nothing
        }
    }
}

fn judge(error: &NetError) -> Finding {
    match error {
        NetError::Timeout { .. } => Finding::Timeout,
        NetError::Protocol { .. } => Finding::HttpFailure,
        _ => Finding::TcpFailure,
    }
}
