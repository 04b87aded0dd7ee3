//! `OpenAI` Responses.
//! Source: apache/apisix `apisix/plugins/ai-protocols/openai-responses.lua`.

mod stream;

use wire::json::{Raw, Scan};

use super::request;
use crate::protocol::{EventReader, Protocol, Reading, RequestFacts, Want};
use crate::usage::{RawUsage, Usage, count};

/// The protocol of responses.
pub(crate) struct OpenAiResponses;

// === impl OpenAiResponses ===

impl Protocol for OpenAiResponses {
    fn matches(&self, path: &str, body: &Scan) -> bool {
        path.ends_with("/v1/responses") && body.get("input").is_some()
    }

    fn facts(&self, body: &Scan) -> RequestFacts {
        let end_user = request::first_string(body, &["safety_identifier", "user"]);
        RequestFacts {
            end_user,
            ..request::facts(body)
        }
    }

    fn log_content<'b>(&self, body: &'b Scan) -> Option<Raw<'b>> {
        body.get("input")
    }

    fn last_user_text(&self, body: &Scan) -> Option<String> {
        let input = body.get("input")?;
        let types = ["input_text", "text"];
        if !input.is_array() {
            return request::content_text(input, &types);
        }
        let message = request::user_messages(input).last()?;
        request::content_text(message.get("content")?, &types)
    }

    fn prompt_members(&self) -> &'static [&'static str] {
        &["instructions", "tools", "input"]
    }

    fn read(&self, body: &[u8], want: Want) -> Reading {
        let Ok(body) = Raw::parse(body) else {
            return Reading::default();
        };
        let output = body.get("output").filter(|output| output.is_array());
        Reading {
            usage: usage_of(body),
            raw_usage: raw_usage_of(body)
                .filter(|_| want.raw_usage)
                .map(RawUsage::of),
            text: output.filter(|_| want.text).map(text),
            has_tool_calls: calls_function(body),
        }
    }

    fn reader(&self, want: Want) -> Box<dyn EventReader> {
        Box::new(stream::Reader::new(want))
    }
}

fn is_type(item: Raw<'_>, expected: &str) -> bool {
    item.get("type").is_some_and(|found| found.is_str(expected))
}

fn text(output: Raw<'_>) -> String {
    let messages = output.items().filter(|item| is_type(*item, "message"));
    let parts = messages
        .filter_map(|item| item.get("content"))
        .flat_map(Raw::items);
    let texts = parts.filter(|part| is_type(*part, "output_text"));
    texts
        .filter_map(|part| part.get("text")?.str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn calls_function(response: Raw<'_>) -> bool {
    let output = response.get("output");
    output.is_some_and(|output| output.items().any(|item| is_type(item, "function_call")))
}

fn raw_usage_of(response: Raw<'_>) -> Option<Raw<'_>> {
    response.get("usage").filter(|usage| usage.is_object())
}

/// The usage of a response object.
fn usage_of(response: Raw<'_>) -> Option<Usage> {
    let usage = raw_usage_of(response)?;
    let in_details = |details, name| {
        count(
            usage
                .get(details)
                .and_then(|details: Raw<'_>| details.get(name)),
        )
    };
    let found = Usage {
        prompt_tokens: count(usage.get("input_tokens")),
        completion_tokens: count(usage.get("output_tokens")),
        total_tokens: count(usage.get("total_tokens")),
        cache_read_input_tokens: in_details("input_tokens_details", "cached_tokens"),
        cache_creation_input_tokens: 0,
        reasoning_tokens: in_details("output_tokens_details", "reasoning_tokens"),
    };
    Some(found.with_total())
}
