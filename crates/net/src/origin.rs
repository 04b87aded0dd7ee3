//! One upstream target: where it is, how it is reached, and the connections kept for it.

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use rustls_pki_types::ServerName;

use crate::{
    error::NetError,
    peers::Peers,
    pool::Pool,
    tls::{ClientTls, TlsError},
};

/// How an upstream is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP/1.1 over TCP.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
}

/// What is kept for the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection may lie unused.
    pub idle: Duration,
    /// How many unused connections are kept, at each address that calls are sent to by
    /// [`Origin::at`]; further ones are closed.
    pub size: usize,
    /// How many calls one connection serves; `None` sets no bound.
    pub requests: Option<u64>,
}

/// The bounds on inactivity of a call: none of them bounds the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For resolving and connecting together, and again for the TLS handshake.
    pub connect: Duration,
    /// For each write that finds no room.
    pub send: Duration,
    /// For the head of the answer, and for each wait for more of its body.
    pub read: Duration,
}

/// Describes an [`Origin`].
#[derive(Debug, Clone)]
pub struct OriginSettings {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// A host name or an IP address, an IPv6 address without brackets.
    pub host: Arc<str>,
    /// The TCP port.
    pub port: u16,
    /// The name that the certificate must bear and that SNI carries; `None` means `host`.
    pub server_name: Option<Arc<str>>,
    /// Whether the certificate is checked. Without it anyone on the way can read the traffic.
    pub verify: bool,
    /// How certificates are checked instead of the process-wide default of `verify`.
    pub tls: Option<ClientTls>,
    /// What is kept for the next call; `None` closes each connection after its call.
    pub keepalive: Option<KeepAlive>,
    /// The largest head of an answer, in bytes.
    pub max_head: usize,
    /// The largest number of header fields in an answer.
    pub max_headers: usize,
}

/// One upstream target with the connections kept for it. Cheap to clone: clones share them.
#[derive(Clone)]
pub struct Origin {
    pub(crate) shared: Arc<Shared>,
    /// Where calls go; `None` leaves it to the resolver.
    pub(crate) peers: Option<Peers>,
}

pub(crate) struct Shared {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) tls: Option<(ClientTls, ServerName<'static>)>,
    pub(crate) host_header: HeaderValue,
    pub(crate) max_head: usize,
    pub(crate) max_headers: usize,
    pub(crate) pool: Option<Pool>,
    authority: Box<str>,
    scheme: Scheme,
}

// === impl Scheme ===

impl Scheme {
    /// The port that goes without saying.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The name as it stands in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

// === impl Timeouts ===

impl Timeouts {
    /// The same bound for each wait.
    pub const fn all(each: Duration) -> Self {
        Self {
            connect: each,
            send: each,
            read: each,
        }
    }
}

// === impl KeepAlive ===

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(1),
            size: 30,
            requests: None,
        }
    }
}

// === impl OriginSettings ===

impl OriginSettings {
    /// Settings with verification on, 30 connections kept for a minute, heads up to 64 KiB.
    pub fn new(scheme: Scheme, host: Arc<str>, port: u16) -> Self {
        Self {
            scheme,
            host,
            port,
            server_name: None,
            verify: true,
            tls: None,
            keepalive: Some(KeepAlive::default()),
            max_head: 64 * 1024,
            max_headers: 100,
        }
    }
}

// === impl Origin ===

impl Origin {
    /// Prepares a target. Nothing is resolved or opened yet.
    ///
    /// # Errors
    ///
    /// [`NetError::Settings`] when the host or the server name cannot stand in a header or a TLS
    /// handshake.
    pub fn new(settings: OriginSettings) -> Result<Self, NetError> {
        let authority = authority(settings.scheme, &settings.host, settings.port);
        let host_header = HeaderValue::from_str(&authority)
            .map_err(|_| NetError::Settings(TlsError::ServerName(settings.host.as_ref().into())))?;
        let tls = match settings.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(client_tls(&settings).map_err(NetError::Settings)?),
        };
        let shared = Shared {
            host: settings.host,
            port: settings.port,
            tls,
            host_header,
            max_head: settings.max_head,
            max_headers: settings.max_headers,
            pool: settings.keepalive.and_then(Pool::new),
            authority,
            scheme: settings.scheme,
        };
        Ok(Self {
            shared: Arc::new(shared),
            peers: None,
        })
    }

    /// The same target, whose calls go to the first of these addresses, and to the next only where
    /// no connection can be opened. `Host` and the name in the certificate stay as they are.
    ///
    /// A kept connection serves only calls to its own address.
    #[must_use]
    pub fn at(&self, peers: Peers) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            peers: Some(peers),
        }
    }

    /// The host, followed by the port unless it is the scheme's own: what `Host` carries.
    pub fn authority(&self) -> &str {
        &self.shared.authority
    }

    /// The host name or address as configured.
    pub fn host(&self) -> &str {
        &self.shared.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Plain or TLS.
    pub fn scheme(&self) -> Scheme {
        self.shared.scheme
    }

    /// Closes the kept connections that have lain too long or that the peer has closed.
    ///
    /// Calls skip such connections by themselves; a sweeper frees their sockets earlier.
    pub fn drop_expired(&self) {
        if let Some(pool) = &self.shared.pool {
            pool.drop_expired();
        }
    }

    /// How many connections are kept at this moment.
    pub fn idle_connections(&self) -> usize {
        self.shared.pool.as_ref().map_or(0, Pool::len)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Origin({}://{})",
            self.shared.scheme.as_str(),
            self.shared.authority
        )
    }
}

fn client_tls(settings: &OriginSettings) -> Result<(ClientTls, ServerName<'static>), TlsError> {
    let name = settings.server_name.as_ref().unwrap_or(&settings.host);
    let name = ServerName::try_from(name.to_string())
        .map_err(|_| TlsError::ServerName(name.as_ref().into()))?;
    let tls = match (&settings.tls, settings.verify) {
        (Some(tls), _) => tls.clone(),
        (None, true) => ClientTls::verified()?,
        (None, false) => ClientTls::unverified()?,
    };
    Ok((tls, name))
}

fn authority(scheme: Scheme, host: &str, port: u16) -> Box<str> {
    let (open, close) = if host.contains(':') {
        ("[", "]")
    } else {
        ("", "")
    };
    if port == scheme.default_port() {
        format!("{open}{host}{close}").into()
    } else {
        format!("{open}{host}{close}:{port}").into()
    }
}
