//! What clients are told when the gateway itself answers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use plugin::{BodyError, Reply};

/// The status of the upstream, which the client's own status need not be.
pub(crate) const UPSTREAM_STATUS: HeaderName = HeaderName::from_static("x-apisix-upstream-status");

/// No route wants the request.
pub(crate) fn no_route() -> Reply {
    say(StatusCode::NOT_FOUND, "404 Route Not Found")
}

/// The head cannot be served.
pub(crate) fn bad_head(fault: &'static str) -> Reply {
    say(StatusCode::BAD_REQUEST, fault)
}

/// The body is larger than allowed.
pub(crate) fn large_body() -> Reply {
    say(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the request body is larger than allowed",
    )
}

/// The client paused in the middle of its body.
pub(crate) fn slow_body() -> Reply {
    say(
        StatusCode::REQUEST_TIMEOUT,
        "the request body did not arrive in time",
    )
}

/// The body broke off, or its framing is wrong.
pub(crate) fn broken_body() -> Reply {
    say(
        StatusCode::BAD_REQUEST,
        "the request body could not be read",
    )
}

/// The body could not be read.
pub(crate) fn unreadable_body(error: &BodyError) -> Reply {
    match error {
        BodyError::TooLarge { .. } => large_body(),
        BodyError::Stalled(_) => slow_body(),
        BodyError::Broken(_) => broken_body(),
        BodyError::Taken => say(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the request body has already been sent on",
        ),
    }
}

/// The handling of the request panicked.
pub(crate) fn internal() -> Reply {
    say(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
}

/// The client wants to change protocols, and the route would let it.
pub(crate) fn no_upgrade() -> Reply {
    say(
        StatusCode::NOT_IMPLEMENTED,
        "upgraded connections are not supported",
    )
}

/// The upstream of the route has no nodes.
pub(crate) fn no_node() -> Reply {
    say(StatusCode::SERVICE_UNAVAILABLE, "no upstream node")
}

/// No node answered; `status` tells whether for want of time.
pub(crate) fn no_answer(status: StatusCode) -> Reply {
    let text = if status == StatusCode::GATEWAY_TIMEOUT {
        "the upstream did not answer in time"
    } else {
        "the upstream cannot be reached or broke off"
    };
    let mut reply = say(status, text);
    let status = HeaderValue::from(status.as_u16());
    reply.headers.insert(UPSTREAM_STATUS, status);
    reply
}

/// `{"error_msg":"…"}` and a line feed; the text must need no escaping.
fn say(status: StatusCode, text: &'static str) -> Reply {
    let mut body = String::with_capacity(20 + text.len());
    body.push_str(r#"{"error_msg":""#);
    body.push_str(text);
    body.push_str("\"}\n");
    Reply::json(status, Bytes::from(body))
}
