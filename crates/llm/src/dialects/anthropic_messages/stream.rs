//! A stream of message events, told apart by their names.

use wire::json::Raw;
use wire::sse::Event;

use super::{is_type, raw_usage_of, usage_of};
use crate::protocol::{EventReader, StreamReading, Want};
use crate::usage::{RawUsage, Usage};

/// Reads events by name, and parses only those with usage, a block's start or text that is wanted.
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
            "message_start" => self.read_usage(data, true),
            "message_delta" => self.read_usage(data, false),
            "content_block_start" => self.read_block(data),
            "content_block_delta" => self.read_delta(data),
            "message_stop" => StreamReading {
                is_done: true,
                ..StreamReading::default()
            },
            "error" => StreamReading {
                is_done: true,
                is_failure: true,
                ..StreamReading::default()
            },
            _ => StreamReading::default(),
        }
    }

    /// Usage comes in two parts: the request's at the start, the answer's at the end.
    fn read_usage(&mut self, data: &[u8], in_message: bool) -> StreamReading<'static> {
        let event = Raw::parse(data).ok();
        let place = event.and_then(|event| {
            if in_message {
                event.get("message")
            } else {
                Some(event)
            }
        });
        let found = place.and_then(usage_of);
        if let Some(found) = found {
            self.usage.get_or_insert_default().merge(&found);
        }
        if self.want.raw_usage
            && let Some(raw) = place.and_then(raw_usage_of)
        {
            self.raw_usage.get_or_insert_default().take_in(raw);
        }
        StreamReading {
            usage: found.and(self.usage),
            ..StreamReading::default()
        }
    }

    fn read_block(&mut self, data: &[u8]) -> StreamReading<'static> {
        let block = Raw::parse(data)
            .ok()
            .and_then(|event| event.get("content_block"));
        let has_tool_calls = block.is_some_and(|block| is_type(block, "tool_use"));
        let is_first_content = has_tool_calls && !std::mem::replace(&mut self.has_content, true);
        StreamReading {
            has_tool_calls,
            is_first_content,
            ..StreamReading::default()
        }
    }

    fn read_delta(&mut self, data: &[u8]) -> StreamReading<'_> {
        if self.want.text
            && let Ok(event) = Raw::parse(data)
            && let Some(delta) = event
                .get("delta")
                .filter(|delta| is_type(*delta, "text_delta"))
            && let Some(text) = delta.get("text")
        {
            text.push_str(&mut self.text);
        }
        let is_first_content = !std::mem::replace(&mut self.has_content, true);
        StreamReading {
            text: &self.text,
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
