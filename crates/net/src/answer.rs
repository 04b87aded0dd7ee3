//! The answer of an upstream, whose body is read by whoever polls it.

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{client::Live, error::NetError, pool::Shelf};

/// Room that is set aside when pieces are joined; later joins use what is left of it.
const JOIN_ROOM: usize = 8 * 1024;

/// What an upstream answered.
#[derive(Debug)]
pub struct Answer {
    /// Status and headers.
    pub head: http::response::Parts,
    /// The body, which owns the connection until its end.
    pub body: AnswerBody,
    /// How long connecting took, TLS included; `None` on a kept connection.
    pub connect: Option<Duration>,
    /// The address that answered.
    pub peer: SocketAddr,
}

/// The body of an answer.
///
/// Polling it reads the upstream's socket. At its clean end the connection goes back to its
/// origin; dropped earlier, or after an error, it is closed at once. Each wait for more is bounded
/// by the read timeout of the call. A body that is cut short is an error, never an end.
pub struct AnswerBody {
    /// Where the connection goes at the clean end; `None` when none is kept.
    shelf: Option<Arc<Shelf>>,
    live: Option<Box<Live>>,
    incoming: Incoming,
    limit: Duration,
    keep: bool,
    join: usize,
    room: BytesMut,
    held: Option<Result<Frame<Bytes>, NetError>>,
}

// === impl AnswerBody ===

impl AnswerBody {
    pub(crate) fn new(
        shelf: Option<Arc<Shelf>>,
        live: Box<Live>,
        incoming: Incoming,
        limit: Duration,
    ) -> Self {
        let mut body = Self {
            shelf,
            live: Some(live),
            incoming,
            limit,
            keep: true,
            join: 0,
            room: BytesMut::new(),
            held: None,
        };
        body.settle_if_ended();
        body
    }

    /// Lets pieces that are here at the same moment leave as one, up to `most` bytes; 0 ends that.
    ///
    /// With chunked coding each HTTP chunk is a piece, so that one read of the socket can hold
    /// dozens. A piece that comes alone is never copied, and nothing waits for more.
    pub fn join_ready(&mut self, most: usize) {
        self.join = most;
    }

    /// Closes the connection at the end of the body instead of keeping it.
    pub fn forbid_reuse(&mut self) {
        self.keep = false;
    }

    /// Gives the answer up and closes its connection.
    pub fn close(self) {}

    /// Reads to the end; `None` when the body is larger than `limit` bytes.
    ///
    /// # Errors
    ///
    /// Whatever ended the body early.
    pub async fn read_whole(mut self, limit: usize) -> Result<Option<Bytes>, NetError> {
        let mut first = Bytes::new();
        let mut whole = BytesMut::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut self).poll_frame(cx)).await
        {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            if first.len() + whole.len() + data.len() > limit {
                return Ok(None);
            }
            if first.is_empty() && whole.is_empty() {
                first = data;
                continue;
            }
            if whole.is_empty() {
                let rest = self
                    .size_hint()
                    .exact()
                    .and_then(|left| usize::try_from(left).ok());
                let room = first.len() + data.len() + rest.unwrap_or(JOIN_ROOM);
                whole.reserve(room.min(limit));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
        Ok(Some(if whole.is_empty() {
            first
        } else {
            whole.freeze()
        }))
    }

    /// Adds what is ready to `first`; what does not fit or is not data is held for the next poll.
    fn joined(&mut self, cx: &Context<'_>, first: Bytes) -> Bytes {
        let Some(live) = &mut self.live else {
            return first;
        };
        let mut length = first.len();
        let mut is_joined = false;
        while length < self.join {
            let next = match live.poll_ready_piece(cx, &mut self.incoming) {
                Poll::Pending => break,
                Poll::Ready(None) => {
                    self.settle();
                    break;
                }
                Poll::Ready(Some(Err(error))) => {
                    self.held = Some(Err(error));
                    break;
                }
                Poll::Ready(Some(Ok(frame))) => frame,
            };
            match next.into_data() {
                Ok(data) if length + data.len() <= self.join => {
                    if !is_joined {
                        make_room(&mut self.room, length + data.len());
                        self.room.extend_from_slice(&first);
                        is_joined = true;
                    }
                    length += data.len();
                    self.room.extend_from_slice(&data);
                }
                Ok(data) => {
                    self.held = Some(Ok(Frame::data(data)));
                    break;
                }
                Err(other) => {
                    self.held = Some(Ok(other));
                    break;
                }
            }
        }
        if is_joined {
            self.room.split().freeze()
        } else {
            first
        }
    }

    /// Takes leave of the connection of a body that has ended.
    fn settle(&mut self) {
        if let (Some(mut live), Some(shelf), true) = (self.live.take(), &self.shelf, self.keep)
            && live.is_idle()
        {
            shelf.put(live);
        }
    }

    /// A body of known length ends with its last byte: nobody may ask for more after that.
    fn settle_if_ended(&mut self) {
        if self.held.is_none() && self.incoming.is_end_stream() {
            self.settle();
        }
    }
}

/// Room for one join; it grows by doubling only when a join outgrows [`JOIN_ROOM`].
fn make_room(room: &mut BytesMut, need: usize) {
    if room.capacity() - room.len() < need {
        room.reserve(need.max(JOIN_ROOM));
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = NetError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
        let this = self.get_mut();
        let next = match (this.held.take(), &mut this.live) {
            (Some(held), _) => Some(held),
            (None, None) => None,
            (None, Some(live)) => ready!(live.poll_body(cx, &mut this.incoming, this.limit)),
        };
        match next {
            None => {
                this.settle();
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                this.live = None;
                Poll::Ready(Some(Err(error)))
            }
            Some(Ok(frame)) => {
                let frame = match frame.into_data() {
                    Ok(data) if data.len() < this.join => Frame::data(this.joined(cx, data)),
                    Ok(data) => Frame::data(data),
                    Err(other) => other,
                };
                this.settle_if_ended();
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.live.is_none() && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.incoming.size_hint();
        if let Some(Ok(frame)) = &self.held
            && let Some(data) = frame.data_ref()
        {
            let held = data.len() as u64;
            let upper = hint.upper().map(|upper| upper + held);
            hint.set_lower(hint.lower() + held);
            if let Some(upper) = upper {
                hint.set_upper(upper);
            }
        }
        hint
    }
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerBody")
            .field("ended", &self.is_end_stream())
            .finish_non_exhaustive()
    }
}
