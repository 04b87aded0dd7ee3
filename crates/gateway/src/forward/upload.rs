//! The client's body on its way to an upstream.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use net::BodyError;
use plugin::{BodyStream, Ctx, Reply};
use tokio::time::{Sleep, sleep_until};

use crate::deadline::after;
use crate::refusal;
use crate::settings::Limits;

/// The body of one client request, for as many attempts as it lasts.
pub(super) enum Upload {
    /// At hand, for any number of attempts.
    Full(Bytes),
    /// Still coming, for one attempt.
    Once(Option<Sending>),
    /// Still coming; an attempt that fails before its first byte is asked for gives it back.
    ///
    /// The lock is taken twice per attempt and never waited for.
    Lent(Arc<Mutex<Option<Sending>>>),
}

/// A body that is still coming, within the client's limits.
pub(super) struct Sending {
    body: BodyStream,
    /// Bytes that may still come.
    left: u64,
    limit: u64,
    pause: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

/// A body that is taken from its owner when the first byte is asked for.
struct Borrowed {
    owner: Arc<Mutex<Option<Sending>>>,
    taken: Option<Sending>,
    hint: SizeHint,
}

// === impl Upload ===

impl Upload {
    /// Takes the body of a request; `lends` keeps it for another attempt while that is possible.
    pub(super) fn of(
        ctx: &mut Ctx,
        limits: &Limits,
        lends: bool,
    ) -> Result<Self, plugin::BodyError> {
        if let Some(bytes) = ctx.body.bytes() {
            return Ok(Self::Full(bytes.clone()));
        }
        let limit = limits.max_body.unwrap_or(u64::MAX);
        let sending = Sending {
            body: ctx.body.stream()?,
            left: limit,
            limit,
            pause: limits.body_timeout,
            timer: None,
            waiting: false,
        };
        Ok(if lends {
            Self::Lent(Arc::new(Mutex::new(Some(sending))))
        } else {
            Self::Once(Some(sending))
        })
    }

    /// The body for the next attempt.
    pub(super) fn body(&mut self) -> net::RequestBody {
        match self {
            Self::Full(bytes) => net::RequestBody::from(bytes.clone()),
            Self::Once(sending) => sending
                .take()
                .map_or(net::RequestBody::Empty, net::RequestBody::stream),
            Self::Lent(owner) => {
                let hint = lock(owner).as_ref().map(Body::size_hint);
                net::RequestBody::stream(Borrowed {
                    owner: Arc::clone(owner),
                    taken: None,
                    hint: hint.unwrap_or_default(),
                })
            }
        }
    }

    /// Whether another attempt would send the whole of it.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Full(_) => true,
            Self::Once(sending) => sending.is_some(),
            Self::Lent(owner) => lock(owner).is_some(),
        }
    }

    /// The answer when the client's body could not be read to its end.
    pub(super) fn refusal(error: BodyError) -> Reply {
        match error {
            BodyError::TooLarge { .. } => refusal::large_body(),
            BodyError::Slow { .. } => refusal::slow_body(),
            BodyError::Cut | BodyError::Malformed => refusal::broken_body(),
        }
    }
}

fn lock(owner: &Mutex<Option<Sending>>) -> std::sync::MutexGuard<'_, Option<Sending>> {
    owner.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Sending ===

impl Sending {
    /// Ready when the client has paused for too long.
    fn poll_slow(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(after(pause))));
        if !self.waiting {
            self.waiting = true;
            timer.as_mut().reset(after(pause));
        }
        timer.as_mut().poll(cx)
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Poll::Ready(next) = Pin::new(&mut this.body).poll_frame(cx) else {
            let after = this.pause;
            return this
                .poll_slow(cx)
                .map(|()| Some(Err(BodyError::Slow { after })));
        };
        this.waiting = false;
        let outcome = match next {
            None => None,
            Some(Err(_)) => Some(Err(BodyError::Cut)),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                match this.left.checked_sub(length) {
                    Some(left) => {
                        this.left = left;
                        Some(Ok(frame))
                    }
                    None => Some(Err(BodyError::TooLarge { limit: this.limit })),
                }
            }
        };
        Poll::Ready(outcome)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl Borrowed ===

impl Body for Borrowed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.taken.is_none() {
            this.taken = lock(&this.owner).take();
        }
        match &mut this.taken {
            Some(sending) => Pin::new(sending).poll_frame(cx),
            None => Poll::Ready(Some(Err(BodyError::Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.taken.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.taken {
            Some(sending) => sending.size_hint(),
            None => self.hint,
        }
    }
}
