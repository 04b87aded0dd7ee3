//! A stream of response events, told apart by their names.

use wire::json::Raw;
use wire::sse::Event;

use super::{calls_function, raw_usage_of, usage_of};
use crate::protocol::{EventReader, StreamReading, Want};
use crate::usage::{RawUsage, Usage};

/// Reads events by name, and parses only those with text that is wanted and the last one.
pub(super) struct Reader {
    want: Want,
    usage: Option<Usage>,
    raw_usage: Option<RawUsage>,
    text: String,
    has_content: bool,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(want: Want) -> Self {
        Self {
            want,
            usage: None,
            raw_usage: None,
            text: String::new(),
            has_content: false,
        }
    }

    fn read_named(&mut self, name: &str, data: &[u8]) -> StreamReading<'_> {
        match name {
            "response.output_text.delta" => self.read_text(data),
            // An answer that was cut short has used tokens too.
            "response.completed" | "response.incomplete" => self.read_end(data),
            "response.failed" => StreamReading {
                is_failure: true,
                ..self.read_end(data)
            },
            "error" => StreamReading {
                is_failure: true,
                is_done: true,
                ..StreamReading::default()
            },
            _ => self.read_other(name),
        }
    }

    fn read_text(&mut self, data: &[u8]) -> StreamReading<'_> {
        if self.want.text
            && let Ok(event) = Raw::parse(data)
            && let Some(delta) = event.get("delta")
        {
            delta.push_str(&mut self.text);
        }
        let is_first_content = !std::mem::replace(&mut self.has_content, true);
        StreamReading {
            text: &self.text,
            is_first_content,
            ..StreamReading::default()
        }
    }

    fn read_end(&mut self, data: &[u8]) -> StreamReading<'static> {
        let response = Raw::parse(data)
            .ok()
            .and_then(|event| event.get("response"));
        let found = response.and_then(usage_of);
        if let Some(found) = found {
            self.usage.get_or_insert_default().merge(&found);
        }
        if self.want.raw_usage
            && let Some(raw) = response.and_then(raw_usage_of)
        {
            self.raw_usage.get_or_insert_default().take_in(raw);
        }
        StreamReading {
            usage: found.and(self.usage),
            has_tool_calls: response.is_some_and(calls_function),
            is_done: true,
            ..StreamReading::default()
        }
    }

    /// Reasoning, arguments of calls and other deltas are content too.
    fn read_other(&mut self, name: &str) -> StreamReading<'static> {
        let is_delta = name
            .rsplit_once('.')
            .is_some_and(|(_, last)| last == "delta");
        let is_first_content = is_delta && !std::mem::replace(&mut self.has_content, true);
        StreamReading {
            is_first_content,
            ..StreamReading::default()
        }
    }
}

impl EventReader for Reader {
    fn read(&mut self, event: &Event<'_>) -> StreamReading<'_> {
        self.text.clear();
        if !event.is_message() {
            return self.read_named(event.name, event.data);
        }
        // Some servers leave out the event lines; the data says the same.
        let kind = Raw::parse(event.data)
            .ok()
            .and_then(|data| data.get("type")?.str());
        match kind {
            Some(kind) => self.read_named(&kind, event.data),
            None => StreamReading::default(),
        }
    }

    fn raw_usage(&self) -> Option<&RawUsage> {
        self.raw_usage.as_ref()
    }
}
