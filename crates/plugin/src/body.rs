//! The client's request body: read once on demand, or handed on as a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use wire::json::{JsonError, Scan};

/// The largest body that is read so that variables can look into it, in bytes.
///
/// Source: apache/apisix `conf/config.yaml.example`, `max_post_args_readable_size`.
pub const LARGEST_FOR_VARIABLES: u64 = 64 * 1024 * 1024;

/// The body of a client request.
///
/// Nothing is read until somebody asks. What was read is kept, so that every later reader sees the
/// same bytes, and a plugin may replace it.
#[derive(Debug)]
pub struct RequestBody {
    state: State,
    /// Longest pause between two pieces from the client.
    pause: Duration,
    /// Most bytes that are read only because a variable looks into the body.
    for_variables: u64,
    /// The largest body that anybody may read, in bytes.
    most: u64,
    scan: Option<Arc<Scan>>,
    replaced: bool,
}

#[derive(Debug)]
enum State {
    Unread(Incoming),
    Read(Bytes),
    Taken,
}

/// Why a request body could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is larger than allowed.
    #[error("request body is greater than the maximum size {limit} allowed")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// The client paused for too long.
    #[error("the client sent no body bytes for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// The connection failed.
    #[error("the request body could not be read")]
    Broken(#[source] hyper::Error),
    /// The body was handed to an upstream as a stream.
    #[error("the request body has already been sent on")]
    Taken,
}

/// A body handed on as it arrives.
#[derive(Debug)]
pub struct BodyStream {
    body: RequestStream,
}

#[derive(Debug)]
enum RequestStream {
    Incoming(Incoming),
    Full(Option<Bytes>),
}

// === impl RequestBody ===

impl RequestBody {
    /// A body still to be read, from a client that may pause at most `pause` between pieces.
    pub fn unread(incoming: Incoming, pause: Duration) -> Self {
        Self {
            state: State::Unread(incoming),
            pause,
            for_variables: LARGEST_FOR_VARIABLES,
            most: u64::MAX,
            scan: None,
            replaced: false,
        }
    }

    /// The same body, of which nobody may read more than `most` bytes, whatever they allow.
    #[must_use]
    pub fn bounded(mut self, most: Option<u64>) -> Self {
        self.most = most.unwrap_or(u64::MAX);
        self
    }

    /// A body at hand.
    pub fn full(bytes: Bytes) -> Self {
        Self {
            state: State::Read(bytes),
            pause: Duration::ZERO,
            for_variables: LARGEST_FOR_VARIABLES,
            most: u64::MAX,
            scan: None,
            replaced: false,
        }
    }

    /// Sets how many bytes are read only because a variable looks into the body;
    /// [`LARGEST_FOR_VARIABLES`] otherwise.
    #[must_use]
    pub fn limit_for_variables(mut self, most: u64) -> Self {
        self.for_variables = most;
        self
    }

    /// The length that the client declared, or that was read.
    pub fn declared_length(&self) -> Option<u64> {
        match &self.state {
            State::Unread(incoming) => incoming.size_hint().exact(),
            State::Read(bytes) => Some(bytes.len() as u64),
            State::Taken => None,
        }
    }

    /// The bytes, when they have been read.
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.state {
            State::Read(bytes) => Some(bytes),
            State::Unread(_) | State::Taken => None,
        }
    }

    /// Whether a plugin replaced what the client sent.
    pub fn is_replaced(&self) -> bool {
        self.replaced
    }

    /// Whether the client may still be sending what nobody will read.
    pub fn is_left_unread(&self) -> bool {
        match &self.state {
            State::Unread(incoming) => !incoming.is_end_stream(),
            State::Read(_) => false,
            // A reader that failed, or an upstream that answered early, left a rest.
            State::Taken => true,
        }
    }

    /// Reads the whole body, at most `limit` bytes; a declared length above it is refused unread.
    ///
    /// # Errors
    /// [`BodyError`], by whose fault.
    pub async fn read(&mut self, limit: u64) -> Result<Bytes, BodyError> {
        let limit = limit.min(self.most);
        if self.declared_length().is_some_and(|length| length > limit) {
            return Err(BodyError::TooLarge { limit });
        }
        let mut incoming = match std::mem::replace(&mut self.state, State::Taken) {
            State::Unread(incoming) => incoming,
            State::Read(bytes) => {
                self.state = State::Read(bytes.clone());
                return Ok(bytes);
            }
            State::Taken => return Err(BodyError::Taken),
        };
        let bytes = collect(&mut incoming, limit, self.pause).await?;
        self.state = State::Read(bytes.clone());
        Ok(bytes)
    }

    /// Reads the body for variables that look into it (`post_arg…`), unless it has been read, was
    /// handed on, or declares more than is read for variables: these then have no value.
    ///
    /// # Errors
    /// [`BodyError`], when the body was begun and could not be had.
    pub async fn read_for_variables(&mut self) -> Result<(), BodyError> {
        let is_small = self
            .declared_length()
            .is_none_or(|length| length <= self.for_variables);
        if matches!(self.state, State::Unread(_)) && is_small {
            self.read(self.for_variables).await?;
        }
        Ok(())
    }

    /// Replaces the body; later readers and the upstream see `bytes`.
    pub fn replace(&mut self, bytes: Bytes) {
        self.state = State::Read(bytes);
        self.scan = None;
        self.replaced = true;
    }

    /// The body as JSON, scanned once and shared by all who ask.
    ///
    /// # Errors
    /// [`JsonError`] tells where the text stops being JSON; an unread body is an empty text.
    pub fn scan(&mut self) -> Result<Arc<Scan>, JsonError> {
        if let Some(scan) = &self.scan {
            return Ok(scan.clone());
        }
        let bytes = self.bytes().cloned().unwrap_or_default();
        let scan = Arc::new(Scan::new(bytes)?);
        self.scan = Some(scan.clone());
        Ok(scan)
    }

    /// The JSON scan, when somebody has asked for it.
    pub fn scanned(&self) -> Option<&Arc<Scan>> {
        self.scan.as_ref()
    }

    /// Hands the body on as a stream; it cannot be read afterwards unless it already was.
    ///
    /// # Errors
    /// [`BodyError::Taken`] when it was handed on before.
    pub fn stream(&mut self) -> Result<BodyStream, BodyError> {
        let body = match std::mem::replace(&mut self.state, State::Taken) {
            State::Unread(incoming) => RequestStream::Incoming(incoming),
            State::Read(bytes) => {
                self.state = State::Read(bytes.clone());
                RequestStream::Full(Some(bytes))
            }
            State::Taken => return Err(BodyError::Taken),
        };
        Ok(BodyStream { body })
    }
}

/// Collects a body without copying when it comes in one piece.
async fn collect(incoming: &mut Incoming, limit: u64, pause: Duration) -> Result<Bytes, BodyError> {
    let expected = incoming.size_hint().exact();
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut length = 0_u64;
    loop {
        let next = std::future::poll_fn(|task| Pin::new(&mut *incoming).poll_frame(task));
        let frame = match tokio::time::timeout(pause, next).await {
            Err(_) => return Err(BodyError::Stalled(pause)),
            Ok(None) => break,
            Ok(Some(frame)) => frame.map_err(BodyError::Broken)?,
        };
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        length += piece.len() as u64;
        if length > limit {
            return Err(BodyError::TooLarge { limit });
        }
        if first.is_empty() && joined.is_empty() {
            first = piece;
            continue;
        }
        if joined.is_empty() {
            let whole = expected.unwrap_or(length).min(limit);
            joined.reserve(usize::try_from(whole).unwrap_or_default());
            joined.extend_from_slice(&first);
            first = Bytes::new();
        }
        joined.extend_from_slice(&piece);
    }
    Ok(if joined.is_empty() {
        first
    } else {
        joined.freeze()
    })
}

// === impl BodyStream ===

impl Body for BodyStream {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.body {
            RequestStream::Incoming(incoming) => Pin::new(incoming)
                .poll_frame(task)
                .map_err(BodyError::Broken),
            RequestStream::Full(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            RequestStream::Incoming(incoming) => incoming.is_end_stream(),
            RequestStream::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            RequestStream::Incoming(incoming) => incoming.size_hint(),
            RequestStream::Full(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
        }
    }
}
