//! One call: a request written, the head of its answer read, both by the caller's own task.

use std::{
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body::{Body, Frame};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use crate::{
    answer::{Answer, AnswerBody},
    bell::Bell,
    connect,
    error::{NetError, Phase},
    origin::{Origin, Timeouts},
    peers::Peers,
    pool::Shelf,
    request_body::{RequestBody, Upload},
    resend,
    socket::{Socket, Traffic},
    stall::Stall,
};

type Connection = http1::Connection<TokioIo<Socket>, Upload>;
type Reply = Result<Response<Incoming>, TrySendError<Request<Upload>>>;

/// An open connection with everything that a call needs, reused with it.
pub(crate) struct Live {
    sender: http1::SendRequest<Upload>,
    connection: Connection,
    state: State,
    traffic: Arc<Traffic>,
    bell: Bell,
    stall: Stall,
    peer: SocketAddr,
    opened: Instant,
    /// How long the handshake took that opened it.
    round_trip: Duration,
    served: u64,
}

enum State {
    Open,
    Closed,
    Failed(NetError),
}

/// How a call comes by its connection; told as it happens, so that it is known of calls that fail
/// and of calls that are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contact {
    /// A kept connection to this address takes the call.
    Kept(SocketAddr),
    /// A connection to this address is being opened.
    Dialling(SocketAddr),
    /// It is open, TLS included, after this time.
    Connected(Duration),
}

/// A call that came to nothing.
struct Failure {
    error: NetError,
    /// The peer had closed the kept connection before the request came, or asking twice does no harm.
    stale: bool,
    /// The request, when the codec did not touch it.
    untouched: Option<Request<RequestBody>>,
}

// === impl Origin ===

impl Origin {
    /// Sends a request and waits for the head of its answer.
    ///
    /// The request's URI is the request target (`/path?query`); `Host` is added when it is missing.
    /// A kept connection that turns out to be closed already is replaced once by a new one, unless the
    /// body is a [`RequestBody::Stream`] that has begun to flow. It counts as closed already when the
    /// request could not be written to it, or when it was lost within the time that a close needs to
    /// be heard of: the round trip of its TCP handshake, at most 1 s, and 10 ms. A later loss is an
    /// error, since the peer may have worked on the request; only a request without a body whose
    /// method is idempotent is sent again then. After a byte of an answer, none is. Dropping the
    /// future, or later the body, closes the connection.
    ///
    /// # Errors
    ///
    /// See [`NetError`]; each wait is bounded by `timeouts`.
    pub async fn send(
        &self,
        request: Request<RequestBody>,
        timeouts: Timeouts,
    ) -> Result<Answer, NetError> {
        self.send_telling(request, timeouts, |_| {}).await
    }

    /// As [`Origin::send`]; `tell` hears how the call comes by its connection.
    ///
    /// # Errors
    ///
    /// Those of [`Origin::send`].
    pub async fn send_telling(
        &self,
        mut request: Request<RequestBody>,
        timeouts: Timeouts,
        mut tell: impl FnMut(Contact) + Send,
    ) -> Result<Answer, NetError> {
        self.complete(&mut request);
        let first = self.peers.as_ref().and_then(Peers::first);
        let kept = self.shelf(first.map(|peer| peer.ip));
        if let Some(live) = kept.as_ref().and_then(|kept| kept.take(first)) {
            tell(Contact::Kept(live.peer));
            let replay = copy(&request);
            match call(live, kept.clone(), request, timeouts).await {
                Ok(answer) => return Ok(answer),
                Err(Failure {
                    error,
                    stale,
                    untouched,
                }) => match untouched.or(replay).filter(|_| stale) {
                    Some(again) => request = again,
                    None => return Err(error),
                },
            }
        }
        let start = Instant::now();
        let live = connect::open(self, timeouts.connect, &mut tell).await?;
        let connect = start.elapsed();
        tell(Contact::Connected(connect));
        // The first address may not have been the one that took the call.
        let kept = match first {
            Some(_) => self.shelf(Some(live.peer.ip())),
            None => kept,
        };
        let answer = call(live, kept, request, timeouts)
            .await
            .map_err(|failure| failure.error)?;
        Ok(Answer {
            connect: Some(connect),
            ..answer
        })
    }

    /// Adds what every request must carry.
    fn complete(&self, request: &mut Request<RequestBody>) {
        let bodiless = request.body().is_end_stream();
        let meant_to_have_one = matches!(
            *request.method(),
            Method::POST | Method::PUT | Method::PATCH
        );
        let headers = request.headers_mut();
        if !headers.contains_key(header::HOST) {
            headers.insert(header::HOST, self.shared.host_header.clone());
        }
        // Without it some servers answer 411 to a method that usually has a body.
        if bodiless && meant_to_have_one && !headers.contains_key(header::CONTENT_LENGTH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
    }

    /// Where kept connections to an address lie; `None` when none are kept.
    fn shelf(&self, ip: Option<IpAddr>) -> Option<Arc<Shelf>> {
        let pool = self.shared.pool.as_ref()?;
        Some(pool.shelf(ip))
    }
}

async fn call(
    mut live: Box<Live>,
    shelf: Option<Arc<Shelf>>,
    request: Request<RequestBody>,
    timeouts: Timeouts,
) -> Result<Answer, Failure> {
    let response = live.exchange(request, timeouts).await?;
    let peer = live.peer;
    let (head, incoming) = response.into_parts();
    let body = AnswerBody::new(shelf, live, incoming, timeouts.read);
    Ok(Answer {
        head,
        body,
        connect: None,
        peer,
    })
}

// === impl Live ===

impl Live {
    pub(crate) fn new(
        sender: http1::SendRequest<Upload>,
        connection: Connection,
        traffic: Arc<Traffic>,
        peer: SocketAddr,
        round_trip: Duration,
    ) -> Self {
        Self {
            sender,
            connection,
            state: State::Open,
            traffic,
            bell: Bell::new(),
            stall: Stall::new(),
            peer,
            opened: Instant::now(),
            round_trip,
            served: 0,
        }
    }

    /// When the connection was opened.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// How many calls were made on this connection.
    pub(crate) fn served(&self) -> u64 {
        self.served
    }

    /// Tells whether an idle connection can take a call; it looks at the socket only after an event.
    pub(crate) fn is_usable(&mut self) -> bool {
        if self.bell.was_rung() {
            return self.is_idle();
        }
        matches!(self.state, State::Open)
    }

    /// Lets the codec finish the message that has ended; true when a next one may follow.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.bell.leave();
        let waker = self.bell.waker();
        self.poll_connection(&mut Context::from_waker(&waker));
        matches!(self.state, State::Open) && self.sender.is_ready()
    }

    async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        timeouts: Timeouts,
    ) -> Result<Response<Incoming>, Failure> {
        let reused = self.served > 0;
        let is_harmless = request.method().is_idempotent() && request.body().is_end_stream();
        let start = Instant::now();
        self.served += 1;
        let received = self.traffic.received();
        let request = request.map(|body| Upload::new(body, &self.traffic));
        let mut reply = pin!(self.sender.try_send_request(request));
        let outcome = poll_fn(|cx| self.poll_head(cx, reply.as_mut(), timeouts)).await;
        let is_unanswered = reused && self.traffic.received() == received;
        match outcome {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(mut unsent)) => {
                let untouched = unsent
                    .take_message()
                    .map(|request| request.map(Upload::into_body));
                let error = NetError::from_hyper(unsent.into_error(), Phase::Head);
                let may_be_unseen =
                    untouched.is_some() || resend::was_closed(start.elapsed(), self.round_trip);
                let stale = is_unanswered
                    && matches!(error, NetError::Lost { .. })
                    && (is_harmless || may_be_unseen);
                Err(Failure {
                    error,
                    stale,
                    untouched,
                })
            }
            Err(error) => Err(Failure {
                error,
                stale: false,
                untouched: None,
            }),
        }
    }

    /// Ready with what the codec said, or with an error when the wait was too long.
    fn poll_head(
        &mut self,
        cx: &Context<'_>,
        mut reply: Pin<&mut impl Future<Output = Reply>>,
        timeouts: Timeouts,
    ) -> Poll<Result<Reply, NetError>> {
        let Self {
            connection,
            state,
            traffic,
            bell,
            stall,
            ..
        } = self;
        bell.attend(cx, |cx| {
            poll_open(connection, state, cx, Phase::Head);
            if let Poll::Ready(reply) = reply.as_mut().poll(cx) {
                return Poll::Ready(Ok(reply));
            }
            let (phase, limit) = if traffic.is_blocked() {
                (Phase::Send, timeouts.send)
            } else if traffic.is_uploading() {
                // The client is being waited for, and whoever serves it has a bound for that.
                return Poll::Pending;
            } else {
                (Phase::Head, timeouts.read)
            };
            stall
                .poll(cx, phase, limit, traffic.moved())
                .map(|()| Err(NetError::Timeout { phase }))
        })
    }

    /// The next piece of the answer; `None` at its clean end.
    pub(crate) fn poll_body(
        &mut self,
        cx: &Context<'_>,
        incoming: &mut Incoming,
        limit: Duration,
    ) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
        let Self {
            connection,
            state,
            traffic,
            bell,
            stall,
            ..
        } = self;
        bell.attend(cx, |cx| {
            if let Poll::Ready(piece) = poll_piece(connection, state, cx, incoming) {
                return Poll::Ready(piece);
            }
            let overdue = stall.poll(cx, Phase::Body, limit, traffic.moved());
            overdue.map(|()| Some(Err(NetError::Timeout { phase: Phase::Body })))
        })
    }

    /// The next piece if it is here; nobody is woken when it comes later.
    pub(crate) fn poll_ready_piece(
        &mut self,
        cx: &Context<'_>,
        incoming: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
        let Self {
            connection,
            state,
            bell,
            ..
        } = self;
        bell.attend(cx, |cx| poll_piece(connection, state, cx, incoming))
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) {
        poll_open(&mut self.connection, &mut self.state, cx, Phase::Body);
    }
}

/// Drives the codec; its end is remembered, since it must not be polled again.
fn poll_open(connection: &mut Connection, state: &mut State, cx: &mut Context<'_>, phase: Phase) {
    if matches!(state, State::Open)
        && let Poll::Ready(ended) = Pin::new(connection).poll(cx)
    {
        *state = match ended {
            Ok(()) => State::Closed,
            Err(error) => State::Failed(NetError::from_hyper(error, phase)),
        };
    }
}

fn poll_piece(
    connection: &mut Connection,
    state: &mut State,
    cx: &mut Context<'_>,
    incoming: &mut Incoming,
) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
    poll_open(connection, state, cx, Phase::Body);
    match Pin::new(&mut *incoming).poll_frame(cx) {
        Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
        Poll::Ready(Some(Err(error))) => {
            let error = NetError::from_hyper(error, Phase::Body);
            Poll::Ready(Some(Err(take_failure(state).unwrap_or(error))))
        }
        Poll::Ready(None) => {
            // What breaks a body off reaches whoever reads it, so this is its end. A failure of the
            // connection is of what came after it, and only keeps the connection from being reused.
            let is_short = incoming.size_hint().exact().is_some_and(|left| left > 0);
            Poll::Ready(is_short.then(|| Err(NetError::cut(Phase::Body))))
        }
        Poll::Pending => match state {
            State::Open => Poll::Pending,
            State::Closed | State::Failed(_) => {
                let error = take_failure(state).unwrap_or_else(|| NetError::cut(Phase::Body));
                Poll::Ready(Some(Err(error)))
            }
        },
    }
}

fn take_failure(state: &mut State) -> Option<NetError> {
    match std::mem::replace(state, State::Closed) {
        State::Failed(error) => Some(error),
        State::Closed => None,
        State::Open => {
            *state = State::Open;
            None
        }
    }
}

/// The same request once more, when its body allows that.
fn copy(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let body = request.body().replay()?;
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}
