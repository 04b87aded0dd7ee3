//! Vertex AI: its `OpenAI` chat endpoint, one host for each region.
//! Source: apache/apisix `apisix/plugins/ai-providers/vertex-ai.lua`.

use crate::dialect::Dialect::OpenAiChat;
use crate::provider::{Ability, Origin, Provider, TokenCap};

pub(crate) static VERTEX_AI: Provider = Provider {
    name: "vertex-ai",
    origin: Origin::Regional("-aiplatform.googleapis.com"),
    speaks: &[Ability::new(
        OpenAiChat,
        "/v1beta1/projects/{project}/locations/{region}/endpoints/openapi/chat/completions",
    )
    .cap(TokenCap::Field("max_completion_tokens"))],
    ..Provider::BASE
};
