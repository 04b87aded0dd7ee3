//! The body of an answer with its content coding taken off.
//!
//! Nobody here asks upstreams for a coding, so one that comes is the exception: it may cost a box and
//! a copy. Source: RFC 9110 §8.4.1, RFC 8878 (zstd), RFC 7932 (br).

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_compression::tokio::bufread::{
    BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use async_compression::zstd::DParameter;
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::{answer::AnswerBody, error::NetError};

/// The most bytes that one piece unfolds to, so that a small body never fills the memory.
const PIECE_BYTES: usize = 16 * 1024;

/// A decoder of zstd remembers at most 2^23 bytes. Source: RFC 9659.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Not at all.
    Identity,
    /// `gzip`, also `x-gzip`.
    Gzip,
    /// `deflate`: the zlib format, or what some servers send instead, its inside alone.
    Deflate,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
}

/// The body of an answer as it was before it was coded.
///
/// A body that is not what its coding promises, one that ends early included, fails with
/// [`NetError::Coding`].
pub enum DecodedBody {
    /// It was not coded.
    Plain(AnswerBody),
    /// It is being decoded.
    Coded(CodedBody),
}

/// A body that is decoded while it is read.
pub struct CodedBody {
    reader: Option<Pin<Box<dyn AsyncRead + Send>>>,
    room: BytesMut,
    /// What ended the body right after the last piece.
    error: Option<NetError>,
}

/// A body of the coding `deflate`, whose first byte tells what it is.
enum Inflate {
    /// Taken when the first byte is here.
    Unread(Option<Box<Source>>),
    Read(Pin<Box<dyn AsyncRead + Send>>),
}

/// The bytes as they came, for a decoder to read.
struct Source {
    body: AnswerBody,
    piece: Bytes,
}

// === impl Coding ===

impl Coding {
    /// The coding that the headers of an answer tell; `None` for one that nobody here knows, and for
    /// several in a row.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else {
            return Some(Self::Identity);
        };
        let known = [
            ("identity", Self::Identity),
            ("", Self::Identity),
            ("gzip", Self::Gzip),
            ("x-gzip", Self::Gzip),
            ("deflate", Self::Deflate),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
        ];
        let name = value.as_bytes().trim_ascii();
        let mut known = known.into_iter();
        let (_, coding) = known.find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
        values.next().is_none().then_some(coding)
    }
}

// === impl DecodedBody ===

impl DecodedBody {
    /// The body behind `body`, which is coded so.
    pub fn new(body: AnswerBody, coding: Coding) -> Self {
        if body.is_end_stream() {
            return Self::Plain(body);
        }
        let source = |body| Source {
            body,
            piece: Bytes::new(),
        };
        let reader: Pin<Box<dyn AsyncRead + Send>> = match coding {
            Coding::Identity => return Self::Plain(body),
            Coding::Gzip => {
                let mut decoder = GzipDecoder::new(source(body));
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Coding::Deflate => Box::pin(Inflate::Unread(Some(Box::new(source(body))))),
            Coding::Brotli => Box::pin(BrotliDecoder::new(source(body))),
            Coding::Zstd => {
                let window = DParameter::window_log_max(ZSTD_WINDOW_LOG);
                Box::pin(ZstdDecoder::with_params(source(body), &[window]))
            }
        };
        Self::Coded(CodedBody {
            reader: Some(reader),
            room: BytesMut::new(),
            error: None,
        })
    }

    /// Lets pieces that are here at the same moment leave as one, as [`AnswerBody::join_ready`] does;
    /// decoded pieces are joined anyway.
    pub fn join_ready(&mut self, most: usize) {
        if let Self::Plain(body) = self {
            body.join_ready(most);
        }
    }

    /// Reads to the end; `None` when the body is larger than `limit` bytes.
    ///
    /// # Errors
    ///
    /// Whatever ended the body early.
    pub async fn read_whole(self, limit: usize) -> Result<Option<Bytes>, NetError> {
        let mut body = match self {
            Self::Plain(body) => return body.read_whole(limit).await,
            Self::Coded(body) => body,
        };
        let mut whole = BytesMut::new();
        while let Some(piece) = std::future::poll_fn(|cx| body.poll_piece(cx)).await {
            whole.unsplit(piece?);
            if whole.len() > limit {
                return Ok(None);
            }
        }
        Ok(Some(whole.freeze()))
    }
}

impl From<AnswerBody> for DecodedBody {
    fn from(body: AnswerBody) -> Self {
        Self::Plain(body)
    }
}

impl Body for DecodedBody {
    type Data = Bytes;
    type Error = NetError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, NetError>>> {
        match self.get_mut() {
            Self::Plain(body) => Pin::new(body).poll_frame(cx),
            Self::Coded(body) => {
                let piece = ready!(body.poll_piece(cx));
                Poll::Ready(piece.map(|piece| piece.map(|piece| Frame::data(piece.freeze()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::Coded(body) => body.reader.is_none() && body.error.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Coded(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for DecodedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedBody")
            .field("ended", &self.is_end_stream())
            .finish_non_exhaustive()
    }
}

// === impl CodedBody ===

impl CodedBody {
    /// The next decoded bytes, never empty ones.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BytesMut, NetError>>> {
        let Some(reader) = &mut self.reader else {
            return Poll::Ready(self.error.take().map(Err));
        };
        self.room.resize(PIECE_BYTES, 0);
        let mut buffer = ReadBuf::new(&mut self.room);
        let outcome = ready!(reader.as_mut().poll_read(cx, &mut buffer));
        let length = buffer.filled().len();
        Poll::Ready(match outcome {
            Ok(()) if length > 0 => Some(Ok(self.room.split_to(length))),
            Ok(()) => {
                self.reader = None;
                None
            }
            Err(error) => {
                self.reader = None;
                let error = net_error(error);
                if length == 0 {
                    return Poll::Ready(Some(Err(error)));
                }
                // What was decoded before it is not lost.
                self.error = Some(error);
                Some(Ok(self.room.split_to(length)))
            }
        })
    }
}

/// What the source said, or that its bytes were no good.
fn net_error(error: io::Error) -> NetError {
    match error.downcast::<NetError>() {
        Ok(error) => error,
        Err(error) => NetError::Coding(error),
    }
}

// === impl Inflate ===

impl AsyncRead for Inflate {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        /// The compression method that a zlib header names in its low half.
        const DEFLATE: u8 = 8;
        let this = self.get_mut();
        if let Self::Unread(unread) = this
            && let Some(mut source) = unread.take()
        {
            let Poll::Ready(start) = Pin::new(&mut source).poll_fill_buf(cx) else {
                *unread = Some(source);
                return Poll::Pending;
            };
            let is_zlib = start?.first().is_none_or(|first| first & 0x0f == DEFLATE);
            *this = Self::Read(if is_zlib {
                Box::pin(ZlibDecoder::new(source))
            } else {
                Box::pin(DeflateDecoder::new(source))
            });
        }
        match this {
            Self::Read(reader) => reader.as_mut().poll_read(cx, buffer),
            // It broke before its first byte, which was told.
            Self::Unread(_) => Poll::Ready(Ok(())),
        }
    }
}

// === impl Source ===

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ready = ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = ready.len().min(buffer.remaining());
        buffer.put_slice(&ready[..length]);
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Source {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.piece.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => break,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                Some(Ok(frame)) => this.piece = frame.into_data().unwrap_or_default(),
            }
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(self: Pin<&mut Self>, length: usize) {
        self.get_mut().piece.advance(length);
    }
}
