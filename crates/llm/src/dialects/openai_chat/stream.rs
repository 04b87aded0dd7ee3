//! A stream of chat completion chunks.

use wire::json::Raw;
use wire::sse::Event;

use super::super::probe::Probe;
use super::{has_tool_calls, raw_usage_of, usage};
use crate::protocol::{EventReader, StreamReading, Want};
use crate::usage::{RawUsage, Usage};

/// What ends a stream, in place of JSON.
const DONE: &[u8] = b"[DONE]";

/// Members of a delta that mean that the model has begun to answer.
const CONTENT: [&str; 5] = [
    r#""content""#,
    r#""reasoning_content""#,
    r#""reasoning""#,
    r#""refusal""#,
    r#""tool_calls""#,
];

/// Reads chunks, and parses only those that have something to tell.
pub(super) struct Reader {
    want: Want,
    usage: Option<Usage>,
    raw_usage: Option<RawUsage>,
    text: String,
    has_tool_calls: bool,
    has_content: bool,
    usage_probe: Probe,
    error_probe: Probe,
    tool_probe: Probe,
    content_probes: [Probe; 5],
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(want: Want) -> Self {
        Self {
            want,
            usage: None,
            raw_usage: None,
            text: String::new(),
            has_tool_calls: false,
            has_content: false,
            usage_probe: Probe::new(r#""usage""#),
            error_probe: Probe::new(r#""error""#),
            tool_probe: Probe::new(r#""tool_calls""#),
            content_probes: CONTENT.map(Probe::new),
        }
    }

    fn is_worth_parsing(&self, data: &[u8]) -> bool {
        self.want.text
            || self.usage_probe.finds_value(data)
            || self.error_probe.finds_value(data)
            || (!self.has_tool_calls && self.tool_probe.finds_value(data))
    }

    fn is_first_content(&mut self, data: &[u8]) -> bool {
        if self.has_content {
            return false;
        }
        self.has_content = self
            .content_probes
            .iter()
            .any(|probe| probe.finds_value(data));
        self.has_content
    }

    fn read_chunk(&mut self, chunk: Raw<'_>) -> StreamReading<'_> {
        let choices = chunk.get("choices");
        let choices = || choices.iter().flat_map(|choices| choices.items());
        let deltas = || choices().filter_map(|choice| choice.get("delta"));
        if self.want.text {
            for content in deltas().filter_map(|delta| delta.get("content")) {
                content.push_str(&mut self.text);
            }
        }
        let calls_tool = deltas().any(has_tool_calls);
        self.has_tool_calls |= calls_tool;
        let raw = raw_usage_of(chunk).or_else(|| choices().find_map(raw_usage_of));
        let raw = raw.or_else(|| raw_usage_of(chunk.get("x_groq")?));
        if self.want.raw_usage
            && let Some(raw) = raw
        {
            self.raw_usage.get_or_insert_default().take_in(raw);
        }
        let found = raw.map(usage);
        if let Some(found) = found {
            match &mut self.usage {
                Some(known) => known.merge(&found),
                unknown => *unknown = Some(found),
            }
        }
        StreamReading {
            usage: found.and(self.usage),
            text: &self.text,
            has_tool_calls: calls_tool,
            is_failure: chunk.get("error").is_some_and(|error| !error.is_null()),
            ..StreamReading::default()
        }
    }
}

impl EventReader for Reader {
    fn read(&mut self, event: &Event<'_>) -> StreamReading<'_> {
        self.text.clear();
        let data = event.data.trim_ascii();
        if !event.is_message() {
            return StreamReading {
                is_failure: event.name == "error",
                ..StreamReading::default()
            };
        }
        if data == DONE {
            return StreamReading {
                is_done: true,
                ..StreamReading::default()
            };
        }
        let is_first_content = self.is_first_content(data);
        let chunk = if self.is_worth_parsing(data) {
            Raw::parse(data).ok()
        } else {
            None
        };
        match chunk {
            Some(chunk) => StreamReading {
                is_first_content,
                ..self.read_chunk(chunk)
            },
            None => StreamReading {
                is_first_content,
                ..StreamReading::default()
            },
        }
    }

    fn raw_usage(&self) -> Option<&RawUsage> {
        self.raw_usage.as_ref()
    }
}
