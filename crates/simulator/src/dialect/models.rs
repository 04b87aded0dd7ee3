//! Lists of models, in OpenAI's or Anthropic's shape.

use serde_json::{Value, json};

use crate::CREATED;

/// The models that are there; any other name is answered too.
const MODELS: &[&str] = &[crate::MODEL, "sim-2", "sim-embedding"];

/// The list.
pub(crate) fn list(is_anthropic: bool) -> Value {
    let data: Vec<_> = MODELS.iter().map(|id| model(id, is_anthropic)).collect();
    if is_anthropic {
        json!({
            "data": data,
            "has_more": false,
            "first_id": MODELS.first(),
            "last_id": MODELS.last(),
        })
    } else {
        json!({"object": "list", "data": data})
    }
}

/// One model, if it is there.
pub(crate) fn one(id: &str, is_anthropic: bool) -> Option<Value> {
    MODELS.contains(&id).then(|| model(id, is_anthropic))
}

fn model(id: &str, is_anthropic: bool) -> Value {
    if is_anthropic {
        json!({
            "type": "model",
            "id": id,
            "display_name": id,
            "created_at": "2023-11-14T22:13:20Z",
        })
    } else {
        json!({"id": id, "object": "model", "created": CREATED, "owned_by": "simulator"})
    }
}
