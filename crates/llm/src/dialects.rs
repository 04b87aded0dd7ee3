//! One protocol per dialect, and what several of them share.

mod anthropic_messages;
mod openai_chat;
mod openai_embeddings;
mod openai_responses;
mod passthrough;
mod probe;
mod request;

pub(crate) use anthropic_messages::AnthropicMessages;
pub(crate) use openai_chat::OpenAiChat;
pub(crate) use openai_embeddings::OpenAiEmbeddings;
pub(crate) use openai_responses::OpenAiResponses;
pub(crate) use passthrough::Passthrough;
