//! `OpenRouter`: `OpenAI` chat under a path of its own.
//! Source: apache/apisix `apisix/plugins/ai-providers/openrouter.lua`.

use crate::dialect::Dialect::OpenAiChat;
use crate::provider::{Ability, Origin, Provider, TokenCap};

pub(crate) static OPENROUTER: Provider = Provider {
    name: "openrouter",
    origin: Origin::Fixed("openrouter.ai"),
    speaks: &[
        Ability::new(OpenAiChat, "/api/v1/chat/completions").cap(TokenCap::Field("max_tokens"))
    ],
    ..Provider::BASE
};
