//! Whether an answer is right: a failed check is an error and no fast request.

use std::sync::LazyLock;

use http::header::CONTENT_TYPE;
use http::response::Parts;
use memchr::memmem::Finder;
use thiserror::Error;

/// What is wrong with an answer.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum Wrong {
    #[error("expected status 200, found {0}")]
    Status(u16),
    #[error("expected content-type {expected}, found \"{found}\"")]
    Kind {
        expected: &'static str,
        found: String,
    },
    #[error("expected a JSON object with choices")]
    Document,
    #[error("expected every event to have choices, found \"{0}\"")]
    Event(String),
    #[error("expected {expected} chunks, found {found}")]
    Chunks { expected: usize, found: usize },
    #[error("expected [DONE] once and last")]
    Done,
    #[error("expected the stream to end after an event")]
    Rest,
}

/// Checks a stream while it arrives.
#[derive(Debug, Default)]
pub(super) struct StreamCheck {
    /// The begin of a line whose end did not arrive so far.
    rest: Vec<u8>,
    chunks: usize,
    is_done: bool,
    wrong: Option<Wrong>,
}

/// In a chunk that brings something.
static CHOICE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"choices\":[{"));

/// In a chunk that brings token counts only.
static NO_CHOICE: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"choices\":[]"));

/// Checks status and content type.
pub(super) fn check_head(head: &Parts, is_stream: bool) -> Result<(), Wrong> {
    if head.status != 200 {
        return Err(Wrong::Status(head.status.as_u16()));
    }
    let expected = if is_stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let found = head.headers.get(CONTENT_TYPE);
    let found = found.map_or(&[][..], |value| value.as_bytes());
    if found.starts_with(expected.as_bytes()) {
        Ok(())
    } else {
        let found = String::from_utf8_lossy(found).into_owned();
        Err(Wrong::Kind { expected, found })
    }
}

/// Checks a document.
pub(super) fn check_document(body: &[u8]) -> Result<(), Wrong> {
    let document: serde_json::Value = serde_json::from_slice(body).map_err(|_| Wrong::Document)?;
    let choices = document["choices"].as_array();
    if choices.is_some_and(|choices| !choices.is_empty()) {
        Ok(())
    } else {
        Err(Wrong::Document)
    }
}

// === impl StreamCheck ===

impl StreamCheck {
    /// Takes the next bytes; returns how many chunks were completed by them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let before = self.chunks;
        let mut left = bytes;
        while let Some(end) = memchr::memchr(b'\n', left) {
            let (line, after) = (&left[..end], &left[end + 1..]);
            if self.rest.is_empty() {
                self.line(line);
            } else {
                self.rest.extend_from_slice(line);
                let line = std::mem::take(&mut self.rest);
                self.line(&line);
            }
            left = after;
        }
        self.rest.extend_from_slice(left);
        self.chunks - before
    }

    /// Judges the stream, which has ended as its framing says.
    pub(super) fn finish(self, expected: usize) -> Result<(), Wrong> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if !self.rest.is_empty() {
            return Err(Wrong::Rest);
        }
        if !self.is_done {
            return Err(Wrong::Done);
        }
        if self.chunks != expected {
            return Err(Wrong::Chunks {
                expected,
                found: self.chunks,
            });
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) {
        let Some(data) = line.trim_ascii_end().strip_prefix(b"data:") else {
            return;
        };
        let data = data.trim_ascii_start();
        if self.is_done {
            self.wrong.get_or_insert(Wrong::Done);
        } else if data == b"[DONE]" {
            self.is_done = true;
        } else if CHOICE.find(data).is_some() {
            self.chunks += 1;
        } else if NO_CHOICE.find(data).is_none() {
            let found = String::from_utf8_lossy(data).chars().take(200).collect();
            self.wrong.get_or_insert(Wrong::Event(found));
        }
    }
}

#[cfg(test)]
mod tests;
