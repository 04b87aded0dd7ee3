//! Gemini: its `OpenAI` chat endpoint.
//! Source: apache/apisix `apisix/plugins/ai-providers/gemini.lua`.

use crate::dialect::Dialect::OpenAiChat;
use crate::provider::{Ability, Origin, Provider, TokenCap};

pub(crate) static GEMINI: Provider = Provider {
    name: "gemini",
    origin: Origin::Fixed("generativelanguage.googleapis.com"),
    speaks: &[Ability::new(OpenAiChat, "/v1beta/openai/chat/completions")
        .cap(TokenCap::Field("max_completion_tokens"))],
    ..Provider::BASE
};
