//! The byte stream of one client connection, and what is seen moving on it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Bytes read away at once, and how often before others get their turn.
const DISCARD: usize = 16 * 1024;
const DISCARDS: usize = 16;

/// What a connection is doing; shared by its stream, its requests and whoever watches the time.
///
/// All of them live in tasks of one connection: the atomics are shared storage, not a queue.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    requests: AtomicU32,
    finished: AtomicU64,
    head_begun: AtomicBool,
    blocked: AtomicBool,
    /// A request was answered before its body had been read.
    unread: AtomicBool,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// The next request; so many went before it.
    Waiting(u64),
    /// The rest of a head that has begun.
    Head(u64),
    /// A request, or room to send.
    Working,
}

/// A client's socket, plain or TLS, with what was read from it to tell its protocol.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: Socket,
    early: Bytes,
    activity: Arc<Activity>,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

// === impl Activity ===

impl Activity {
    /// A request begins; how many are under way with it.
    pub(crate) fn begin(&self) -> u32 {
        self.head_begun.store(false, Ordering::Relaxed);
        self.unread.store(false, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A request ends; how many are left.
    pub(crate) fn end(&self) -> u32 {
        self.finished.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_sub(1, Ordering::Relaxed) - 1
    }

    /// The request that ends leaves bytes of its body behind.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    pub(crate) fn doing(&self) -> Doing {
        let is_busy = self.requests.load(Ordering::Relaxed) > 0;
        if is_busy || self.blocked.load(Ordering::Relaxed) {
            return Doing::Working;
        }
        let finished = self.finished.load(Ordering::Relaxed);
        if self.head_begun.load(Ordering::Relaxed) {
            Doing::Head(finished)
        } else {
            Doing::Waiting(finished)
        }
    }

    fn received(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 {
            self.head_begun.store(true, Ordering::Relaxed);
        }
    }
}

// === impl Stream ===

impl Stream {
    /// A stream whose reader first gets `early`.
    pub(crate) fn new(socket: Socket, early: Bytes, activity: Arc<Activity>) -> Self {
        Self {
            socket,
            early,
            activity,
        }
    }

    fn wrote<T>(&self, outcome: &Poll<T>) {
        let is_blocked = outcome.is_pending();
        // Mostly nothing changes, and a store would cost more than this look.
        if self.activity.blocked.load(Ordering::Relaxed) != is_blocked {
            self.activity.blocked.store(is_blocked, Ordering::Relaxed);
        }
    }
}

impl Stream {
    /// Reads away what arrives until the client ends; whoever asks bounds the time.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [MaybeUninit::uninit(); DISCARD];
        for _ in 0..DISCARDS {
            let mut buf = ReadBuf::uninit(&mut scratch);
            let outcome = match &mut self.socket {
                Socket::Plain(socket) => Pin::new(socket).poll_read(cx, &mut buf),
                Socket::Tls(socket) => Pin::new(socket.as_mut()).poll_read(cx, &mut buf),
            };
            // How a client goes away that has been answered is nobody's concern.
            if ready!(outcome).is_err() || buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.early.has_remaining() {
            let length = this.early.len().min(buf.remaining());
            buf.put_slice(&this.early.split_to(length));
            if this.early.is_empty() {
                // An empty rest would still hold the whole buffer.
                this.early = Bytes::new();
            }
            this.activity.received();
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let outcome = match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Socket::Tls(socket) => Pin::new(socket.as_mut()).poll_read(cx, buf),
        };
        if buf.filled().len() > before {
            this.activity.received();
        }
        outcome
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Socket::Tls(socket) => Pin::new(socket.as_mut()).poll_write(cx, buf),
        };
        this.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Socket::Tls(socket) => Pin::new(socket.as_mut()).poll_write_vectored(cx, bufs),
        };
        this.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(socket) => socket.is_write_vectored(),
            Socket::Tls(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.socket {
            // A TCP socket holds nothing back.
            Socket::Plain(_) => Poll::Ready(Ok(())),
            Socket::Tls(socket) => {
                let outcome = Pin::new(socket.as_mut()).poll_flush(cx);
                this.wrote(&outcome);
                outcome
            }
        }
    }

    /// Ends what is sent. A client that is still sending a body that nobody reads is listened to until
    /// it ends as well: a socket closed over unread bytes is reset, and with it goes the answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(match &mut this.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Socket::Tls(socket) => Pin::new(socket.as_mut()).poll_shutdown(cx),
        })?;
        if this.activity.unread.load(Ordering::Relaxed) {
            return this.poll_discard(cx);
        }
        Poll::Ready(Ok(()))
    }
}
