//! Anything that speaks as `OpenAI` does, at an endpoint of its own.
//! Source: apache/apisix `apisix/plugins/ai-providers/openai-compatible.lua`.

use crate::dialect::Dialect::{OpenAiChat, OpenAiEmbeddings, OpenAiResponses};
use crate::provider::{Ability, Provider, TokenCap};

pub(crate) static OPENAI_COMPATIBLE: Provider = Provider {
    name: "openai-compatible",
    speaks: &[
        Ability::new(OpenAiChat, "/v1/chat/completions").cap(TokenCap::Field("max_tokens")),
        Ability::new(OpenAiResponses, "/v1/responses").cap(TokenCap::Field("max_output_tokens")),
        Ability::new(OpenAiEmbeddings, "/v1/embeddings"),
    ],
    ..Provider::BASE
};
