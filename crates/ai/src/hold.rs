//! The opening of a streamed answer, held back until it has content.
//!
//! An upstream that breaks off after `message_start` has not answered anything, yet a client that
//! has seen those bytes cannot be given another instance's answer. So where another instance could
//! be asked, the first events wait for the first content. The wait is bounded: by [`MOST_BYTES`], and
//! by time, since an upstream that keeps sending comments while it thinks is alive. It ends at the
//! first piece that comes later than the silence allowed to an upstream, or than the time within
//! which another attempt may follow; where the content itself has a deadline, that alone counts.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use llm::{Dialect, StreamReading};
use plugin::{Fault, Say, Whose};
use wire::json::Raw;

/// The most bytes that are held back.
const MOST_BYTES: u64 = 64 * 1024;

/// What the opening of a stream has shown.
#[derive(Debug)]
pub(crate) struct Hold {
    /// `None` when somebody else sees to the time.
    until: Option<Instant>,
    dialect: Dialect,
    events: u32,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Nothing,
    /// Content, or the end of an answer that has none.
    Answer,
    /// An event that reports a failure, with its data.
    Failure(Bytes),
}

// === impl Hold ===

impl Hold {
    /// A hold that ends at the first piece after `until`; `None` for dialects whose streams nobody
    /// here can read.
    pub(crate) fn new(dialect: Dialect, until: Option<Instant>) -> Option<Self> {
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::AnthropicMessages => {
                Some(Self {
                    until,
                    dialect,
                    events: 0,
                    shown: Shown::Nothing,
                })
            }
            Dialect::OpenAiEmbeddings | Dialect::Passthrough => None,
        }
    }

    /// Takes note of the next event.
    pub(crate) fn see(&mut self, reading: &StreamReading<'_>, data: &[u8]) {
        if !matches!(self.shown, Shown::Nothing) {
            return;
        }
        self.events += 1;
        // A stream of nothing but its end mark is an empty one; that of Responses has the answer in it.
        let is_complete =
            reading.is_done && (self.events > 1 || self.dialect == Dialect::OpenAiResponses);
        if reading.is_failure {
            self.shown = Shown::Failure(Bytes::copy_from_slice(data));
        } else if reading.is_first_content || is_complete {
            self.shown = Shown::Answer;
        }
    }

    /// Whether what is held may go, after `read` bytes.
    ///
    /// # Errors
    /// An upstream's [`Fault`] when it reported a failure.
    pub(crate) fn may_go(&self, read: u64) -> Result<bool, Fault> {
        let is_late = self.until.is_some_and(|until| Instant::now() > until);
        if read > MOST_BYTES || is_late {
            return Ok(true);
        }
        match &self.shown {
            Shown::Failure(data) => Err(reported(data)),
            Shown::Answer => Ok(true),
            Shown::Nothing => Ok(false),
        }
    }
}

/// The fault of a stream that ended before it said anything.
pub(crate) fn nothing_said() -> Fault {
    broken(Say::Text(
        "the upstream's stream ended before its first content".to_owned(),
    ))
}

/// Why a JSON answer of a good status is none, in a word of the trail, with its fault: it is no JSON,
/// or reports a failure.
pub(crate) fn broken_answer(body: &Bytes) -> Option<(&'static str, Fault)> {
    let Ok(answer) = Raw::parse(body) else {
        let say = Say::Text("the upstream's answer is not JSON".to_owned());
        return Some(("not_json", broken(say)));
    };
    let is_failure = answer.get("error").is_some_and(|error| !error.is_null());
    is_failure.then(|| ("error_answer", reported(body)))
}

/// What the event said, as the body of an error.
fn reported(data: &Bytes) -> Fault {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let is_json = Raw::parse(data).is_ok_and(Raw::is_object);
    broken(if is_json {
        Say::Raw(data.clone(), Some(JSON))
    } else {
        Say::Text("the upstream reported a failure before its first content".to_owned())
    })
}

fn broken(say: Say) -> Fault {
    Fault::new(Whose::Upstream, StatusCode::BAD_GATEWAY, say).elsewhere()
}
