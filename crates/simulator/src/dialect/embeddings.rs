//! OpenAI embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::prompt::PromptError;
use crate::reply::fingerprint;
use crate::tokens;

/// How long a vector is when the request does not say.
const DIMENSIONS: usize = 16;

/// The longest vector.
const MAX_DIMENSIONS: u64 = 4096;

/// Answers a request for embeddings.
pub(crate) fn document(bytes: &[u8]) -> Result<Value, PromptError> {
    let body: Value = serde_json::from_slice(bytes).map_err(|_| PromptError::NoObject)?;
    let inputs = inputs(body.get("input").ok_or(PromptError::Missing("input"))?);
    let dimensions = body["dimensions"]
        .as_u64()
        .and_then(|asked| usize::try_from(asked.clamp(1, MAX_DIMENSIONS)).ok())
        .unwrap_or(DIMENSIONS);
    let is_base64 = body["encoding_format"] == "base64";
    let data: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(input, dimensions);
            let embedding = if is_base64 {
                json!(encoded(&vector))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: u64 = inputs.iter().map(|input| input_tokens(input)).sum();
    Ok(json!({
        "object": "list",
        "data": data,
        "model": body["model"].as_str().unwrap_or(crate::MODEL),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }))
}

/// The inputs of a request: one string, many, one list of tokens, or many.
fn inputs(input: &Value) -> Vec<&Value> {
    match input.as_array() {
        Some(list) if list.iter().any(|one| !one.is_number()) => list.iter().collect(),
        _ => vec![input],
    }
}

fn input_tokens(input: &Value) -> u64 {
    match input {
        Value::String(text) => tokens::count(text),
        Value::Array(list) => list.len() as u64,
        _ => 1,
    }
}

/// A vector of length 1 that only the input decides.
fn vector(input: &Value, dimensions: usize) -> Vec<f32> {
    let mut state = fingerprint(&input.to_string());
    let raw: Vec<f32> = (0..dimensions)
        .map(|_| {
            // Knuth's generator: its upper bits are random enough for a direction.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let upper = u16::try_from(state >> 48).unwrap_or_default();
            f32::from(upper) / 65535.0 - 0.5
        })
        .collect();
    let length = raw
        .iter()
        .map(|one| one * one)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    raw.iter().map(|one| one / length).collect()
}

/// Little-endian numbers of 32 bits, as the SDKs ask for.
fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|one| one.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}
