//! A request that cannot go on: whose fault, may it be tried elsewhere, what the client sees.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{BodyError, Reply, ReplyBody, ReplySource};

/// Why a request ends without its answer; boxed, so that results stay small.
#[derive(Debug)]
pub struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    whose: Whose,
    retry: Retry,
    status: StatusCode,
    say: Say,
    headers: HeaderMap,
    cause: Option<String>,
}

/// Who caused a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller sent something that cannot be served.
    Client,
    /// The upstream failed.
    Upstream,
    /// The gateway or its configuration failed.
    Gateway,
}

/// Whether another instance may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing reached the client, another instance may succeed.
    Elsewhere,
    /// The same would happen everywhere, or bytes were already sent on.
    Never,
}

/// The body a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// `{"error_msg": "…"}`
    ErrorMsg(String),
    /// `{"message": "…"}`
    Message(String),
    /// A bare string.
    Text(String),
    /// Bytes as they came from an upstream, with its content type.
    Raw(Bytes, Option<HeaderValue>),
}

// === impl Fault ===

impl Fault {
    /// A fault of `whose` making, answered with `status` and `say`; not to be retried.
    pub fn new(whose: Whose, status: StatusCode, say: Say) -> Self {
        Self(Box::new(Inner {
            whose,
            retry: Retry::Never,
            status,
            say,
            headers: HeaderMap::new(),
            cause: None,
        }))
    }

    /// Marks that another instance may be asked.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        self.0.retry = Retry::Elsewhere;
        self
    }

    /// Adds what the operator's log should say; never shown to the client, never a secret.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// The same fault, answered with another status.
    #[must_use]
    pub fn answered_with(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Whether the answer's body came from an upstream.
    pub fn has_upstream_body(&self) -> bool {
        self.upstream_body().is_some_and(|bytes| !bytes.is_empty())
    }

    /// The answer's body, where it came from an upstream.
    pub fn upstream_body(&self) -> Option<&Bytes> {
        match &self.0.say {
            Say::Raw(bytes, _) => Some(bytes),
            Say::ErrorMsg(_) | Say::Message(_) | Say::Text(_) => None,
        }
    }

    /// Whose fault it is.
    pub fn whose(&self) -> Whose {
        self.0.whose
    }

    /// Whether another instance may be asked.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// The status that the client sees.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What the operator's log should say beyond the answer.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The answer that the client sees.
    pub fn into_reply(self) -> Reply {
        let Inner {
            whose,
            status,
            say,
            mut headers,
            ..
        } = *self.0;
        let (bytes, kind) = say.into_bytes();
        if let Some(kind) = kind {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        let source = match whose {
            Whose::Upstream => ReplySource::Upstream,
            Whose::Client | Whose::Gateway => ReplySource::Gateway,
        };
        Reply {
            status,
            headers,
            body: ReplyBody::Full(bytes),
            source,
        }
    }
}

impl From<BodyError> for Fault {
    fn from(error: BodyError) -> Self {
        let (whose, status) = match &error {
            BodyError::TooLarge { .. } => (Whose::Client, StatusCode::PAYLOAD_TOO_LARGE),
            BodyError::Stalled(_) => (Whose::Client, StatusCode::REQUEST_TIMEOUT),
            BodyError::Broken(_) => (Whose::Client, StatusCode::BAD_REQUEST),
            BodyError::Taken => (Whose::Gateway, StatusCode::INTERNAL_SERVER_ERROR),
        };
        let fault = Self::new(whose, status, Say::ErrorMsg(error.to_string()));
        match std::error::Error::source(&error) {
            Some(source) => fault.because(source),
            None => fault,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.say {
            Say::ErrorMsg(text) | Say::Message(text) | Say::Text(text) => f.write_str(text),
            Say::Raw(bytes, _) => write!(f, "an upstream answer of {} bytes", bytes.len()),
        }
    }
}

// === impl Say ===

impl Say {
    fn into_bytes(self) -> (Bytes, Option<HeaderValue>) {
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
        match self {
            Self::ErrorMsg(text) => (one_member("error_msg", &text), Some(JSON)),
            Self::Message(text) => (one_member("message", &text), Some(JSON)),
            Self::Text(text) => (Bytes::from(text), Some(TEXT)),
            Self::Raw(bytes, kind) => (bytes, kind),
        }
    }
}

/// `{"<name>":"<text>"}` and a line feed, as APISIX ends its JSON answers.
fn one_member(name: &str, text: &str) -> Bytes {
    let mut out = serde_json::json!({ name: text }).to_string();
    out.push('\n');
    Bytes::from(out)
}
