//! Requests of no dialect we know: relayed, not read.

use wire::json::{Raw, Scan};
use wire::sse::Event;

use crate::protocol::{EventReader, Protocol, Reading, RequestFacts, StreamReading, Want};

/// The protocol of everything else.
pub(crate) struct Passthrough;

/// A reader that sees nothing.
pub(super) struct Blind;

// === impl Passthrough ===

impl Protocol for Passthrough {
    fn matches(&self, _path: &str, body: &Scan) -> bool {
        let root = body.root();
        (root.is_object() || root.is_array()) && !root.is_empty()
    }

    fn facts(&self, body: &Scan) -> RequestFacts {
        super::request::facts(body)
    }

    fn log_content<'b>(&self, _body: &'b Scan) -> Option<Raw<'b>> {
        None
    }

    fn read(&self, _body: &[u8], _want: Want) -> Reading {
        Reading::default()
    }

    fn reader(&self, _want: Want) -> Box<dyn EventReader> {
        Box::new(Blind)
    }
}

// === impl Blind ===

impl EventReader for Blind {
    fn read(&mut self, _event: &Event<'_>) -> StreamReading<'_> {
        StreamReading::default()
    }
}
