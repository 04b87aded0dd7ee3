//! `OpenAI` Chat Completions, and the many who speak like it.
//! Source: apache/apisix `apisix/plugins/ai-protocols/openai-chat.lua`.

mod stream;

use wire::json::{Edits, Raw, Scan};

use super::request;
use crate::protocol::{EventReader, Protocol, Reading, RequestFacts, Want};
use crate::usage::{RawUsage, Usage, count};

/// The protocol of chat completions.
pub(crate) struct OpenAiChat;

// === impl OpenAiChat ===

impl Protocol for OpenAiChat {
    fn matches(&self, _path: &str, body: &Scan) -> bool {
        body.get("messages")
            .is_some_and(|messages| messages.is_array() || messages.is_object())
    }

    fn facts(&self, body: &Scan) -> RequestFacts {
        let end_user = request::first_string(body, &["safety_identifier", "user"]);
        RequestFacts {
            end_user,
            ..request::facts(body)
        }
    }

    /// Asks for usage at the end of a stream, since few clients do.
    ///
    /// compat: apache/apisix `openai-chat.lua`: replaces the client's `stream_options` as a whole.
    fn prepare(&self, body: &Scan, edits: &mut Edits) {
        if body.get("stream").and_then(Raw::bool) == Some(true) {
            edits.set("stream_options", r#"{"include_usage":true}"#);
        }
    }

    fn log_content<'b>(&self, body: &'b Scan) -> Option<Raw<'b>> {
        body.get("messages")
    }

    fn last_user_text(&self, body: &Scan) -> Option<String> {
        let message = request::user_messages(body.get("messages")?).last()?;
        request::content_text(message.get("content")?, &["text"])
    }

    fn prompt_members(&self) -> &'static [&'static str] {
        &["tools", "messages"]
    }

    fn read(&self, body: &[u8], want: Want) -> Reading {
        let Ok(body) = Raw::parse(body) else {
            return Reading::default();
        };
        let choices = body.get("choices").filter(|choices| choices.is_array());
        let messages = || {
            choices
                .iter()
                .flat_map(|choices| choices.items())
                .filter_map(message)
        };
        let text = || {
            let texts = messages().filter_map(|message| message.get("content")?.str());
            texts.collect::<Vec<_>>().join(" ")
        };
        let raw_usage = raw_usage_of(body);
        Reading {
            usage: raw_usage.map(usage),
            raw_usage: raw_usage.filter(|_| want.raw_usage).map(RawUsage::of),
            text: (want.text && choices.is_some()).then(text),
            has_tool_calls: messages().any(has_tool_calls),
        }
    }

    fn reader(&self, want: Want) -> Box<dyn EventReader> {
        Box::new(stream::Reader::new(want))
    }
}

fn message(choice: Raw<'_>) -> Option<Raw<'_>> {
    choice.get("message")
}

/// Whether a message, or a delta of one, calls a tool.
fn has_tool_calls(message: Raw<'_>) -> bool {
    let calls = message.get("tool_calls");
    calls.is_some_and(|calls| (calls.is_array() || calls.is_object()) && !calls.is_empty())
}

/// The usage object of an answer, a chunk, or a choice where some vendors put it.
fn raw_usage_of(place: Raw<'_>) -> Option<Raw<'_>> {
    place.get("usage").filter(|usage| usage.is_object())
}

fn usage(usage: Raw<'_>) -> Usage {
    let prompt = usage.get("prompt_tokens_details");
    let completion = usage.get("completion_tokens_details");
    let in_prompt = |name| {
        prompt
            .and_then(|details| details.get(name))
            .filter(|n| !n.is_null())
    };
    Usage {
        prompt_tokens: count(usage.get("prompt_tokens")),
        completion_tokens: count(usage.get("completion_tokens")),
        total_tokens: count(usage.get("total_tokens")),
        // DeepSeek counts its cache hits beside the details.
        cache_read_input_tokens: count(
            in_prompt("cached_tokens").or_else(|| usage.get("prompt_cache_hit_tokens")),
        ),
        cache_creation_input_tokens: count(
            in_prompt("cache_creation_input_tokens").or_else(|| in_prompt("cache_write_tokens")),
        ),
        reasoning_tokens: count(completion.and_then(|details| details.get("reasoning_tokens"))),
    }
    .with_total()
}
