//! The dialects that are spoken, and the error bodies of each.

pub(crate) mod anthropic_messages;
pub(crate) mod embeddings;
pub(crate) mod models;
pub(crate) mod openai_chat;
pub(crate) mod openai_responses;
#[cfg(test)]
mod tests;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::behaviour::Behaviour;
use crate::event::Event;
use crate::journal::Received;
use crate::prompt::{Prompt, PromptError};
use crate::reply::Reply;

/// What a path is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Spoken(Dialect),
    CountTokens,
    Embeddings,
    Models,
    Root,
    Echo,
}

/// A dialect with conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Chat,
    Responses,
    Messages,
}

// === impl Endpoint ===

impl Endpoint {
    pub(crate) fn of(method: &Method, path: &str) -> Self {
        let path = path.trim_end_matches('/');
        if method == Method::POST {
            return Self::of_post(path);
        }
        if method != Method::GET && method != Method::HEAD {
            return Self::Echo;
        }
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        if path.is_empty() {
            Self::Root
        } else if path.ends_with("/models") || parent.ends_with("/models") {
            Self::Models
        } else {
            Self::Echo
        }
    }

    fn of_post(path: &str) -> Self {
        let endings = [
            ("/chat/completions", Self::Spoken(Dialect::Chat)),
            ("/responses", Self::Spoken(Dialect::Responses)),
            ("/messages", Self::Spoken(Dialect::Messages)),
            ("/messages/count_tokens", Self::CountTokens),
            ("/embeddings", Self::Embeddings),
        ];
        let found = endings.iter().find(|(ending, _)| path.ends_with(ending));
        found.map_or(Self::Echo, |(_, endpoint)| *endpoint)
    }

    /// Whether errors are told in Anthropic's shape.
    pub(crate) fn is_anthropic(self, request: &Received) -> bool {
        match self {
            Self::Spoken(Dialect::Messages) | Self::CountTokens => true,
            Self::Models => request.headers.contains_key("anthropic-version"),
            _ => false,
        }
    }
}

// === impl Dialect ===

impl Dialect {
    pub(crate) fn read(self, body: &[u8]) -> Result<Prompt, PromptError> {
        match self {
            Self::Chat => Prompt::chat(body),
            Self::Responses => Prompt::responses(body),
            Self::Messages => Prompt::messages(body),
        }
    }

    /// The answer as one document.
    pub(crate) fn document(self, prompt: &Prompt, reply: &Reply, behaviour: &Behaviour) -> Value {
        match self {
            Self::Chat => openai_chat::document(prompt, reply, behaviour),
            Self::Responses => openai_responses::document(prompt, reply, behaviour),
            Self::Messages => anthropic_messages::document(prompt, reply, behaviour),
        }
    }

    /// The answer as a stream.
    pub(crate) fn events(
        self,
        prompt: &Prompt,
        reply: &Reply,
        behaviour: &Behaviour,
    ) -> Vec<Event> {
        match self {
            Self::Chat => openai_chat::events(prompt, reply, behaviour),
            Self::Responses => openai_responses::events(prompt, reply, behaviour),
            Self::Messages => anthropic_messages::events(prompt, reply, behaviour),
        }
    }

    /// An error in the middle of a stream.
    pub(crate) fn error_event(self) -> Event {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let said = "the simulator was told to fail here";
        match self {
            Self::Chat => Event::data(&openai_error(status, said)),
            Self::Responses => {
                let mut error = openai_error(status, said);
                error["type"] = json!("error");
                Event::named("error", &error)
            }
            Self::Messages => Event::named("error", &anthropic_error(529, said)),
        }
    }
}

/// An error as OpenAI tells it.
pub(crate) fn openai_error(status: StatusCode, message: &str) -> Value {
    let (kind, code) = match status.as_u16() {
        401 => ("invalid_request_error", Some("invalid_api_key")),
        404 => ("invalid_request_error", Some("model_not_found")),
        429 => ("requests", Some("rate_limit_exceeded")),
        500.. => ("server_error", None),
        _ => ("invalid_request_error", None),
    };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// An error as Anthropic tells it.
pub(crate) fn anthropic_error(status: u16, message: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({
        "type": "error",
        "error": {"type": kind, "message": message},
        "request_id": "req_sim",
    })
}
