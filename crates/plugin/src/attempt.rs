//! The record of one upstream call.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One upstream call, AI or plain; `upstream_*` variables list all attempts of a request.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    /// `host:port` as configured.
    pub address: Arc<str>,
    /// When it began; `None` where nobody keeps that, or nobody was called.
    pub start: Option<Instant>,
    /// The address that was dialled last, or that the kept connection leads to; `None` before the
    /// name is resolved.
    pub peer: Option<SocketAddr>,
    /// Whether a kept connection served.
    pub pooled: bool,
    /// Whether `peer` is an address that health checks chose, instead of the resolver.
    pub steered: bool,
    /// Host name of the upstream.
    pub host: Arc<str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Path sent upstream, without query.
    pub path: Arc<str>,
    /// Upstream status, or the status that stands for a transport failure.
    pub status: Option<u16>,
    /// Time to connect; `None` when a pooled connection served.
    pub connect: Option<Duration>,
    /// Time to the response head.
    pub header: Option<Duration>,
    /// Time to the first content of a stream; `None` for other answers, and where nobody can tell.
    pub first_content: Option<Duration>,
    /// Time to the end of the body.
    pub response: Option<Duration>,
    /// Body bytes read from the upstream.
    pub length: u64,
    /// Which instance was asked, when the request is an AI exchange.
    pub choice: Option<Choice>,
    /// How long the upstream asked to be left alone.
    pub retry_after: Option<Duration>,
    /// The word for whose fault it was; empty where it is nobody's.
    pub fault: &'static str,
    /// The word for how it ended; empty while it has not, and where nobody says.
    pub ended: &'static str,
}

/// The choice of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Name of the instance.
    pub instance: Arc<str>,
    /// The word for why it was this one: the algorithm, `single` or `fallback`.
    pub reason: &'static str,
}

/// Held while an attempt is in flight; dropping it ends what the observer began.
pub struct AttemptGuard(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send + Sync>);

// === impl Attempt ===

impl Attempt {
    /// The address as configured, without port and without the brackets of an IPv6 address.
    pub fn ip(&self) -> &str {
        let host = self
            .address
            .rsplit_once(':')
            .map_or(&*self.address, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Ends it if nobody has, with the time until now.
    pub(crate) fn end(&mut self, word: &'static str) {
        if self.ended.is_empty() {
            self.ended = word;
            let elapsed = self.start.map(|start| start.elapsed());
            self.response = self.response.or(elapsed);
        }
    }

    /// The port as configured.
    pub fn port(&self) -> Option<u16> {
        self.address.rsplit_once(':')?.1.parse().ok()
    }
}

// === impl AttemptGuard ===

impl AttemptGuard {
    /// Wraps what must be dropped at the end of the attempt.
    pub fn new(held: impl Send + Sync + 'static) -> Self {
        Self(Box::new(held))
    }
}

impl fmt::Debug for AttemptGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptGuard")
    }
}
