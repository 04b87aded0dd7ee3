//! The answer to a client: head, and a body that may still be arriving.

use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Frame;

use crate::{Ctx, End};

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Reply {
    /// Status line.
    pub status: StatusCode,
    /// Headers; framing headers are set by the door.
    pub headers: HeaderMap,
    /// The body.
    pub body: ReplyBody,
    /// Who made the answer.
    pub source: ReplySource,
}

/// The body of a [`Reply`].
pub enum ReplyBody {
    /// No bytes.
    Empty,
    /// All bytes at hand.
    Full(Bytes),
    /// Bytes pulled from upstream when the client has room for them.
    Relay(Box<dyn Relay>),
}

/// Who made an answer; the metric label `response_source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplySource {
    /// This gateway (`apisix`, the word that dashboards know).
    Gateway,
    /// An upstream.
    Upstream,
}

/// A body that pulls from upstream and keeps the record of its exchange in the [`Ctx`].
///
/// The door owns both the relay and the context, and lends the context at each poll: no state is
/// shared, so no lock is needed.
pub trait Relay: Send {
    /// The next frame, polled when the client's socket has room.
    ///
    /// # Errors
    /// A [`RelayError`] cuts the client's connection, so that a stream that was cut upstream never
    /// looks complete.
    fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
        ctx: &mut Ctx,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>>;

    /// Called exactly once, when the body ended or was dropped: the record is made final here.
    fn close(&mut self, ctx: &mut Ctx, end: End);

    /// The number of bytes still to come, when known.
    fn length(&self) -> Option<u64> {
        None
    }
}

/// A body that cannot be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The upstream's body ended early.
    #[error("the upstream cut its answer short")]
    UpstreamCut,
    /// The upstream was silent for longer than its read timeout.
    #[error("the upstream stalled in the middle of its answer")]
    UpstreamStalled,
    /// The time that all attempts together may take is over.
    #[error("the time of the exchange is over")]
    OutOfTime,
    /// A plugin ended the answer.
    #[error("a plugin ended the answer")]
    Refused,
}

// === impl Reply ===

impl Reply {
    /// An answer of this gateway with a JSON `body`.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        Self {
            status,
            headers,
            body: ReplyBody::Full(body.into()),
            source: ReplySource::Gateway,
        }
    }

    /// An answer of this gateway without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: ReplyBody::Empty,
            source: ReplySource::Gateway,
        }
    }
}

// === impl ReplyBody ===

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Relay(_) => f.write_str("Relay"),
        }
    }
}

// === impl ReplySource ===

impl ReplySource {
    /// The value of the metric label `response_source`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "apisix",
            Self::Upstream => "upstream",
        }
    }
}
