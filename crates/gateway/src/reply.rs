//! The body of an answer as the HTTP server sees it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use plugin::RelayError;

use crate::visit::Visit;

/// Pulls the answer when the client's socket has room, and ends the visit when it is dropped.
///
/// An error makes the server cut the connection or reset the stream, so that an answer which was
/// cut short upstream never looks complete.
pub(crate) struct ReplyStream {
    visit: Box<Visit>,
}

// === impl ReplyStream ===

impl ReplyStream {
    pub(crate) fn new(visit: Box<Visit>) -> Self {
        Self { visit }
    }
}

impl Body for ReplyStream {
    type Data = Bytes;
    type Error = RelayError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        self.get_mut().visit.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.visit.bytes_left() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        match self.visit.bytes_left() {
            Some(left) => SizeHint::with_exact(left),
            None => SizeHint::default(),
        }
    }
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyStream")
    }
}
