//! The body of an answer: pieces, with pauses and faults between them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep};

use crate::behaviour::{Behaviour, Place};
use crate::journal::{Outcome, Track};
use crate::link::Link;

/// Ends a connection in the middle, as asked for.
#[derive(Debug, Error)]
pub(crate) enum Abort {
    #[error("the answer was cut, as asked for")]
    Cut,
    #[error("the client left while its body was read")]
    BodyRead(#[source] hyper::Error),
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    Whole(Option<Bytes>),
    Paced(Box<Paced>),
}

/// Pieces with pauses between them, that may end before their end.
#[derive(Debug)]
pub(crate) struct Paced {
    pieces: Pieces,
    /// Say the length beforehand.
    is_sized: bool,
    first_delay: Duration,
    interval: Duration,
    cut: Option<usize>,
    stall: Option<usize>,
    reset: bool,
    link: Arc<Link>,
    track: Track,
    progress: Progress,
}

/// The pieces of a body; shared ones cost nothing per answer.
#[derive(Clone, Debug)]
pub(crate) struct Pieces(Arc<[Bytes]>);

/// How far a body has come.
#[derive(Debug, Default)]
struct Progress {
    next: usize,
    sent: usize,
    timer: Option<Pin<Box<Sleep>>>,
    /// The pause before the next piece is over.
    is_due: bool,
    is_cutting: bool,
}

// === impl Pieces ===

impl Pieces {
    pub(crate) fn new(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self(
            pieces
                .into_iter()
                .filter(|piece| !piece.is_empty())
                .collect(),
        )
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.0.iter()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn get(&self, index: usize) -> Option<&Bytes> {
        self.0.get(index)
    }
}

// === impl Paced ===

impl Paced {
    /// All pieces as they are, at once, without a length.
    pub(crate) fn new(link: &Arc<Link>, track: Track, pieces: Pieces) -> Self {
        Self {
            pieces,
            is_sized: false,
            first_delay: Duration::ZERO,
            interval: Duration::ZERO,
            cut: None,
            stall: None,
            reset: false,
            link: Arc::clone(link),
            track,
            progress: Progress::default(),
        }
    }

    pub(crate) fn sized(self, is_sized: bool) -> Self {
        Self { is_sized, ..self }
    }

    pub(crate) fn paced(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    pub(crate) fn behaving(self, behaviour: &Behaviour) -> Self {
        let bytes = |place: Option<Place>| match place {
            Some(Place::Bytes(bytes)) => Some(bytes),
            Some(Place::Head) | None => None,
        };
        Self {
            first_delay: behaviour.first_delay,
            interval: behaviour.interval,
            cut: bytes(behaviour.cut_after),
            stall: bytes(behaviour.stall_after),
            reset: behaviour.reset,
            ..self
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Abort>>> {
        if self.progress.is_cutting {
            ready!(self.link.poll_flushed(cx));
            if self.reset {
                self.link.set_reset();
            }
            self.track.set(Outcome::Cut);
            return Poll::Ready(Some(Err(Abort::Cut)));
        }
        if self.stall.is_some_and(|place| place <= self.progress.sent) {
            return Poll::Pending;
        }
        if self.cut.is_some_and(|place| place <= self.progress.sent) {
            self.progress.is_cutting = true;
            self.link.expect_flush();
            return self.poll(cx);
        }
        let Some(piece) = self.pieces.get(self.progress.next).cloned() else {
            self.track.set(Outcome::Completed);
            return Poll::Ready(None);
        };
        ready!(self.poll_due(cx));
        Poll::Ready(Some(Ok(self.take(piece))))
    }

    /// Waits for the pause before the next piece.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = if self.progress.next == 0 {
            self.first_delay
        } else {
            self.interval
        };
        if pause.is_zero() || self.progress.is_due {
            return Poll::Ready(());
        }
        let timer = self
            .progress
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        ready!(timer.as_mut().poll(cx));
        // Counted from when it was due, so that a late one does not delay all others.
        let due = timer.deadline() + self.interval;
        timer.as_mut().reset(due.max(Instant::now()));
        self.progress.is_due = true;
        Poll::Ready(())
    }

    /// The next piece, or what may be sent of it.
    fn take(&mut self, mut piece: Bytes) -> Bytes {
        let place = self.cut.into_iter().chain(self.stall).min();
        let room = place.map_or(usize::MAX, |place| place - self.progress.sent);
        piece.truncate(room);
        self.progress.sent += piece.len();
        self.progress.next += 1;
        self.progress.is_due = false;
        if self.progress.next == 1 && self.first_delay.is_zero() && !self.interval.is_zero() {
            self.progress.timer = Some(Box::pin(tokio::time::sleep(self.interval)));
        }
        if self.is_over() {
            self.track.set(Outcome::Completed);
        }
        piece
    }

    /// Nothing more comes, neither pieces nor faults.
    fn is_over(&self) -> bool {
        let sent = self.progress.sent;
        let is_faulty = |place: Option<usize>| place.is_some_and(|place| place <= sent);
        self.pieces.get(self.progress.next).is_none()
            && !is_faulty(self.cut)
            && !is_faulty(self.stall)
    }
}

// === impl ReplyBody ===

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abort>>> {
        let polled = match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Self::Paced(paced) => paced.poll(cx),
        };
        polled.map(|next| next.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Paced(paced) => paced.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Paced(paced) if paced.is_sized => {
                SizeHint::with_exact(paced.pieces.bytes() as u64)
            }
            Self::Paced(_) => SizeHint::default(),
        }
    }
}
