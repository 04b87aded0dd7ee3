//! A request's whole stay: its context, the answer's body, and the log phase at the end.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, Response, StatusCode, Version};
use http_body::Frame;
use plugin::{Chain, Ctx, End, Phases, Relay, RelayError, Reply, ReplyBody};
use smallvec::SmallVec;

use crate::access_log;
use crate::connection::Client;
use crate::hygiene;
use crate::panic::caught;
use crate::refusal;
use crate::reply::ReplyStream;

/// The chains of one request.
type Chains = SmallVec<[Arc<Chain>; 3]>;

/// One request from its head to its log line. Dropping it is its end, however that comes about:
/// the answer was handed over, the client left while an upstream was being waited for, or a stream
/// was cut.
#[derive(Debug)]
pub(crate) struct Visit {
    ctx: Ctx,
    client: Arc<Client>,
    body: Payload,
    /// The chains that look at pieces of the body.
    watchers: Chains,
    /// How it ended, once that is known; a visit that is dropped before lost its client.
    end: Option<End>,
}

/// What is left to be sent.
enum Payload {
    /// The head has not been sent.
    Unanswered,
    Full(Bytes),
    Relay {
        relay: Box<dyn Relay>,
        /// Bytes to come, when known.
        left: Option<u64>,
    },
    /// Nothing more can come; the error is given at the next poll.
    Broken(RelayError),
    Sent,
}

type Piece = Option<Result<Frame<Bytes>, RelayError>>;

/// The status in logs of a request whose client left before there was an answer.
const CLIENT_LEFT: u16 = 499;

// === impl Visit ===

impl Visit {
    pub(crate) fn new(client: Arc<Client>, ctx: Ctx) -> Box<Self> {
        client.begin();
        Box::new(Self {
            ctx,
            client,
            body: Payload::Unanswered,
            watchers: Chains::new(),
            end: None,
        })
    }

    /// What the phases work on.
    pub(crate) fn parts(&mut self) -> (&mut Ctx, &Client) {
        (&mut self.ctx, &self.client)
    }

    /// Answers; the answer's body takes the visit along.
    pub(crate) fn reply(mut self: Box<Self>, reply: Reply) -> Response<ReplyStream> {
        let Reply {
            mut status,
            mut headers,
            body,
            source,
        } = self.show_head(reply);
        self.ctx.sent.source = source;
        // An answer is final: nothing here announces a switch of protocols.
        if status.is_informational() {
            status = StatusCode::BAD_GATEWAY;
        }
        self.set_body(body, status, &mut headers);
        self.ctx.sent.status = Some(status);
        if self.needs_sent_headers() {
            self.ctx.sent.headers.clone_from(&headers);
        }
        let mut response = Response::new(ReplyStream::new(self));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// Lets plugins look at the head, and removes what the door itself decides.
    fn show_head(&mut self, mut reply: Reply) -> Reply {
        let chains = self.chains_with(Phases::HEAD);
        if !chains.is_empty() {
            let ctx = &mut self.ctx;
            ctx.sent.status = Some(reply.status);
            ctx.sent.source = reply.source;
            let (status, headers) = (&mut reply.status, &mut reply.headers);
            let shown = caught(|| {
                for chain in &chains {
                    chain.head(ctx, status, headers);
                }
            });
            if shown.is_err() {
                self.client.core.metrics.panic_caught();
                self.close_relay(reply.body, End::Cut);
                reply = refusal::internal();
            }
        }
        hygiene::strip_hop_by_hop(&mut reply.headers);
        match &self.client.core.settings.server {
            Some(server) => reply.headers.insert(header::SERVER, server.clone()),
            None => reply.headers.remove(header::SERVER),
        };
        reply
    }

    /// Takes the body, and leaves its length to the server unless there are no bytes to count.
    fn set_body(&mut self, body: ReplyBody, status: StatusCode, headers: &mut HeaderMap) {
        let is_head = self.ctx.request.method == Method::HEAD;
        if is_head || is_bodiless(status) {
            match &body {
                ReplyBody::Full(bytes) if is_head => {
                    headers.insert(header::CONTENT_LENGTH, bytes.len().into());
                }
                // Tells what a GET would have brought.
                ReplyBody::Relay(_) if is_head || status == StatusCode::NOT_MODIFIED => {}
                ReplyBody::Empty | ReplyBody::Full(_) | ReplyBody::Relay(_) => {
                    headers.remove(header::CONTENT_LENGTH);
                }
            }
            self.close_relay(body, End::Complete);
            self.end = Some(End::Complete);
            self.body = Payload::Sent;
            return;
        }
        headers.remove(header::CONTENT_LENGTH);
        self.watchers = self.chains_with(Phases::CHUNK);
        self.body = match body {
            ReplyBody::Empty => self.whole(Bytes::new()),
            ReplyBody::Full(bytes) => self.whole(bytes),
            ReplyBody::Relay(relay) => {
                let left = relay.length().filter(|_| self.watchers.is_empty());
                if left == Some(0) {
                    // Nobody asks for a piece of a body that has none.
                    self.end = Some(End::Complete);
                }
                Payload::Relay { relay, left }
            }
        };
    }

    /// A body at hand: shown to the watchers at once, so that its length is known.
    fn whole(&mut self, bytes: Bytes) -> Payload {
        let Ok(bytes) = self.show_whole(bytes) else {
            self.client.core.metrics.panic_caught();
            return Payload::Broken(RelayError::Refused);
        };
        if bytes.is_empty() {
            self.end = Some(End::Complete);
            return Payload::Sent;
        }
        Payload::Full(bytes)
    }

    fn show_whole(&mut self, mut bytes: Bytes) -> Result<Bytes, crate::panic::Panic> {
        if self.watchers.is_empty() {
            return Ok(bytes);
        }
        let Self { ctx, watchers, .. } = self;
        caught(move || {
            let mut last = Bytes::new();
            if !bytes.is_empty() {
                show(watchers, ctx, &mut bytes, false);
            }
            show(watchers, ctx, &mut last, true);
            if last.is_empty() {
                return bytes;
            }
            [&bytes[..], &last[..]].concat().into()
        })
    }

    /// The next piece for the client.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        let outcome = match &mut self.body {
            Payload::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.body = Payload::Sent;
                self.end = Some(End::Complete);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Payload::Relay { .. } => caught(|| self.poll_relay(cx)).unwrap_or_else(|_| {
                self.client.core.metrics.panic_caught();
                Poll::Ready(Some(Err(RelayError::Refused)))
            }),
            Payload::Broken(error) => {
                let error = *error;
                self.end = Some(End::Cut);
                tracing::debug!(%error, "answer cut");
                return Poll::Ready(Some(Err(error)));
            }
            Payload::Unanswered | Payload::Sent => Poll::Ready(None),
        };
        match &outcome {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                self.ctx.sent.bytes += length as u64;
            }
            Poll::Ready(Some(Err(error))) => {
                // An error makes the server drop what it has not written yet, but writes all when
                // nothing is ready: so what came before the cut reaches the client first.
                let broken = Payload::Broken(*error);
                if let Payload::Relay { relay, .. } = std::mem::replace(&mut self.body, broken) {
                    self.close_relay(ReplyBody::Relay(relay), End::Cut);
                }
                self.end = Some(End::Cut);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(None) => self.end = self.end.or(Some(End::Complete)),
            Poll::Pending => {}
        }
        outcome
    }

    fn poll_relay(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        let Self {
            ctx,
            body,
            watchers,
            end,
            ..
        } = self;
        let Payload::Relay { relay, left } = body else {
            return Poll::Ready(None);
        };
        // Watchers have seen the end.
        if end.is_some() {
            return Poll::Ready(None);
        }
        loop {
            let frame = match std::task::ready!(relay.poll_frame(cx, ctx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    *end = Some(End::Complete);
                    let mut last = Bytes::new();
                    show(watchers, ctx, &mut last, true);
                    let has_more = !last.is_empty();
                    return Poll::Ready(has_more.then(|| Ok(Frame::data(last))));
                }
            };
            let Ok(mut piece) = frame.into_data() else {
                // Trailers are between the upstream and this gateway.
                continue;
            };
            show(watchers, ctx, &mut piece, false);
            if piece.is_empty() {
                continue;
            }
            if let Some(left) = left {
                *left = left.saturating_sub(piece.len() as u64);
                if *left == 0 {
                    *end = Some(End::Complete);
                }
            }
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
    }

    /// Bytes still to come; `None` when nobody knows.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        match &self.body {
            Payload::Unanswered | Payload::Sent => Some(0),
            Payload::Full(bytes) => Some(bytes.len() as u64),
            Payload::Relay { left, .. } => *left,
            Payload::Broken(_) => None,
        }
    }

    fn chains_with(&self, phase: Phases) -> Chains {
        let chains = self.ctx.chains.iter();
        chains.filter(|chain| chain.has(phase)).cloned().collect()
    }

    /// A copy of the reply's headers is made only for those who can ask for them.
    fn needs_sent_headers(&self) -> bool {
        let log = self.client.core.settings.access_log.as_ref();
        log.is_some_and(access_log::reads_headers)
            || self.ctx.chains.iter().any(|chain| chain.has(Phases::LOG))
    }

    fn close_relay(&mut self, body: ReplyBody, end: End) {
        if let ReplyBody::Relay(mut relay) = body {
            let ctx = &mut self.ctx;
            self.client
                .core
                .count_panic(&caught(|| relay.close(ctx, end)));
            self.client.core.count_panic(&caught(|| drop(relay)));
        }
    }

    fn finish(&mut self) {
        let end = self.end.unwrap_or(End::ClientGone);
        if self.ctx.sent.status.is_none() {
            self.ctx.sent.status = StatusCode::from_u16(CLIENT_LEFT).ok();
        }
        if let Payload::Relay { relay, .. } = std::mem::replace(&mut self.body, Payload::Sent) {
            self.close_relay(ReplyBody::Relay(relay), end);
        }
        self.ctx.close(end);
        let core = &self.client.core;
        if end == End::ClientGone {
            core.metrics.client_disconnected();
        }
        for chain in self.chains_with(Phases::LOG) {
            let ctx = &mut self.ctx;
            core.count_panic(&caught(|| chain.log(ctx)));
        }
        if let Some(log) = &core.settings.access_log {
            let ctx = &self.ctx;
            core.count_panic(&caught(|| access_log::write(log, ctx)));
        }
        // Elsewhere streams end by themselves.
        let is_http1 = self.ctx.request.version <= Version::HTTP_11;
        self.client.end(is_http1 && self.ctx.body.is_left_unread());
    }
}

/// The one place where a request ends.
impl Drop for Visit {
    fn drop(&mut self) {
        self.finish();
    }
}

fn show(watchers: &Chains, ctx: &mut Ctx, piece: &mut Bytes, last: bool) {
    for chain in watchers {
        chain.chunk(ctx, piece, last);
    }
}

/// Whether answers of this status never have a body.
fn is_bodiless(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
    )
}

// === impl Payload ===

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unanswered => "Unanswered",
            Self::Full(_) => "Full",
            Self::Relay { .. } => "Relay",
            Self::Broken(_) => "Broken",
            Self::Sent => "Sent",
        })
    }
}
