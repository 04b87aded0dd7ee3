//! A guard under the HTTP/1 server that refuses requests whose end could be seen differently.
//!
//! The server's parser forgives what other parsers on the way may read in another manner: equal
//! lengths sent twice, a length beside chunked coding, line ends without a carriage return. Each
//! such freedom lets a request hide inside another one. [`Strict`] sits between the socket and the
//! server, follows the borders of the messages and refuses these forms before the server sees them.
//!
//! **How a refusal reaches the client.** The guard does not write answers. When a head offends, it
//! passes on what came before the offence, then [`POISON`] in place of all the rest, then the end
//! of the stream. No parser can take that for a head, whichever place of the head it stands at, so
//! the server answers `400` and closes by its own rules. Earlier requests of the connection are
//! whole by then and are answered first. When the framing of a *body* offends, the head has
//! been accepted already: reading then fails with `InvalidData` around a [`Violation`], which the
//! server hands to whoever reads the body.
//!
//! HTTP/2 begins with a preface that is no HTTP/1 request; after it the guard looks at nothing
//! more, and so it does after an upgrade that the server has agreed to.

mod inspect;
mod line;

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use inspect::{Inspector, Offence, Part};

/// What the server is given instead of an offending head.
///
/// It begins with a byte that may stand nowhere in a head, and not with a line end, which could
/// complete one. The line ends behind it keep a parser from waiting for more.
pub const POISON: &[u8] = b"\0\r\n\r\n";

/// How much of what the client still sends is thrown away when a refused connection is closed.
/// Closing with unread bytes would reset the connection and could take the answer with it.
const DRAIN: usize = 16;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A line ends without a carriage return, or one stands alone.
    #[error("line end other than CR LF")]
    LineEnd,
    /// A NUL byte in a line.
    #[error("NUL byte in the head")]
    Nul,
    /// The head or one line of a chunked body is longer than any sensible one.
    #[error("line too long")]
    TooLong,
    /// The request line does not end in `HTTP/1.0` or `HTTP/1.1`.
    #[error("malformed request line")]
    RequestLine,
    /// A header line that continues the one before.
    #[error("folded header line")]
    Folded,
    /// A header line without a colon, with an empty name, or with white space in its name.
    #[error("malformed header line")]
    HeaderLine,
    /// A length that is not a plain number.
    #[error("malformed content-length")]
    Length,
    /// More than one `Content-Length`.
    #[error("more than one content-length")]
    TwoLengths,
    /// `Content-Length` beside `Transfer-Encoding`.
    #[error("content-length beside transfer-encoding")]
    LengthAndCoding,
    /// A coding other than `chunked`, or more than one.
    #[error("transfer-encoding other than chunked")]
    Coding,
    /// `Transfer-Encoding` in HTTP/1.0.
    #[error("transfer-encoding in an HTTP/1.0 request")]
    CodingInOld,
    /// HTTP/1.1 without `Host`.
    #[error("no host")]
    NoHost,
    /// More than one `Host`.
    #[error("more than one host")]
    TwoHosts,
    /// A `Host` with a byte that no authority has, such as `#`, `@`, `/`, `?` or a space.
    #[error("malformed host")]
    Host,
    /// A chunk whose size line or end is malformed.
    #[error("malformed chunk")]
    Chunk,
    /// A trailer that speaks about framing or routing.
    #[error("forbidden trailer")]
    Trailer,
}

/// A stream whose reads are inspected; see the module.
#[derive(Debug)]
pub struct Strict<S> {
    stream: S,
    inspector: Inspector,
    refused: Option<Refused>,
}

#[derive(Debug, Clone, Copy)]
enum Refused {
    /// How much of the poison was passed on.
    Head {
        passed: usize,
    },
    Body(Violation),
}

// === impl Strict ===

impl<S> Strict<S> {
    /// Guards a connection from its first byte on.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            inspector: Inspector::new(),
            refused: None,
        }
    }

    /// The stream inside.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// What the server sees after the offence.
    fn refuse(refused: &mut Refused, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        match refused {
            Refused::Head { passed } => {
                let rest = POISON.get(*passed..).unwrap_or_default();
                let part = rest.get(..buf.remaining()).unwrap_or(rest);
                buf.put_slice(part);
                *passed += part.len();
                Ok(())
            }
            Refused::Body(violation) => Err(io::Error::new(io::ErrorKind::InvalidData, *violation)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(refused) = &mut this.refused {
            return Poll::Ready(Self::refuse(refused, buf));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let Err(Offence {
            at,
            violation,
            part,
        }) = this.inspector.feed(fresh)
        else {
            return Poll::Ready(Ok(()));
        };
        tracing::debug!(%violation, "request refused");
        let refused = this.refused.insert(match part {
            Part::Head => Refused::Head { passed: 0 },
            Part::Body => Refused::Body(violation),
        });
        buf.set_filled(before + at);
        // Nothing passed on would look like the end of the stream.
        if at == 0 || matches!(refused, Refused::Head { .. }) {
            return Poll::Ready(Self::refuse(refused, buf));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.inspector.answered(buf);
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(first) = bufs.first() {
            this.inspector.answered(first);
        }
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        if this.refused.is_some() {
            discard_received(&mut this.stream, cx);
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads away what has arrived, without waiting for more.
fn discard_received<S: AsyncRead + Unpin>(stream: &mut S, cx: &mut Context<'_>) {
    let mut scratch = [0_u8; 4096];
    for _ in 0..DRAIN {
        let mut buf = ReadBuf::new(&mut scratch);
        match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests;
