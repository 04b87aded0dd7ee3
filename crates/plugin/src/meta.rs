//! `_meta`: what every plugin's configuration may carry.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

use crate::{ConfigError, Expr, Reply, ReplyBody};

/// The member of a plugin's configuration that belongs to the gateway, not to the plugin.
const NAME: &str = "_meta";

/// The compiled `_meta` object of one plugin configuration.
///
/// Shape: `{"disable": false, "priority": 10, "filter": [["arg_x", "==", "1"]],
/// "error_response": {"message": "no"}}`.
#[derive(Debug, Default)]
pub struct Meta {
    /// The plugin is skipped, and its own configuration need not be valid.
    pub disable: bool,
    /// Replaces the plugin's priority.
    pub priority: Option<i32>,
    /// The plugin runs only for requests that match.
    pub filter: Option<Expr>,
    /// Replaces the body of each answer of status 400 and above that the plugin gives.
    pub error_response: Option<(Bytes, HeaderValue)>,
}

// === impl Meta ===

impl Meta {
    /// Reads `_meta` out of a plugin's configuration.
    ///
    /// # Errors
    /// Names the member that cannot be used.
    pub fn read(config: &Value) -> Result<Self, ConfigError> {
        let Some(meta) = config.get(NAME) else {
            return Ok(Self::default());
        };
        let members = meta
            .as_object()
            .ok_or_else(|| wrong("", "an object", meta))?;
        let mut read = Self::default();
        for (name, value) in members {
            read.take(name, value)?;
        }
        Ok(read)
    }

    /// Whether `_meta.disable` is set, so that the rest of the configuration need not be valid.
    pub fn is_disabled(config: &Value) -> bool {
        config.pointer("/_meta/disable") == Some(&Value::Bool(true))
    }

    /// The plugin's own part of a configuration, without `_meta`.
    pub fn strip(config: &Value) -> Value {
        let mut own = config.clone();
        if let Some(members) = own.as_object_mut() {
            members.shift_remove(NAME);
        }
        own
    }

    /// Adds `_meta` to the schema of a plugin's configuration.
    pub fn extend_schema(schema: &mut Value) {
        let Some(schema) = schema.as_object_mut() else {
            return;
        };
        let properties = schema
            .entry("properties")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(properties) = properties.as_object_mut() {
            properties.insert(NAME.to_owned(), Self::schema());
        }
    }

    /// The answer as the client sees it, given one of the plugin.
    pub(crate) fn answer(&self, mut reply: Reply) -> Reply {
        if reply.status.as_u16() >= 400
            && let Some((body, kind)) = &self.error_response
        {
            reply.headers.insert(header::CONTENT_TYPE, kind.clone());
            reply.body = ReplyBody::Full(body.clone());
        }
        reply
    }

    fn schema() -> Value {
        json!({
            "type": "object",
            "description": "What the gateway itself does around the plugin.",
            "properties": {
                "disable": {
                    "type": "boolean",
                    "description": "Skips the plugin; the rest of its configuration need not be valid."
                },
                "error_response": {
                    "description": "Replaces the body of each answer of status 400 and above that the plugin gives.",
                    "oneOf": [{ "type": "string" }, { "type": "object" }]
                },
                "priority": {
                    "type": "integer",
                    "description": "Replaces the plugin's priority: a larger one runs earlier within a phase."
                },
                "filter": {
                    "type": "array",
                    "description": "The plugin runs only for requests that match this expression over variables."
                }
            },
            "additionalProperties": false
        })
    }

    fn take(&mut self, name: &str, value: &Value) -> Result<(), ConfigError> {
        match name {
            "disable" => {
                self.disable = value
                    .as_bool()
                    .ok_or_else(|| wrong(name, "a boolean", value))?;
            }
            "priority" => self.priority = Some(priority(value)?),
            "filter" => {
                let filter = Expr::compile(value).map_err(|error| {
                    let message = format!("failed to validate the 'vars' expression: {error}");
                    ConfigError::at("/_meta/filter", message)
                })?;
                self.filter = Some(filter);
            }
            "error_response" => self.error_response = Some(error_body(value)?),
            _ => {
                let message = format!(
                    "property \"_meta\" validation failed: additional properties forbidden, found {name}"
                );
                return Err(ConfigError::at(pointer(name), message));
            }
        }
        Ok(())
    }

    /// Refuses what the schema cannot explain well.
    pub(crate) fn refuse_lua(config: &Value) -> Result<(), ConfigError> {
        if config.pointer("/_meta/pre_function").is_none() {
            return Ok(());
        }
        Err(ConfigError::at(
            pointer("pre_function"),
            "_meta.pre_function: expected no such field, because Lua code does not run here; \
             use _meta.filter to choose requests",
        ))
    }
}

fn priority(value: &Value) -> Result<i32, ConfigError> {
    // JSON Schema calls 2.0 an integer too.
    let whole = value.as_i64().or_else(|| {
        let float = value.as_f64().filter(|float| float.fract() == 0.0)?;
        format!("{float:.0}").parse().ok()
    });
    whole
        .and_then(|whole| i32::try_from(whole).ok())
        .ok_or_else(|| wrong("priority", "an integer of 32 bits", value))
}

fn error_body(value: &Value) -> Result<(Bytes, HeaderValue), ConfigError> {
    match value {
        Value::String(text) => Ok((
            Bytes::from(text.clone()),
            HeaderValue::from_static("text/plain; charset=utf-8"),
        )),
        Value::Object(_) => Ok((
            Bytes::from(value.to_string()),
            HeaderValue::from_static("application/json"),
        )),
        other => Err(wrong("error_response", "a string or an object", other)),
    }
}

fn wrong(name: &str, expected: &str, found: &Value) -> ConfigError {
    let pointer = pointer(name);
    let path = config::fault::dotted(&pointer);
    ConfigError::at(
        pointer,
        format!("{path}: expected {expected}, found {found}"),
    )
}

fn pointer(name: &str) -> String {
    if name.is_empty() {
        config::fault::pointer_to([NAME])
    } else {
        config::fault::pointer_to([NAME, name])
    }
}
