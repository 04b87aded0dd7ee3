//! What can be asked of a dialect: facts of a request, readings of a reply or a stream.

use wire::json::{Edits, Raw, Scan};
use wire::sse::Event;

use crate::usage::{RawUsage, Usage};

/// What somebody wants to be decoded beyond usage and flags, which are always read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// The answer's text, for logs and moderation.
    pub text: bool,
    /// The usage in the provider's own names.
    pub raw_usage: bool,
}

/// What a request says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// The `model` member: scalars as text, `<non-scalar>` for others, `None` when absent or null.
    pub model: Option<String>,
    /// Whether the client asks for a stream.
    pub stream: bool,
    /// How many tools the request offers.
    pub tool_count: u32,
    /// The end user whom the client names.
    pub end_user: Option<String>,
}

/// What a JSON reply holds. Odd shapes read as nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The tokens used, when the reply has a usage object.
    pub usage: Option<Usage>,
    /// The same in the provider's own names, when wanted.
    pub raw_usage: Option<RawUsage>,
    /// The answer's text, when wanted and when the reply has the place for it.
    pub text: Option<String>,
    /// Whether the model calls a tool.
    pub has_tool_calls: bool,
}

/// What one event of a stream holds. Borrowed from the reader until the next event.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each flag is a fact of its own"
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamReading<'a> {
    /// The usage of the stream so far, when this event had a part of it.
    pub usage: Option<Usage>,
    /// The text of this event, when wanted; empty when there is none.
    pub text: &'a str,
    /// Whether this event has (a part of) a tool call; said at least once per stream.
    pub has_tool_calls: bool,
    /// Whether this is the first event that carries actual content.
    pub is_first_content: bool,
    /// Whether the stream is over after this event.
    pub is_done: bool,
    /// Whether the event reports a failure in mid-stream.
    pub is_failure: bool,
}

/// One dialect: stateless, and the same for every provider that speaks it.
pub trait Protocol: Sync {
    /// Whether a request to this path (without query) with this body speaks the dialect.
    fn matches(&self, path: &str, body: &Scan) -> bool;

    /// What the request says about itself.
    fn facts(&self, body: &Scan) -> RequestFacts;

    /// Adds what a request needs before it goes upstream.
    fn prepare(&self, _body: &Scan, _edits: &mut Edits) {}

    /// The part of a request that payload logs show.
    fn log_content<'b>(&self, body: &'b Scan) -> Option<Raw<'b>>;

    /// What the user said last, as text: the last message of the role `user`, its text parts joined
    /// by a space. `None` when there is no such message, or no text in it.
    fn last_user_text(&self, _body: &Scan) -> Option<String> {
        None
    }

    /// The members that make the prompt, in the order in which providers read them; the last one is
    /// the conversation.
    fn prompt_members(&self) -> &'static [&'static str] {
        &[]
    }

    /// Reads a JSON reply. What is not JSON, or of another shape, reads as nothing.
    fn read(&self, body: &[u8], want: Want) -> Reading;

    /// A reader for one stream.
    fn reader(&self, want: Want) -> Box<dyn EventReader>;
}

/// The state of one stream that is being read.
pub trait EventReader: Send {
    /// Reads the next event of the stream.
    fn read(&mut self, event: &Event<'_>) -> StreamReading<'_>;

    /// The usage of the stream so far in the provider's own names, when wanted.
    fn raw_usage(&self) -> Option<&RawUsage> {
        None
    }
}
