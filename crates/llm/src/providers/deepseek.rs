//! `DeepSeek`: `OpenAI` chat at its own host.
//! Source: apache/apisix `apisix/plugins/ai-providers/deepseek.lua`.

use crate::dialect::Dialect::OpenAiChat;
use crate::provider::{Ability, Origin, Provider, TokenCap};

pub(crate) static DEEPSEEK: Provider = Provider {
    name: "deepseek",
    origin: Origin::Fixed("api.deepseek.com"),
    speaks: &[Ability::new(OpenAiChat, "/chat/completions").cap(TokenCap::Field("max_tokens"))],
    ..Provider::BASE
};
