//! AIMLAPI: `OpenAI` chat at its own host.
//! Source: apache/apisix `apisix/plugins/ai-providers/aimlapi.lua`.

use crate::dialect::Dialect::OpenAiChat;
use crate::provider::{Ability, Origin, Provider, TokenCap};

pub(crate) static AIMLAPI: Provider = Provider {
    name: "aimlapi",
    origin: Origin::Fixed("api.aimlapi.com"),
    speaks: &[Ability::new(OpenAiChat, "/chat/completions").cap(TokenCap::Field("max_tokens"))],
    ..Provider::BASE
};
