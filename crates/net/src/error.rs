//! What can go wrong between this process and an upstream, sorted by what the caller may decide.

use std::{error::Error as StdError, fmt, io, time::Duration};

use tokio::time::error::Elapsed;

use crate::tls::TlsError;

/// What a call was doing when it failed or when its time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking the host name up.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Shaking hands over TLS.
    Tls,
    /// Writing the request.
    Send,
    /// Waiting for the head of the answer.
    Head,
    /// Reading the body of the answer.
    Body,
}

impl Phase {
    /// Tells whether the upstream cannot have seen any byte of the request yet.
    pub const fn is_before_request(self) -> bool {
        matches!(self, Self::Resolve | Self::Connect | Self::Tls)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the upstream name",
            Self::Connect => "connecting to the upstream",
            Self::Tls => "the TLS handshake with the upstream",
            Self::Send => "sending the request",
            Self::Head => "waiting for the answer",
            Self::Body => "reading the answer",
        })
    }
}

/// The failure of a call to an upstream.
///
/// `Display` prints this level only and never a header, a path or a body; walk `source` for more.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The origin cannot be used as configured.
    #[error(transparent)]
    Settings(TlsError),
    /// The host name has no address, or the resolver failed.
    #[error("cannot resolve {host:?}")]
    Resolve {
        /// The name that was looked up.
        host: Box<str>,
        /// What the resolver said.
        source: io::Error,
    },
    /// No address accepted a connection.
    #[error("cannot connect to the upstream")]
    Connect(#[source] io::Error),
    /// The TLS handshake failed, which includes a certificate that was not accepted.
    #[error("TLS handshake with the upstream failed")]
    Tls(#[source] io::Error),
    /// Nothing moved for the time allowed.
    #[error("timeout while {phase}")]
    Timeout {
        /// What was waited for.
        phase: Phase,
    },
    /// The connection broke, or was closed before the answer was whole.
    #[error("connection lost while {phase}")]
    Lost {
        /// How far the call had come.
        phase: Phase,
        /// The socket's error; `UnexpectedEof` when the peer just closed.
        source: io::Error,
    },
    /// The upstream did not speak HTTP/1.1, or its head is too large.
    #[error("the upstream broke the HTTP protocol while {phase}")]
    Protocol {
        /// How far the call had come.
        phase: Phase,
        /// What the codec said.
        source: hyper::Error,
    },
    /// The body of the answer is not what its `Content-Encoding` promises, or ends early.
    #[error("the answer cannot be decoded as its Content-Encoding says")]
    Coding(#[source] io::Error),
    /// The body of the request could not be read to its end: not the upstream's fault.
    #[error("the request body could not be sent")]
    RequestBody(#[source] BodyError),
}

/// Why a streamed request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The sender went away before the end.
    #[error("the client closed the connection before the end of the body")]
    Cut,
    /// More bytes came than are allowed.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The largest size allowed, in bytes.
        limit: u64,
    },
    /// The sender was too slow.
    #[error("the client sent nothing for {} ms", .after.as_millis())]
    Slow {
        /// How long nothing came.
        after: Duration,
    },
    /// The framing of the body was broken.
    #[error("the body is malformed")]
    Malformed,
}

// === impl NetError ===

impl NetError {
    /// Tells whether time ran out, in this process or in the operating system.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Resolve { source, .. }
            | Self::Lost { source, .. }
            | Self::Connect(source)
            | Self::Tls(source) => source.kind() == io::ErrorKind::TimedOut,
            Self::Settings(_) | Self::Protocol { .. } | Self::Coding(_) | Self::RequestBody(_) => {
                false
            }
        }
    }

    /// What the call was doing; `None` for faults that are not the upstream's.
    pub fn phase(&self) -> Option<Phase> {
        match self {
            Self::Settings(_) | Self::RequestBody(_) => None,
            Self::Resolve { .. } => Some(Phase::Resolve),
            Self::Connect(_) => Some(Phase::Connect),
            Self::Tls(_) => Some(Phase::Tls),
            Self::Coding(_) => Some(Phase::Body),
            Self::Timeout { phase } | Self::Lost { phase, .. } | Self::Protocol { phase, .. } => {
                Some(*phase)
            }
        }
    }

    pub(crate) fn elapsed(phase: Phase) -> impl FnOnce(Elapsed) -> Self {
        move |_| Self::Timeout { phase }
    }

    /// The peer closed before the message was whole.
    pub(crate) fn cut(phase: Phase) -> Self {
        Self::Lost {
            phase,
            source: io::ErrorKind::UnexpectedEof.into(),
        }
    }

    pub(crate) fn from_hyper(error: hyper::Error, phase: Phase) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(this) = cause {
            if let Some(body) = this.downcast_ref::<BodyError>() {
                return Self::RequestBody(*body);
            }
            if let Some(source) = this.downcast_ref::<io::Error>() {
                return match source.kind() {
                    // hyper reports broken chunk framing as an I/O error of these kinds.
                    io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Self::Protocol {
                        phase,
                        source: error,
                    },
                    kind => Self::Lost {
                        phase,
                        source: copy_of(source, kind),
                    },
                };
            }
            cause = this.source();
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Self::cut(phase);
        }
        Self::Protocol {
            phase,
            source: error,
        }
    }
}

/// An I/O error cannot be cloned; its kind and number are what anyone asks for.
fn copy_of(error: &io::Error, kind: io::ErrorKind) -> io::Error {
    error
        .raw_os_error()
        .map_or_else(|| io::Error::from(kind), io::Error::from_raw_os_error)
}
