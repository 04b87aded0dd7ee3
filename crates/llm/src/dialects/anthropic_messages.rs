//! Anthropic Messages.
//! Source: apache/apisix `apisix/plugins/ai-protocols/anthropic-messages.lua`.

mod stream;

use std::borrow::Cow;

use wire::json::{Kind, Raw, Scan};

use super::request;
use crate::protocol::{EventReader, Protocol, Reading, RequestFacts, Want};
use crate::usage::{RawUsage, Usage, count};

/// The protocol of messages.
pub(crate) struct AnthropicMessages;

// === impl AnthropicMessages ===

impl Protocol for AnthropicMessages {
    fn matches(&self, path: &str, body: &Scan) -> bool {
        path.ends_with("/v1/messages") && body.kind() == Kind::Object
    }

    fn facts(&self, body: &Scan) -> RequestFacts {
        let user = body
            .get("metadata")
            .and_then(|metadata| metadata.get("user_id")?.str());
        RequestFacts {
            end_user: user.map(Cow::into_owned),
            ..request::facts(body)
        }
    }

    fn log_content<'b>(&self, body: &'b Scan) -> Option<Raw<'b>> {
        body.get("messages")
    }

    /// Messages that only bring the results of tools are nothing that the user said.
    fn last_user_text(&self, body: &Scan) -> Option<String> {
        let messages = request::user_messages(body.get("messages")?);
        let contents = messages.filter_map(|message| message.get("content"));
        let content = contents
            .filter(|content| !is_tool_result(*content))
            .last()?;
        request::content_text(content, &["text"])
    }

    fn prompt_members(&self) -> &'static [&'static str] {
        &["tools", "system", "messages"]
    }

    fn read(&self, body: &[u8], want: Want) -> Reading {
        let Ok(body) = Raw::parse(body) else {
            return Reading::default();
        };
        let content = body.get("content").filter(|content| content.is_array());
        Reading {
            usage: usage_of(body),
            raw_usage: raw_usage_of(body)
                .filter(|_| want.raw_usage)
                .map(RawUsage::of),
            text: content.filter(|_| want.text).map(text),
            has_tool_calls: content
                .is_some_and(|content| content.items().any(|block| is_type(block, "tool_use"))),
        }
    }

    fn reader(&self, want: Want) -> Box<dyn EventReader> {
        Box::new(stream::Reader::new(want))
    }
}

fn is_type(block: Raw<'_>, expected: &str) -> bool {
    block
        .get("type")
        .is_some_and(|found| found.is_str(expected))
}

fn is_tool_result(content: Raw<'_>) -> bool {
    let mut blocks = content.items();
    content.is_array() && !content.is_empty() && blocks.all(|block| is_type(block, "tool_result"))
}

fn text(content: Raw<'_>) -> String {
    let blocks = content.items().filter(|block| is_type(*block, "text"));
    blocks
        .filter_map(|block| block.get("text")?.str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn raw_usage_of(place: Raw<'_>) -> Option<Raw<'_>> {
    place.get("usage").filter(|usage| usage.is_object())
}

/// The usage of a message, or of the event that ends one.
fn usage_of(place: Raw<'_>) -> Option<Usage> {
    let usage = raw_usage_of(place)?;
    let found = Usage {
        prompt_tokens: count(usage.get("input_tokens")),
        completion_tokens: count(usage.get("output_tokens")),
        total_tokens: 0,
        cache_read_input_tokens: count(usage.get("cache_read_input_tokens")),
        cache_creation_input_tokens: count(usage.get("cache_creation_input_tokens")),
        reasoning_tokens: 0,
    };
    Some(found.with_total())
}
