//! Azure `OpenAI`: `OpenAI` chat at an endpoint that names the deployment, hence the model.
//! Source: apache/apisix `apisix/plugins/ai-providers/azure-openai.lua`.

use crate::dialect::Dialect::OpenAiChat;
use crate::provider::{Ability, Provider, TokenCap};

pub(crate) static AZURE_OPENAI: Provider = Provider {
    name: "azure-openai",
    speaks: &[Ability::new(OpenAiChat, "/completions").cap(TokenCap::Field("max_tokens"))],
    remove_model: true,
    ..Provider::BASE
};
