//! Secrets: values that are never printed, and references to values kept elsewhere.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a reference to a secret manager begins with.
pub(crate) const MANAGER_PREFIX: &str = "$secret://";

/// What a reference to an environment variable begins with.
const ENVIRONMENT_PREFIX: &str = "$env://";

/// A text that is never printed: `Debug` and `Display` show `***`.
///
/// `Serialize` writes the value itself, because a configuration that is stored must keep it.
#[derive(Clone, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

// === impl Secret ===

impl Secret {
    /// Takes a text into care.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// Whether a text refers to a secret kept elsewhere, instead of being the value.
///
/// Shapes: `$secret://vault/main/path/field`, and `$env://NAME` with `$env` in any case.
pub fn is_reference(text: &str) -> bool {
    is_manager_reference(text) || is_environment_reference(text)
}

/// Whether a text refers to a secret manager.
// compat: apache/apisix apisix/secret.lua: `$secret` is written small, `$env` in any case
pub fn is_manager_reference(text: &str) -> bool {
    text.starts_with(MANAGER_PREFIX)
}

/// Whether a text refers to an environment variable.
pub fn is_environment_reference(text: &str) -> bool {
    starts(text, ENVIRONMENT_PREFIX)
}

/// Whether a text begins as a reference does, in whatever case: what people take for one.
pub fn resembles_reference(text: &str) -> bool {
    starts(text, MANAGER_PREFIX) || starts(text, ENVIRONMENT_PREFIX)
}

fn starts(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// What a reference to an environment variable stands for: `$env://NAME`, or a member of the JSON
/// object in the variable, `$env://NAME/member`.
///
/// # Errors
///
/// Why there is no value, without anything secret.
pub fn environment_value<'e>(
    reference: &str,
    variable: impl FnOnce(&str) -> Option<&'e str>,
) -> Result<String, String> {
    let rest = reference.get(ENVIRONMENT_PREFIX.len()..);
    let rest = rest.unwrap_or_default();
    let (name, member) = match rest.split_once('/') {
        Some((name, member)) => (name, Some(member)),
        None => (rest, None),
    };
    let value =
        variable(name).ok_or_else(|| format!("environment variable \"{name}\" is not set"))?;
    let Some(member) = member else {
        return Ok(value.to_owned());
    };
    // The parser's own words are left out: they may repeat a piece of the secret.
    let members = serde_json::from_str::<Value>(value).ok();
    let members = members.as_ref().and_then(Value::as_object).ok_or_else(|| {
        format!("expected a JSON object in environment variable \"{name}\", found something else")
    })?;
    match members.get(member) {
        Some(Value::String(text)) => Ok(text.clone()),
        None | Some(Value::Null) => Err(format!(
            "the JSON object in environment variable \"{name}\" has no member \"{member}\""
        )),
        Some(other) => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
