//! The socket of one connection, with the faults that lie below HTTP.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What an answer may ask of its connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// The most bytes of one write; 0 for no limit.
    split: AtomicUsize,
    /// Close with a reset.
    reset: AtomicBool,
    /// Everything written so far is in the kernel.
    flushed: AtomicBool,
    waiting: Mutex<Option<Waker>>,
}

/// A socket that obeys a [`Link`].
#[derive(Debug)]
pub(crate) struct LinkedStream {
    stream: TcpStream,
    link: Arc<Link>,
    /// A short write was made in this turn; the next waits for another turn.
    rested: bool,
}

// === impl Link ===

impl Link {
    pub(crate) fn set_split(&self, bytes: usize) {
        self.split.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Says that bytes are on their way that [`Link::poll_flushed`] will wait for.
    pub(crate) fn expect_flush(&self) {
        self.flushed.store(false, Ordering::Release);
    }

    /// Waits until everything that was written is in the kernel.
    pub(crate) fn poll_flushed(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if self.flushed.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        *waiting = Some(cx.waker().clone());
        Poll::Pending
    }

    fn note_flushed(&self) {
        if self.flushed.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waiting.take() {
            waker.wake();
        }
    }
}

// === impl LinkedStream ===

impl LinkedStream {
    pub(crate) fn new(stream: TcpStream, link: Arc<Link>) -> Self {
        Self {
            stream,
            link,
            rested: true,
        }
    }

    /// The most bytes that may be written now; `None` for no limit.
    fn poll_limit(&mut self, cx: &Context<'_>) -> Poll<Option<usize>> {
        let split = self.link.split.load(Ordering::Relaxed);
        if split == 0 {
            return Poll::Ready(None);
        }
        if self.rested {
            self.rested = false;
            return Poll::Ready(Some(split));
        }
        self.rested = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for LinkedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for LinkedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let limit = ready!(self.poll_limit(cx)).unwrap_or(usize::MAX);
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(limit) = ready!(self.poll_limit(cx)) else {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        };
        let first = slices.iter().find(|slice| !slice.is_empty());
        let bytes = first.map_or(&[][..], |slice| slice);
        let bytes = bytes.get(..limit).unwrap_or(bytes);
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.link.note_flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.reset.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for LinkedStream {
    fn drop(&mut self) {
        if self.link.reset.load(Ordering::Relaxed) {
            // It fails only for a socket that is gone already.
            self.stream.set_zero_linger().ok();
        }
    }
}
