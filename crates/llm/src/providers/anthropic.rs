//! Anthropic: its own messages, and `OpenAI` chat beside them.
//! Source: apache/apisix `apisix/plugins/ai-providers/anthropic.lua`.

use crate::dialect::Dialect::{AnthropicMessages, OpenAiChat};
use crate::provider::{Ability, Origin, Provider, TokenCap};

pub(crate) static ANTHROPIC: Provider = Provider {
    name: "anthropic",
    origin: Origin::Fixed("api.anthropic.com"),
    speaks: &[
        Ability::new(AnthropicMessages, "/v1/messages").cap(TokenCap::Field("max_tokens")),
        Ability::new(OpenAiChat, "/v1/chat/completions").cap(TokenCap::Field("max_tokens")),
    ],
    relayed: &["/v1/messages/count_tokens"],
    ..Provider::BASE
};
