//! The record of one AI request: written while it runs, read by logs, variables and metrics.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialect::Dialect;
use crate::usage::{RawUsage, Usage};

/// What is known about the AI part of one client request.
///
/// Written by the exchange itself, read by everybody after it. Fields that belong to an attempt
/// hold what the last attempt left.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each flag is a fact of its own"
)]
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// The dialect of the client.
    pub dialect: Dialect,
    /// Whether the client asked for a stream.
    pub streaming: bool,
    /// The client's `model`; empty when it names none.
    pub request_model: String,
    /// The instance of the last attempt.
    pub instance: Arc<str>,
    /// In which order the instances are asked, when the content of the request decides that.
    pub ranking: Option<Box<Ranking>>,
    /// The blocks of the prompt, as [`blocks`](crate::prompt::blocks) cuts them, when the instance is
    /// chosen by them.
    pub prompt_blocks: Vec<u64>,
    /// The model that was asked for upstream.
    pub model: String,
    /// How many tools the outgoing request offers.
    pub tool_count: u32,
    /// The end user whom the outgoing request names.
    pub end_user: String,
    /// The tokens used, as far as the provider has said.
    pub usage: Usage,
    /// The same in the provider's own names, when somebody wanted it and the provider has said
    /// anything.
    pub raw_usage: Option<RawUsage>,
    /// Whether the answer calls a tool.
    pub has_tool_calls: bool,
    /// The answer's text, when somebody wanted it.
    pub text: String,
    /// Whether `text` is what the answer said, be it nothing.
    pub text_known: bool,
    /// From the start of the attempt to the first byte of a stream or the end of a JSON answer.
    pub time_to_first_token_ms: Option<u64>,
    /// From the start of the attempt to the end of the answer.
    pub upstream_response_time_ms: Option<u64>,
    /// The logged part of the request, as JSON text.
    pub request_log: Option<Box<str>>,
    /// What moderation made of the content.
    pub content_risk_level: String,
    /// Whether the answer is over, complete or not.
    pub done: bool,
    /// How it ended.
    pub ended: Ended,
    /// Whether the route wants the summary in its logs.
    pub log_summaries: bool,
    /// Whether the route wants request and answer in its logs.
    pub log_payloads: bool,
}

/// The order in which instances are asked; they are named by their place in the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranking {
    /// Every instance, the one to be asked first at the front.
    pub order: Vec<usize>,
    /// How many of them, from the front, fit the request; the others are only there to fall back to.
    pub fitting: usize,
    /// What each instance scored, the best one first; empty when no scores could be had.
    pub scores: Vec<(usize, f64)>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// It has not.
    #[default]
    Running,
    /// The upstream finished its answer.
    Complete,
    /// The client went away.
    ClientGone,
    /// The upstream closed the connection in the middle of an answer.
    UpstreamCut,
    /// Reading from the upstream failed.
    ReadError,
    /// The stream lasted longer than allowed.
    DurationLimit,
    /// The answer was larger than allowed.
    SizeLimit,
    /// All attempts together took longer than allowed.
    TotalTimeout,
    /// There was no answer to relay, or it reported itself that it failed.
    Failed,
}

/// The log entry field `llm_summary`: fifteen members, numbers always as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary<'a> {
    /// The client's `model`.
    pub request_model: &'a str,
    /// The model that was asked for upstream.
    pub model: &'a str,
    /// Milliseconds to the first token.
    pub duration: u64,
    /// Tokens of the request.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// All tokens.
    pub total_tokens: u64,
    /// Milliseconds to the end of the answer.
    pub upstream_response_time: u64,
    /// `true` or `false`, as text.
    pub stream: &'static str,
    /// How many tools were offered.
    pub tool_count: u32,
    /// `true` or `false`, as text.
    pub has_tool_calls: &'static str,
    /// The end user.
    pub end_user_id: &'a str,
    /// Request tokens from the provider's cache.
    pub cache_read_input_tokens: u64,
    /// Request tokens to the provider's cache.
    pub cache_creation_input_tokens: u64,
    /// Answer tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// What moderation made of the content.
    pub content_risk_level: &'a str,
}

/// The log entry field `llm_request`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RequestLog<'a> {
    /// The request's content as the client wrote it; absent where a dialect has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<&'a RawValue>,
    /// Whether the client asked for a stream.
    pub stream: bool,
}

/// The log entry field `llm_response_text`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ResponseLog<'a> {
    /// The answer's text.
    pub content: &'a str,
}

// === impl Exchange ===

impl Exchange {
    /// The value of `$request_type`.
    pub fn request_type(&self) -> &'static str {
        if self.streaming {
            "ai_stream"
        } else {
            "ai_chat"
        }
    }

    /// The log entry field `llm_summary`.
    pub fn summary(&self) -> Summary<'_> {
        Summary {
            request_model: &self.request_model,
            model: &self.model,
            duration: self.time_to_first_token_ms.unwrap_or(0),
            prompt_tokens: self.usage.prompt_tokens,
            completion_tokens: self.usage.completion_tokens,
            total_tokens: self.usage.total_tokens,
            upstream_response_time: self.upstream_response_time_ms.unwrap_or(0),
            stream: word(self.streaming),
            tool_count: self.tool_count,
            has_tool_calls: word(self.has_tool_calls),
            end_user_id: &self.end_user,
            cache_read_input_tokens: self.usage.cache_read_input_tokens,
            cache_creation_input_tokens: self.usage.cache_creation_input_tokens,
            reasoning_tokens: self.usage.reasoning_tokens,
            content_risk_level: &self.content_risk_level,
        }
    }

    /// The log entry field `llm_request`.
    pub fn request_entry(&self) -> RequestLog<'_> {
        let messages = self.request_log.as_deref();
        RequestLog {
            messages: messages.and_then(|text| serde_json::from_str(text).ok()),
            stream: self.streaming,
        }
    }

    /// The log entry field `llm_response_text`, once the text is known.
    pub fn response_entry(&self) -> Option<ResponseLog<'_>> {
        self.text_known.then_some(ResponseLog {
            content: &self.text,
        })
    }
}

fn word(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

// === impl Ended ===

impl Ended {
    /// The word for it in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::ClientGone => "client_disconnect",
            Self::UpstreamCut => "upstream_cut",
            Self::ReadError => "read_error",
            Self::DurationLimit => "max_stream_duration_ms",
            Self::SizeLimit => "max_response_bytes",
            Self::TotalTimeout => "total_timeout",
            Self::Failed => "failed",
        }
    }

    /// Whether what was begun was not finished.
    pub const fn is_cut(self) -> bool {
        !matches!(self, Self::Running | Self::Complete | Self::Failed)
    }
}
