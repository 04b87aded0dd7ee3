//! One question to one address.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, header};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::state::{Fall, Finding, Rise};
use crate::tls::ClientTls;

/// The longest status line that is read.
const LONGEST_LINE: usize = 8 * 1024;

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
#[derive(Clone)]
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

// Written by hand: path, headers and body may hold credentials.
impl fmt::Debug for Probe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Probe")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("path", &self.path.path())
            .finish_non_exhaustive()
    }
}

impl Probe {
    /// Asks one address.
    pub(super) async fn ask(&self, address: SocketAddr) -> Finding {
        let asked = timeout(self.timeout, self.find_out(address)).await;
        match asked {
            Ok(Ok(finding)) => finding,
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => Finding::Timeout,
            Ok(Err(_)) => Finding::TcpFailure,
            Err(_) => Finding::Timeout,
        }
    }

    /// The time between two probes of an address.
    pub(super) fn interval(&self, usable: bool) -> Duration {
        if usable {
            self.rise.interval
        } else {
            self.fall.interval
        }
    }

    async fn find_out(&self, address: SocketAddr) -> io::Result<Finding> {
        let stream = TcpStream::connect(address).await?;
        match self.kind {
            ProbeKind::Tcp => Ok(Finding::Success),
            ProbeKind::Http => self.request(stream, address.ip()).await,
            ProbeKind::Https => {
                let (tls, name) = self.tls(address.ip())?;
                let connector = TlsConnector::from(tls.config());
                let stream = connector.connect(name, stream).await?;
                self.request(stream, address.ip()).await
            }
        }
    }

    /// Whom the certificate must name, and how it is checked.
    fn tls(&self, ip: IpAddr) -> io::Result<(ClientTls, ServerName<'static>)> {
        let tls = if self.verify {
            ClientTls::verified()
        } else {
            ClientTls::unverified()
        };
        let name = match &self.server_name {
            Some(name) => ServerName::try_from(name.to_string()).map_err(io::Error::other)?,
            None => ServerName::from(ip),
        };
        Ok((tls.map_err(io::Error::other)?, name))
    }

    async fn request(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        ip: IpAddr,
    ) -> io::Result<Finding> {
        stream.write_all(&self.message(ip)).await?;
        stream.flush().await?;
        let mut heard = Vec::new();
        // Whatever follows the status line says nothing about health.
        while !heard.contains(&b'\n') {
            if heard.len() > LONGEST_LINE {
                return Ok(Finding::HttpFailure);
            }
            if stream.read_buf(&mut heard).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(status(&heard).map_or(Finding::HttpFailure, |status| self.weigh(status)))
    }

    /// The bytes of the request.
    fn message(&self, ip: IpAddr) -> Vec<u8> {
        let mut message = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            message.extend_from_slice(name.as_bytes());
            message.extend_from_slice(b": ");
            message.extend_from_slice(value);
            message.extend_from_slice(b"\r\n");
        };
        if !self.headers.contains_key(header::HOST) {
            line("Host", self.host(ip).as_bytes());
        }
        line("Connection", b"close");
        // Without it some servers answer 411 to a method that usually has a body.
        let has_length = !self.body.is_empty()
            || [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        if has_length {
            line("Content-Length", self.body.len().to_string().as_bytes());
        }
        let framing = [
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
        ];
        let others = self.headers.iter();
        for (name, value) in others.filter(|(name, _)| !framing.contains(name)) {
            line(name.as_str(), value.as_bytes());
        }
        message.extend_from_slice(b"\r\n");
        message.extend_from_slice(&self.body);
        message
    }

    fn host(&self, ip: IpAddr) -> String {
        match (&self.server_name, ip) {
            (Some(name), _) => name.to_string(),
            (None, IpAddr::V4(ip)) => ip.to_string(),
            (None, IpAddr::V6(ip)) => format!("[{ip}]"),
        }
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

/// The code in a status line; `None` when it is none.
fn status(line: &[u8]) -> Option<u16> {
    let line = line.strip_prefix(b"HTTP/")?;
    let mut words = line.split(u8::is_ascii_whitespace);
    let is_version = |word: &[u8]| {
        let mut bytes = word.iter();
        bytes.all(|byte| byte.is_ascii_digit() || *byte == b'.')
    };
    words.next().filter(|word| is_version(word))?;
    let code = words.find(|word| !word.is_empty())?;
    let code = code.get(..3).filter(|_| code.len() == 3)?;
    str::from_utf8(code).ok()?.parse().ok()
}
