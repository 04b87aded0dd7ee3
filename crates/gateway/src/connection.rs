//! One client connection: which protocol it speaks, how long it may wait, how it is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use net::deadline::SendBound;
use net::strict::Strict;
use pin_project_lite::pin_project;
use telemetry::metrics::{ConnectionGuard, ConnectionState};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use crate::deadline::after;
use crate::drain::{Drain, Stopping};
use crate::gateway::Core;
use crate::request;
use crate::settings::Limits;
use crate::stream::{Activity, Doing, Socket, Stream};

/// What the requests of one connection share.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) core: Arc<Core>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) scheme: &'static str,
    pub(crate) server_name: Option<Arc<str>>,
    /// The client's address as a header value.
    pub(crate) peer_address: HeaderValue,
    /// The port that the client connected to, as a header value.
    pub(crate) local_port: HeaderValue,
    activity: Arc<Activity>,
    state: ConnectionGuard,
}

/// How a listener takes its connections.
#[derive(Clone)]
pub(crate) struct Reception {
    pub(crate) core: Arc<Core>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) http2: bool,
    pub(crate) drain: Arc<Drain>,
}

/// A connection whose protocol is known.
struct Opening {
    socket: Socket,
    early: Bytes,
    protocol: Protocol,
    server_name: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// What an HTTP/2 client sends first, when it knows that it is understood.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read at once to tell the protocol: mostly the whole head of the first request.
const FIRST_READ: usize = 4 * 1024;

/// How much a connection buffers for one stream of HTTP/2 before its client has taken it.
const STREAM_BUFFER: usize = 64 * 1024;

/// However short connections may idle, HTTP/2 clients are not pinged more often than this.
const LEAST_PING_INTERVAL: Duration = Duration::from_secs(1);

/// The room that an HTTP/2 client has for the bodies it sends: per stream, and for all together.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

// === impl Client ===

impl Client {
    pub(crate) fn begin(&self) {
        if self.activity.begin() == 1 {
            self.state.set_state(ConnectionState::Writing);
        }
    }

    /// A request ends; `is_unread` when its client may still be sending its body.
    pub(crate) fn end(&self, is_unread: bool) {
        if is_unread {
            self.activity.leave_unread();
        }
        if self.activity.end() == 0 {
            self.state.set_state(ConnectionState::Waiting);
        }
    }
}

// === impl Reception ===

impl Reception {
    /// Serves a connection to its end.
    pub(crate) async fn serve(self, socket: TcpStream, peer: SocketAddr) {
        if let Err(error) = self.try_serve(socket, peer).await {
            tracing::debug!(%peer, %error, "client connection lost");
        }
    }

    async fn try_serve(self, socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let local = socket.local_addr()?;
        let state = self.core.metrics.connection_opened();
        let limit = self.core.settings.limits.header_timeout;
        let opening = tokio::select! {
            biased;
            opening = timeout(limit, self.open(socket)) => opening??,
            // Nobody waits for an answer yet.
            () = self.drain.listen() => return Ok(()),
        };
        let Opening {
            socket,
            early,
            protocol,
            server_name,
        } = opening;
        let activity = Arc::new(Activity::default());
        let client = Arc::new(Client {
            core: Arc::clone(&self.core),
            peer,
            local,
            scheme: if self.tls.is_some() { "https" } else { "http" },
            server_name,
            peer_address: header_value(&peer.ip().to_canonical()),
            local_port: HeaderValue::from(local.port()),
            activity: Arc::clone(&activity),
            state,
        });
        let limits = &self.core.settings.limits;
        let stream = Stream::new(socket, early, Arc::clone(&activity));
        let patience = Patience::new(activity, limits, protocol);
        let stopping = self.drain.listen();
        match protocol {
            Protocol::Http1 => serve_http1(stream, client, patience, stopping).await,
            Protocol::Http2 => serve_http2(stream, client, patience, stopping).await,
        }
    }

    /// Finds out what is spoken.
    async fn open(&self, mut socket: TcpStream) -> io::Result<Opening> {
        let Some(acceptor) = &self.tls else {
            let (early, protocol) = read_first(&mut socket, self.http2).await?;
            return Ok(Opening {
                socket: Socket::Plain(socket),
                early,
                protocol,
                server_name: None,
            });
        };
        let secured = acceptor.accept(socket).await?;
        let (_, session) = secured.get_ref();
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Ok(Opening {
            early: Bytes::new(),
            protocol,
            server_name: session.server_name().map(Into::into),
            socket: Socket::Tls(Box::new(secured)),
        })
    }
}

async fn serve_http1(
    stream: Stream,
    client: Arc<Client>,
    patience: Patience,
    stopping: Stopping,
) -> io::Result<()> {
    let limits = &client.core.settings.limits;
    let max_head = usize::try_from(limits.max_head).unwrap_or(usize::MAX);
    let io = TokioIo::new(Strict::new(SendBound::new(
        stream,
        Some(limits.send_timeout),
    )));
    let connection = http1::Builder::new()
        .max_header_size(max_head)
        .max_headers(limits.max_headers)
        .serve_connection(
            io,
            service_fn(move |request| request::serve(Arc::clone(&client), request)),
        );
    Watched::new(connection, patience, stopping).await
}

async fn serve_http2(
    stream: Stream,
    client: Arc<Client>,
    patience: Patience,
    stopping: Stopping,
) -> io::Result<()> {
    let limits = &client.core.settings.limits;
    let io = TokioIo::new(SendBound::new(stream, Some(limits.send_timeout)));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(limits.max_head)
        .max_send_buf_size(STREAM_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(limits.keepalive_timeout.max(LEAST_PING_INTERVAL))
        .keep_alive_timeout(limits.send_timeout)
        .serve_connection(
            io,
            service_fn(move |request| request::serve(Arc::clone(&client), request)),
        );
    Watched::new(connection, patience, stopping).await
}

/// Reads until the protocol is known; the bytes are handed on.
async fn read_first(socket: &mut TcpStream, http2: bool) -> io::Result<(Bytes, Protocol)> {
    let mut early = BytesMut::with_capacity(FIRST_READ);
    loop {
        let length = socket.read_buf(&mut early).await?;
        let shared = early
            .iter()
            .zip(PREFACE)
            .take_while(|(a, b)| a == b)
            .count();
        if !http2 || length == 0 || shared < early.len().min(PREFACE.len()) {
            return Ok((early.freeze(), Protocol::Http1));
        }
        if shared == PREFACE.len() {
            return Ok((early.freeze(), Protocol::Http2));
        }
    }
}

fn header_value(address: &std::net::IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The bound on how long a connection may do nothing, or be slow with a head.
///
/// While requests are served nothing is timed here, and between them the timer is moved only when
/// it would fire too late; a deadline that has moved on is looked at again when it fires.
#[derive(Debug)]
struct Patience {
    activity: Arc<Activity>,
    header: Duration,
    keepalive: Duration,
    seen: Doing,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
}

// === impl Patience ===

impl Patience {
    fn new(activity: Arc<Activity>, limits: &Limits, protocol: Protocol) -> Self {
        let deadline = after(limits.keepalive_timeout);
        Self {
            activity,
            header: match protocol {
                Protocol::Http1 => limits.header_timeout,
                // Frames that are no requests come at any time.
                Protocol::Http2 => limits.keepalive_timeout,
            },
            keepalive: limits.keepalive_timeout,
            seen: Doing::Waiting(0),
            deadline,
            timer: Box::pin(sleep_until(deadline)),
        }
    }

    /// Ready when the client has kept this side waiting for too long.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let doing = self.activity.doing();
        if doing != self.seen {
            self.seen = doing;
            self.deadline = match doing {
                Doing::Waiting(_) => after(self.keepalive),
                Doing::Head(_) => after(self.header),
                Doing::Working => return Poll::Pending,
            };
            if self.deadline < self.timer.deadline() {
                self.timer.as_mut().reset(self.deadline);
            }
        }
        if doing == Doing::Working {
            return Poll::Pending;
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if Instant::now() >= self.deadline {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.deadline);
        }
    }
}

/// A connection of either protocol that can be asked to come to an end.
trait Serving: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

pin_project! {
    /// A connection that ends when its client is too slow, or soon after the process is told to.
    struct Watched<C> {
        #[pin]
        connection: C,
        patience: Patience,
        #[pin]
        stopping: Stopping,
        finishing: bool,
    }
}

// === impl Watched ===

impl<C: Serving> Watched<C> {
    fn new(connection: C, patience: Patience, stopping: Stopping) -> Self {
        Self {
            connection,
            patience,
            stopping,
            finishing: false,
        }
    }
}

impl<C: Serving> Future for Watched<C> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if !*this.finishing && this.stopping.poll(cx).is_ready() {
            *this.finishing = true;
            this.connection.as_mut().finish();
        }
        if let Poll::Ready(ended) = this.connection.poll(cx) {
            return Poll::Ready(ended.map_err(io::Error::other));
        }
        this.patience
            .poll_lost(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I, S, B> Serving for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B, E> Serving for http2::Connection<I, S, E>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
