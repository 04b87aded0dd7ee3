//! What is sent for one request, before it is a response.

use std::io::{self, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use serde_json::Value;

use crate::behaviour::{Behaviour, LineEnd};
use crate::body::Pieces;
use crate::dialect::{
    Dialect, Endpoint, anthropic_error, anthropic_messages, embeddings, models, openai_error,
};
use crate::event;
use crate::journal::Received;
use crate::prompt::{Prompt, PromptError};
use crate::reply::Reply;

/// Bytes that are neither JSON nor events.
const GARBAGE: &[u8] = b"\x00\xff<<<not what you expect>>>{\"choices\":[\n";

/// What is sent for one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) is_stream: bool,
    pub(crate) pieces: Pieces,
}

// === impl Answer ===

impl Answer {
    /// Answers a request in the given way.
    pub(crate) fn new(request: &Received, behaviour: &Behaviour) -> Self {
        let endpoint = Endpoint::of(&request.method, request.path());
        let mut answer = Self::honest(endpoint, request, behaviour);
        if let Some(status) = behaviour.status {
            answer.status = status;
        }
        if let Some(body) = &behaviour.body {
            answer.pieces = Pieces::new(body.iter().cloned());
        }
        if behaviour.garbage {
            answer.pieces = Pieces::new([Bytes::from_static(GARBAGE)]);
        }
        if behaviour.empty {
            answer.pieces = Pieces::new([]);
        }
        if behaviour.gzip {
            answer.pieces = compressed(&answer.pieces).unwrap_or(answer.pieces);
        }
        answer
    }

    fn honest(endpoint: Endpoint, request: &Received, behaviour: &Behaviour) -> Self {
        let failure = behaviour.status.filter(|status| status.as_u16() >= 400);
        if let Some(status) = failure {
            return Self::error(endpoint, request, status, "the simulator was told to fail");
        }
        match endpoint {
            Endpoint::Spoken(dialect) => match dialect.read(&request.body) {
                Ok(prompt) => Self::spoken(dialect, &prompt, behaviour),
                Err(error) => Self::misread(endpoint, request, &error),
            },
            Endpoint::CountTokens => match Prompt::messages(&request.body) {
                Ok(prompt) => Self::json(&anthropic_messages::token_count(&prompt)),
                Err(error) => Self::misread(endpoint, request, &error),
            },
            Endpoint::Embeddings => match embeddings::document(&request.body) {
                Ok(document) => Self::json(&document),
                Err(error) => Self::misread(endpoint, request, &error),
            },
            Endpoint::Models => Self::models(endpoint, request),
            Endpoint::Root => Self::json(&serde_json::json!({"service": "simulator"})),
            Endpoint::Echo => Self::json(&request.describe()),
        }
    }

    fn spoken(dialect: Dialect, prompt: &Prompt, behaviour: &Behaviour) -> Self {
        let reply = Reply::new(prompt, behaviour);
        if !prompt.stream {
            return Self::json(&dialect.document(prompt, &reply, behaviour));
        }
        let events = dialect.events(prompt, &reply, behaviour);
        let events = event::faulty(events, dialect.error_event(), behaviour);
        let line_end: LineEnd = behaviour.line_end;
        Self {
            status: StatusCode::OK,
            is_stream: true,
            pieces: Pieces::new(events.iter().map(|event| event.bytes(line_end))),
        }
    }

    fn models(endpoint: Endpoint, request: &Received) -> Self {
        let is_anthropic = endpoint.is_anthropic(request);
        let path = request.path().trim_end_matches('/');
        match path.rsplit_once("/models") {
            Some((_, id)) if !id.is_empty() => {
                let model = models::one(id.trim_start_matches('/'), is_anthropic);
                model.map_or_else(
                    || {
                        let status = StatusCode::NOT_FOUND;
                        Self::error(endpoint, request, status, "there is no such model")
                    },
                    |model| Self::json(&model),
                )
            }
            _ => Self::json(&models::list(is_anthropic)),
        }
    }

    fn misread(endpoint: Endpoint, request: &Received, error: &PromptError) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self::error(endpoint, request, status, &error.to_string())
    }

    /// An error in the shape of whoever was asked.
    fn error(endpoint: Endpoint, request: &Received, status: StatusCode, message: &str) -> Self {
        let body = if endpoint.is_anthropic(request) {
            anthropic_error(status.as_u16(), message)
        } else {
            openai_error(status, message)
        };
        Self {
            status,
            ..Self::json(&body)
        }
    }

    /// A refusal of the settings in a request's headers.
    pub(crate) fn refusal(message: &str) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self {
            status,
            ..Self::json(&openai_error(status, message))
        }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self {
            status: StatusCode::OK,
            is_stream: false,
            pieces: Pieces::new([Bytes::from(body.to_string())]),
        }
    }
}

/// The same as one gzip stream, each piece readable by itself as it arrives.
fn compressed(pieces: &Pieces) -> io::Result<Pieces> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut out = Vec::new();
    for piece in pieces.iter() {
        encoder.write_all(piece)?;
        encoder.flush()?;
        out.push(Bytes::from(std::mem::take(encoder.get_mut())));
    }
    out.push(Bytes::from(encoder.finish()?));
    Ok(Pieces::new(out))
}
