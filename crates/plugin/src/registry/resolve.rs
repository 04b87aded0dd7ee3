//! References to secrets in a configuration, and the configuration with their values in place.
//!
//! Source: apache/apisix `apisix/secret.lua`, `apisix/core/env.lua`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use config::fault::{dotted, pointer_to};
use config::secret::{environment_value, is_manager_reference, is_reference};
use serde_json::Value;

use super::PluginFault;
use crate::{ConfigError, Environment};

/// A reference, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'c> {
    /// JSON pointer within the configuration.
    pointer: String,
    /// As written.
    text: &'c str,
}

/// A configuration with the values of its references in place.
pub(super) struct Resolved<'c> {
    pub(super) config: Cow<'c, Value>,
    /// Each reference with its value.
    values: Vec<(Reference<'c>, String)>,
}

/// Every reference of a configuration, in its order.
///
/// Only whole texts are references, as in APISIX: `Bearer $env://KEY` is none.
pub(super) fn references(config: &Value) -> Vec<Reference<'_>> {
    let mut found = Vec::new();
    each_text(config, "", &mut |pointer, text| {
        if is_reference(text) {
            found.push(Reference { pointer, text });
        }
    });
    found
}

/// The places of texts that hold a reference among other characters, which nobody replaces.
pub(super) fn embedded(config: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each_text(config, "", &mut |pointer, text| {
        if !is_reference(text) && text.match_indices('$').any(|(at, _)| starts(text, at)) {
            found.push(dotted(&pointer));
        }
    });
    found
}

fn starts(text: &str, at: usize) -> bool {
    text.get(at..).is_some_and(is_reference)
}

/// Shows each text below `value` with its place.
fn each_text<'c>(value: &'c Value, pointer: &str, see: &mut impl FnMut(String, &'c str)) {
    match value {
        Value::String(text) => see(pointer.to_owned(), text),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_text(item, &format!("{pointer}/{index}"), see);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                each_text(
                    member,
                    &format!("{pointer}{}", pointer_to([name.as_str()])),
                    see,
                );
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

// === impl Reference ===

impl Reference<'_> {
    /// Whether a fault at `pointer` can come from there being a reference instead of a value.
    pub(super) fn excuses(&self, pointer: &str) -> bool {
        is_within(&self.pointer, pointer) || is_within(pointer, &self.pointer)
    }

    /// What it refers to.
    fn value(&self, environment: &Environment) -> Result<String, ConfigError> {
        let value = value_of(self.text, environment).and_then(|value| {
            let is_final = !is_reference(&value);
            is_final
                .then_some(value)
                .ok_or_else(|| "it leads to another reference".to_owned())
        });
        value.map_err(|why| {
            let path = dotted(&self.pointer);
            ConfigError::at(
                self.pointer.as_str(),
                format!("{path}: no value for {}: {why}", self.text),
            )
        })
    }
}

/// Whether the place `inner` is `outer` or inside it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The value of a reference, or why there is none.
fn value_of(reference: &str, environment: &Environment) -> Result<String, String> {
    if is_manager_reference(reference) {
        return environment.secrets().get(reference).map(str::to_owned);
    }
    environment_value(reference, |name| environment.get(name))
}

/// Whether a reference of the configuration may have a value that nobody asked for.
pub(super) fn is_open(config: &Value, environment: &Environment) -> bool {
    let secrets = environment.secrets();
    let mut references = references(config).into_iter();
    references.any(|reference| secrets.is_unasked(reference.text))
}

/// Whether a configuration holds one of these references.
pub(super) fn mentions(config: &Value, texts: &BTreeSet<Arc<str>>) -> bool {
    let mut references = references(config).into_iter();
    references.any(|reference| texts.contains(reference.text))
}

// === impl Resolved ===

impl<'c> Resolved<'c> {
    /// Puts the values in place, on a copy.
    ///
    /// # Errors
    /// The first reference that has no value.
    pub(super) fn new(config: &'c Value, environment: &Environment) -> Result<Self, ConfigError> {
        let mut whole = Cow::Borrowed(config);
        let mut values = Vec::new();
        for reference in references(config) {
            let value = reference.value(environment)?;
            if let Some(place) = whole.to_mut().pointer_mut(&reference.pointer) {
                *place = Value::String(value.clone());
            }
            values.push((reference, value));
        }
        Ok(Self {
            config: whole,
            values,
        })
    }

    /// Whether it differs from what was configured.
    pub(super) fn is_changed(&self) -> bool {
        !self.values.is_empty()
    }

    /// A fault of the resolved configuration, without the values, which must not be told.
    pub(super) fn veiled(&self, fault: PluginFault) -> PluginFault {
        let PluginFault::Invalid {
            name,
            pointer,
            mut detail,
        } = fault
        else {
            return fault;
        };
        for (reference, value) in &self.values {
            for shape in [value.clone(), format!("{value:?}"), json_text(value)] {
                let shape = shape.trim_matches('"');
                detail = match shape.len() {
                    // So short a text stands in other words as well.
                    0..4 => detail.replace(&quoted(shape), &quoted(reference.text)),
                    _ => detail.replace(shape, reference.text),
                };
            }
        }
        PluginFault::Invalid {
            name,
            pointer,
            detail,
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn json_text(value: &str) -> String {
    Value::from(value).to_string()
}
