//! Answers that are made once, for measurements.

use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use serde_json::{Value, json};

use crate::body::Pieces;
use crate::dialect::{Dialect, Endpoint};
use crate::journal::Received;
use crate::reply::filler;
use crate::{CREATED, MODEL};

/// The sizes of the canned chat answers, which do not depend on the prompt.
#[derive(Clone, Copy, Debug)]
pub struct CannedSizes {
    /// How many chunks a stream has, apart from the usage chunk and `[DONE]`.
    pub chunks: usize,
    /// How many bytes of text a chunk has.
    pub chunk_bytes: usize,
    /// How many bytes an answer without stream has, at least about 300.
    pub body_bytes: usize,
    /// Time between chunks.
    pub interval: Duration,
}

/// Canned chat answers.
#[derive(Debug)]
pub(crate) struct Canned {
    document: Bytes,
    stream: Pieces,
    stream_with_usage: Pieces,
    interval: Duration,
}

/// A canned answer for one request.
#[derive(Debug)]
pub(crate) enum Picked {
    Document(Bytes),
    Stream(Pieces, Duration),
}

/// What a canned answer has to know of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    stream: bool,
    include_usage: bool,
}

// === impl CannedSizes ===

impl Default for CannedSizes {
    fn default() -> Self {
        Self {
            chunks: 64,
            chunk_bytes: 40,
            body_bytes: 1200,
            interval: Duration::ZERO,
        }
    }
}

// === impl Canned ===

impl Canned {
    pub(crate) fn new(sizes: CannedSizes) -> Self {
        let bare = document(sizes, 0).len();
        let text_bytes = sizes.body_bytes.saturating_sub(bare);
        let last = sizes.chunks.saturating_sub(1);
        let done = Bytes::from_static(b"data: [DONE]\n\n");
        let contents: Vec<_> = (0..sizes.chunks)
            .map(|index| {
                let text = filler(sizes.chunk_bytes);
                let delta = if index == 0 {
                    json!({"role": "assistant", "content": text})
                } else {
                    json!({"content": text})
                };
                let finish = (index == last).then_some("stop");
                event(&chunk(
                    &json!([{"index": 0, "delta": delta, "finish_reason": finish}]),
                ))
            })
            .collect();
        let mut usage_chunk = chunk(&json!([]));
        usage_chunk["usage"] = usage(sizes);
        let usage_chunk = event(&usage_chunk);
        let pieces = |tail: &[Bytes]| {
            let mut pieces = contents.clone();
            if sizes.interval.is_zero() {
                pieces.extend_from_slice(tail);
            } else {
                // The pauses are between chunks: what ends the stream comes with the last one.
                let last = pieces.pop().unwrap_or_default();
                pieces.push(Bytes::from([&[last], tail].concat().concat()));
            }
            Pieces::new(pieces)
        };
        Self {
            document: document(sizes, text_bytes),
            stream: pieces(std::slice::from_ref(&done)),
            stream_with_usage: pieces(&[usage_chunk, done.clone()]),
            interval: sizes.interval,
        }
    }

    /// The answer, if the request is one that canned answers are for.
    pub(crate) fn pick(&self, request: &Received) -> Option<Picked> {
        if Endpoint::of(&request.method, request.path()) != Endpoint::Spoken(Dialect::Chat) {
            return None;
        }
        let asked = Asked::of(&request.body)?;
        Some(match (asked.stream, asked.include_usage) {
            (false, _) => Picked::Document(self.document.clone()),
            (true, false) => Picked::Stream(self.stream.clone(), self.interval),
            (true, true) => Picked::Stream(self.stream_with_usage.clone(), self.interval),
        })
    }
}

// === impl Asked ===

impl Asked {
    /// Looks for the members without reading the whole; `None` if it is no JSON object.
    ///
    /// Inside a JSON string quotes are escaped, so no prompt can pretend to be a member.
    fn of(body: &[u8]) -> Option<Self> {
        let body = body.trim_ascii();
        if !body.starts_with(b"{") || !body.ends_with(b"}") {
            return None;
        }
        Some(Self {
            stream: is_true(body, b"\"stream\""),
            include_usage: is_true(body, b"\"include_usage\""),
        })
    }
}

fn is_true(body: &[u8], name: &[u8]) -> bool {
    memmem::find_iter(body, name).any(|at| {
        let rest = body.get(at + name.len()..).unwrap_or_default();
        let value = rest.trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"true"))
    })
}

fn usage(sizes: CannedSizes) -> Value {
    let completion = sizes.chunks;
    json!({"prompt_tokens": 16, "completion_tokens": completion, "total_tokens": completion + 16})
}

fn document(sizes: CannedSizes, text_bytes: usize) -> Bytes {
    let document = json!({
        "id": "chatcmpl-canned",
        "object": "chat.completion",
        "created": CREATED,
        "model": MODEL,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": filler(text_bytes), "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": usage(sizes),
    });
    Bytes::from(document.to_string())
}

fn chunk(choices: &Value) -> Value {
    json!({
        "id": "chatcmpl-canned",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": MODEL,
        "choices": choices,
    })
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}
