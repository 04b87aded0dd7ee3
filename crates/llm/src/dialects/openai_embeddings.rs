//! `OpenAI` Embeddings: one JSON answer, never a stream.
//! Source: apache/apisix `apisix/plugins/ai-protocols/openai-embeddings.lua`.

use wire::json::{Raw, Scan};

use super::passthrough::Blind;
use super::request;
use crate::protocol::{EventReader, Protocol, Reading, RequestFacts, Want};
use crate::usage::{RawUsage, Usage, count};

/// The protocol of embeddings.
pub(crate) struct OpenAiEmbeddings;

// === impl OpenAiEmbeddings ===

impl Protocol for OpenAiEmbeddings {
    fn matches(&self, _path: &str, body: &Scan) -> bool {
        body.get("input").is_some()
    }

    fn facts(&self, body: &Scan) -> RequestFacts {
        RequestFacts {
            stream: false,
            ..request::facts(body)
        }
    }

    fn log_content<'b>(&self, body: &'b Scan) -> Option<Raw<'b>> {
        body.get("input")
    }

    fn read(&self, body: &[u8], want: Want) -> Reading {
        let Ok(body) = Raw::parse(body) else {
            return Reading::default();
        };
        let raw_usage = body.get("usage").filter(|usage| usage.is_object());
        Reading {
            usage: raw_usage.map(usage),
            raw_usage: raw_usage.filter(|_| want.raw_usage).map(RawUsage::of),
            ..Reading::default()
        }
    }

    fn reader(&self, _want: Want) -> Box<dyn EventReader> {
        Box::new(Blind)
    }
}

fn usage(usage: Raw<'_>) -> Usage {
    Usage {
        prompt_tokens: count(usage.get("prompt_tokens")),
        total_tokens: count(usage.get("total_tokens")),
        ..Usage::default()
    }
    .with_total()
}
