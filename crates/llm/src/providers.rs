//! The providers, one file each, and the one list of them.

mod aimlapi;
mod anthropic;
mod azure_openai;
mod deepseek;
mod gemini;
mod openai;
mod openai_compatible;
mod openrouter;
mod vertex_ai;

use crate::provider::Provider;

/// Every provider that the configuration can name.
pub static PROVIDERS: &[&Provider] = &[
    &openai::OPENAI,
    &deepseek::DEEPSEEK,
    &aimlapi::AIMLAPI,
    &anthropic::ANTHROPIC,
    &openai_compatible::OPENAI_COMPATIBLE,
    &azure_openai::AZURE_OPENAI,
    &openrouter::OPENROUTER,
    &gemini::GEMINI,
    &vertex_ai::VERTEX_AI,
];
