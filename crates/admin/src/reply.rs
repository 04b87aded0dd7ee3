//! Whole replies, and their headers.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, SERVER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

/// What every reply calls the gateway.
const SERVER_NAME: &str = concat!("Tollgate/", env!("CARGO_PKG_VERSION"));

/// A whole reply, before it becomes HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

// === impl Reply ===

impl Reply {
    /// A JSON reply; the line feed at its end is what APISIX sends.
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        let mut text = body.to_string();
        text.push('\n');
        Self::bytes(status, "application/json", text)
    }

    /// A reply of bare text, still called JSON as APISIX does.
    pub(crate) fn bare(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self::bytes(status, "application/json", text)
    }

    /// A reply of any type.
    pub(crate) fn bytes(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
            headers: Vec::new(),
        }
    }

    /// `{"error_msg": …}`.
    pub(crate) fn error(status: StatusCode, message: impl Into<String>) -> Self {
        Self::json(status, &json!({ "error_msg": message.into() }))
    }

    /// The same reply with one more header.
    #[must_use]
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The reply as HTTP.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}
