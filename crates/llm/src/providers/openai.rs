//! `OpenAI`: chat, responses and embeddings at one host.
//! Source: apache/apisix `apisix/plugins/ai-providers/openai.lua`.

use crate::dialect::Dialect::{OpenAiChat, OpenAiEmbeddings, OpenAiResponses};
use crate::provider::{Ability, Origin, Provider, TokenCap};

/// Newer models refuse `max_tokens`, so it must not stand beside its successor.
const CHAT_CAP: TokenCap = TokenCap::Renamed {
    set: "max_completion_tokens",
    remove: "max_tokens",
};

pub(crate) static OPENAI: Provider = Provider {
    name: "openai",
    origin: Origin::Fixed("api.openai.com"),
    speaks: &[
        Ability::new(OpenAiChat, "/v1/chat/completions").cap(CHAT_CAP),
        Ability::new(OpenAiResponses, "/v1/responses").cap(TokenCap::Field("max_output_tokens")),
        Ability::new(OpenAiEmbeddings, "/v1/embeddings"),
    ],
    ..Provider::BASE
};
