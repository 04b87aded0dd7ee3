//! One request, from accept to log: everything that phases share, each field with its one writer.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, Method, StatusCode, Uri, Version};
use llm::{Ended, Exchange};
use smallvec::SmallVec;

use crate::{
    Attempt, Budget, Chain, Consumer, Consumers, ReplySource, RequestBody, RouteFacts, Want, mask,
    var,
};

/// The state of one client request.
#[derive(Debug)]
pub struct Ctx {
    /// What the client asked. Written by the door; plugins may change headers, which the upstream
    /// then sees.
    pub request: ClientRequest,
    /// The request body. Read by whoever needs it first.
    pub body: RequestBody,
    /// The matched route. Written by the gateway after matching.
    pub route: Option<Arc<RouteFacts>>,
    /// Path captures of the matched route (`uri_param_*`). Written by the gateway.
    pub params: Vec<(Arc<str>, String)>,
    /// Who the caller is. Written by an auth plugin.
    pub consumer: Option<Arc<Consumer>>,
    /// Everybody the snapshot knows. Written by the gateway.
    pub consumers: Arc<Consumers>,
    /// The chains that apply, global ones first. Written by the gateway.
    pub chains: SmallVec<[Arc<Chain>; 3]>,
    /// What logs and plugins want decoded from the reply. Written by the gateway.
    pub want: Want,
    /// The AI part of the request. Written by the AI plugins and their relay; its presence means
    /// that the plain upstream is bypassed.
    pub exchange: Option<Box<Exchange>>,
    /// Upstream calls in order. Written by whoever calls upstream.
    pub attempts: SmallVec<[Attempt; 1]>,
    /// What limits said of the request. Written by limiting plugins, and by whoever asks them for
    /// room.
    pub budget: Option<Box<Budget>>,
    /// What went to the client. Written by the gateway's reply.
    pub sent: Sent,
    /// Names of query arguments that hold credentials, so that logs mask them. Written by auth
    /// plugins.
    pub secret_arguments: SmallVec<[Arc<str>; 1]>,
    /// First bytes of the reply for the loggers that asked: (collector, bytes), without bytes when a
    /// condition refused. Written by collectors.
    pub(crate) collected: SmallVec<[(u32, Option<Vec<u8>>); 1]>,
    /// Links whose `_meta.filter` has been decided: (chain, link) → run. Written by the chain.
    pub(crate) filters: SmallVec<[(u32, bool); 4]>,
}

/// What a client asked, as received.
pub struct ClientRequest {
    /// Request id, unique per request; `$request_id` and `$apisix_request_id`.
    pub id: Arc<str>,
    /// Method.
    pub method: Method,
    /// Request target as received.
    pub uri: Uri,
    /// Normalised, percent-decoded path without query; what routes match on (`$uri`).
    pub path: String,
    /// Protocol version.
    pub version: Version,
    /// Headers; hop-by-hop headers are already removed.
    pub headers: HeaderMap,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host without port, lower case; empty when the client sent none.
    pub host: String,
    /// Address of the client.
    pub peer: SocketAddr,
    /// Address the client connected to.
    pub local: SocketAddr,
    /// When the head was complete.
    pub received: Instant,
    /// The same by the wall clock.
    pub received_at: SystemTime,
    /// TLS server name the client asked for.
    pub server_name: Option<Arc<str>>,
}

/// What was sent to the client so far.
#[derive(Debug)]
pub struct Sent {
    /// Status, once known.
    pub status: Option<StatusCode>,
    /// Reply headers, once known.
    pub headers: HeaderMap,
    /// Body bytes handed to the client's socket.
    pub bytes: u64,
    /// Who made the answer.
    pub source: ReplySource,
    /// How it ended, once it has.
    pub end: Option<End>,
    /// From the request's head to the end of the reply.
    pub duration: Duration,
}

/// How a reply ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The whole reply was handed over.
    Complete,
    /// The client left first.
    ClientGone,
    /// The upstream or a limit cut the reply; the client's connection was cut too.
    Cut,
}

// === impl ClientRequest ===

// Written by hand: headers and query hold the client's credentials.
impl fmt::Debug for ClientRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientRequest")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("host", &self.host)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

// === impl Ctx ===

impl Ctx {
    /// The state of a request that was just received.
    pub fn new(request: ClientRequest, body: RequestBody, consumers: Arc<Consumers>) -> Self {
        Self {
            request,
            body,
            route: None,
            params: Vec::new(),
            consumer: None,
            consumers,
            chains: SmallVec::new(),
            want: Want::NONE,
            exchange: None,
            attempts: SmallVec::new(),
            budget: None,
            sent: Sent::default(),
            secret_arguments: SmallVec::new(),
            collected: SmallVec::new(),
            filters: SmallVec::new(),
        }
    }

    /// From the request's head to the end of the reply, or until now.
    pub fn elapsed(&self) -> Duration {
        match self.sent.end {
            Some(_) => self.sent.duration,
            None => self.request.received.elapsed(),
        }
    }

    /// Bytes of the request, head and body, as HTTP/1.1 writes them and as far as they are known.
    pub fn request_length(&self) -> u64 {
        var::request::length(self)
    }

    /// Bytes of the reply, head and body, as HTTP/1.1 writes them.
    pub fn reply_length(&self) -> u64 {
        var::reply::length(self)
    }

    /// Path and query as received, with the values of secret arguments masked: for logs.
    pub fn masked_target(&self) -> Cow<'_, str> {
        mask::target(self.request.target(), &self.secret_arguments)
    }

    /// The upstream's part of that time: of all attempts together, or of the last one of an AI request,
    /// as APISIX counts; `None` when nobody was called.
    pub fn upstream_time(&self) -> Option<Duration> {
        if let Some(exchange) = &self.exchange {
            return exchange
                .upstream_response_time_ms
                .map(Duration::from_millis);
        }
        let times = self.attempts.iter().filter_map(|attempt| attempt.response);
        times.reduce(|all, one| all + one)
    }
}

// === impl ClientRequest ===

impl ClientRequest {
    /// Path and query as received.
    pub fn target(&self) -> &str {
        self.uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
    }
}

impl Ctx {
    /// Writes how the reply ended into the record; called once, before the log phase.
    ///
    /// A client that left before there was an answer leaves an exchange, and perhaps an attempt, that
    /// nobody else ends.
    pub fn close(&mut self, end: End) {
        self.sent.end = Some(end);
        self.sent.duration = self.request.received.elapsed();
        let Some(exchange) = &mut self.exchange else {
            return;
        };
        if exchange.ended != Ended::Running {
            return;
        }
        exchange.ended = match end {
            End::ClientGone => Ended::ClientGone,
            End::Complete | End::Cut => Ended::Failed,
        };
        exchange.done = true;
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.end(exchange.ended.name());
            exchange.upstream_response_time_ms = attempt.response.map(whole_millis);
        }
    }

    /// The word for how the AI part of the request ended, of an attempt that failed its own;
    /// `None` without an AI part.
    pub fn exchange_end(&self) -> Option<&'static str> {
        let ended = self.exchange.as_ref()?.ended;
        let attempt = self.attempts.last().filter(|_| ended == Ended::Failed);
        let word = attempt.map(|attempt| attempt.ended);
        Some(word.filter(|word| !word.is_empty()).unwrap_or(ended.name()))
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// === impl Sent ===

impl Default for Sent {
    fn default() -> Self {
        Self {
            status: None,
            headers: HeaderMap::new(),
            bytes: 0,
            source: ReplySource::Gateway,
            end: None,
            duration: Duration::ZERO,
        }
    }
}

// === impl End ===

impl End {
    /// The word in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_disconnect",
            Self::Cut => "cut",
        }
    }
}
