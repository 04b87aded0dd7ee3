//! The wire protocols, and how a request tells which one it speaks.

use std::fmt;

use wire::json::Scan;

use crate::dialects::{
    AnthropicMessages, OpenAiChat, OpenAiEmbeddings, OpenAiResponses, Passthrough,
};
use crate::protocol::Protocol;

/// A wire protocol between a client and a language model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `OpenAI` Chat Completions, the lingua franca.
    OpenAiChat,
    /// `OpenAI` Responses.
    OpenAiResponses,
    /// `OpenAI` Embeddings.
    OpenAiEmbeddings,
    /// Anthropic Messages.
    AnthropicMessages,
    /// Any other JSON: relayed as it is, to the path the client named.
    #[default]
    Passthrough,
}

/// Every dialect with its protocol, in the order in which requests are matched: the first one wins.
///
/// Source: apache/apisix `apisix/plugins/ai-protocols/init.lua`.
static TABLE: &[(Dialect, &dyn Protocol)] = &[
    (Dialect::AnthropicMessages, &AnthropicMessages),
    (Dialect::OpenAiResponses, &OpenAiResponses),
    (Dialect::OpenAiChat, &OpenAiChat),
    (Dialect::OpenAiEmbeddings, &OpenAiEmbeddings),
    (Dialect::Passthrough, &Passthrough),
];

/// The dialect of a request, from its path (without query) and its body.
///
/// `None` when the body is a scalar or an empty object that no path gives a meaning.
pub fn detect(path: &str, body: &Scan) -> Option<Dialect> {
    let row = TABLE
        .iter()
        .find(|(_, protocol)| protocol.matches(path, body))?;
    Some(row.0)
}

// === impl Dialect ===

impl Dialect {
    /// Every dialect, in the order in which requests are matched.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(dialect, _)| *dialect)
    }

    /// The name by which configuration and messages speak of it, such as `openai-chat`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiResponses => "openai-responses",
            Self::OpenAiEmbeddings => "openai-embeddings",
            Self::AnthropicMessages => "anthropic-messages",
            Self::Passthrough => "passthrough",
        }
    }

    /// The dialect of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::all().find(|dialect| dialect.name() == name)
    }

    /// How requests, replies and streams of this dialect are read.
    pub fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::OpenAiChat => &OpenAiChat,
            Self::OpenAiResponses => &OpenAiResponses,
            Self::OpenAiEmbeddings => &OpenAiEmbeddings,
            Self::AnthropicMessages => &AnthropicMessages,
            Self::Passthrough => &Passthrough,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
