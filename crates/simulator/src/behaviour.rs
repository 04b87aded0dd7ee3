//! How an answer is to be given.

mod header;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

pub use header::BehaviourError;

/// How one answer is to be given; the default is an honest and quick one.
///
/// Each field has a request header, see the table in the crate's documentation.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, set by name, each a header of its own"
)]
pub struct Behaviour {
    /// The status; from 400 on an error body of the dialect, unless `body` says otherwise.
    pub status: Option<StatusCode>,
    /// Headers to add or replace.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The `content-type`, instead of the right one.
    pub content_type: Option<HeaderValue>,
    /// The body instead of a made one; several pieces are sent as chunks of their own.
    pub body: Option<Vec<Bytes>>,
    /// The text to say, instead of an echo of the prompt.
    pub text: Option<String>,
    /// The tool to call, whatever the prompt says.
    pub tool: Option<String>,
    /// The finish word, in the words of the dialect.
    pub finish: Option<String>,
    /// Time before the status line.
    pub delay: Duration,
    /// Time between the head and the body's first byte.
    pub first_delay: Duration,
    /// Time between chunks.
    pub interval: Duration,
    /// How many chunks of text a stream has.
    pub chunks: Option<usize>,
    /// How many bytes of text a chunk has.
    pub chunk_bytes: Option<usize>,
    /// The size to which the text of an answer without stream is filled up, in bytes.
    pub body_bytes: Option<usize>,
    /// Where to close the connection.
    pub cut_after: Option<Place>,
    /// Close with a reset instead of an end.
    pub reset: bool,
    /// Where to fall silent without closing.
    pub stall_after: Option<Place>,
    /// Send bytes that are neither JSON nor events.
    pub garbage: bool,
    /// Send no body at all: a stream without events, an answer without JSON.
    pub empty: bool,
    /// Send an error event after this many chunks of text, and nothing after it.
    pub error_after: Option<usize>,
    /// Where a stream tells its token counts.
    pub usage: Usage,
    /// Leave out the end mark: `[DONE]`, `message_stop`, `response.completed`.
    pub no_end: bool,
    /// The line ends of events.
    pub line_end: LineEnd,
    /// The most bytes of one write to the socket.
    pub split: Option<usize>,
    /// The value of `retry-after`.
    pub retry_after: Option<HeaderValue>,
    /// Compress the body, and say so.
    pub gzip: bool,
    /// Close the connection after the answer, and say so.
    pub close: bool,
}

/// A place in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the status line.
    Head,
    /// After this many bytes of the body.
    Bytes(usize),
}

/// Where a stream tells its token counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// Where the dialect tells them.
    #[default]
    Normal,
    /// Nowhere.
    None,
    /// In every chunk, growing (chat only).
    Cumulative,
    /// In the chunk that has the finish word (chat only).
    Finish,
}

/// The line ends of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnd {
    /// `\n`
    #[default]
    Lf,
    /// `\r\n`
    CrLf,
    /// `\r`
    Cr,
}

// === impl Behaviour ===

impl Behaviour {
    /// An answer with this status and the dialect's own body for it.
    pub fn status(status: StatusCode) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }

    /// An answer with this status and this JSON body.
    pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status: Some(status),
            body: Some(vec![body.into()]),
            ..Self::default()
        }
    }

    /// An event stream of exactly these bytes, each piece a chunk of its own.
    pub fn events(pieces: impl IntoIterator<Item = impl Into<Bytes>>) -> Self {
        Self {
            content_type: Some(HeaderValue::from_static("text/event-stream")),
            body: Some(pieces.into_iter().map(Into::into).collect()),
            ..Self::default()
        }
    }

    /// An answer that says this text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }
}

// === impl LineEnd ===

impl LineEnd {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }
}
