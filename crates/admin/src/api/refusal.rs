//! Answers that refuse.

use config::source::StoreError;
use config::{CheckError, Kind};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::reply::Reply;

/// An answer that refuses.
#[derive(Debug)]
pub(super) enum Refusal {
    /// `{"message":"Key not found"}`.
    Missing,
    /// A bare text.
    Bare(String),
    /// `{"error_msg":…}` and what else is known.
    Said(Box<Said>),
}

/// What a refusal says.
#[derive(Debug)]
pub(super) struct Said {
    status: StatusCode,
    message: String,
    details: Vec<Value>,
    /// The body as it came, when it could not be read.
    echo: Option<String>,
    /// The methods that would be allowed.
    allow: Option<&'static str>,
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Said(Box::new(Said {
            status,
            message: message.into(),
            details: Vec::new(),
            echo: None,
            allow: None,
        }))
    }

    /// A fault of the client's that is not tied to one place of its body.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A fault at one place of the client's body.
    pub(super) fn at(pointer: &str, message: impl Into<String>, expected: &str) -> Self {
        Self::invalid(message).detail(json!({ "pointer": pointer, "expected": expected }))
    }

    /// Faults of the client's body as its check told them.
    pub(super) fn faulty(prefix: &str, error: &CheckError) -> Self {
        Self::invalid(format!("{prefix}{}", error.message)).details_of(error)
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found")
    }

    pub(super) fn unknown_kind(name: &str) -> Self {
        let message = format!("Unsupported resource type: {name}");
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn unsupported_method(method: &Method, noun: &str) -> Self {
        let message = format!("not supported `{method}` method for {noun}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, message)
    }

    /// Resources are kept where the Admin API does not write.
    pub(super) fn read_only() -> Self {
        Self::Said(Box::new(Said {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: "resources come from a file: change the file, this api only reads".to_owned(),
            details: Vec::new(),
            echo: None,
            allow: Some("GET"),
        }))
    }

    /// The body is no JSON; `text` is sent back.
    pub(super) fn unreadable(error: &serde_json::Error, text: String) -> Self {
        Self::Said(Box::new(Said {
            status: StatusCode::BAD_REQUEST,
            message: format!("invalid request body: {error}"),
            details: Vec::new(),
            echo: Some(text),
            allow: None,
        }))
    }

    pub(super) fn missing_reference(pointer: &str, to: &str, id: &str, kind: Kind) -> Self {
        let message = format!("failed to fetch {to} info by {to} id [{id}], response code: 404");
        let expected = format!("the id of one of the {}", kind.plural());
        Self::invalid(message)
            .detail(json!({ "pointer": pointer, "expected": expected, "found": id }))
    }

    /// The same refusal with a detail more.
    #[must_use]
    pub(super) fn detail(mut self, detail: Value) -> Self {
        if let Self::Said(said) = &mut self {
            said.details.push(detail);
        }
        self
    }

    /// The same refusal with the places of all faults that a check told.
    #[must_use]
    pub(super) fn details_of(self, error: &CheckError) -> Self {
        error.all().fold(self, |refusal, fault| {
            let mut detail = Map::new();
            detail.insert("pointer".to_owned(), fault.pointer.as_str().into());
            detail.insert("expected".to_owned(), fault.expected.as_str().into());
            if let Some(found) = &fault.found {
                detail.insert("found".to_owned(), (&**found).into());
            }
            refusal.detail(Value::Object(detail))
        })
    }

    /// The same refusal with another text in front.
    #[must_use]
    pub(super) fn under(mut self, prefix: &str) -> Self {
        if let Self::Said(said) = &mut self {
            said.message.insert_str(0, prefix);
        }
        self
    }

    /// What it says, without its status and details.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Missing => "Key not found".to_owned(),
            Self::Bare(text) => text,
            Self::Said(said) => said.message,
        }
    }

    pub(super) fn into_reply(self) -> Reply {
        let said = match self {
            Self::Missing => {
                return Reply::json(
                    StatusCode::NOT_FOUND,
                    &json!({ "message": "Key not found" }),
                );
            }
            Self::Bare(text) => return Reply::bare(StatusCode::BAD_REQUEST, text),
            Self::Said(said) => *said,
        };
        let mut body = json!({ "error_msg": said.message });
        if !said.details.is_empty() {
            body["details"] = Value::Array(said.details);
        }
        if let Some(echo) = said.echo {
            body["req_body"] = Value::String(echo);
        }
        let reply = Reply::json(said.status, &body);
        match said.allow {
            Some(methods) => reply.with(ALLOW, HeaderValue::from_static(methods)),
            None => reply,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}
