//! Small views of JSON documents.

use serde_json::Value;

/// An identifier as text, written as text or as a number.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The members of `plugins`: names and configurations.
pub(super) fn plugins(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value
        .get("plugins")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, config)| (name.as_str(), config))
}
