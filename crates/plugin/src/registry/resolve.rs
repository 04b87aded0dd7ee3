//! References to secrets in a configuration, and the configuration with their values in place.
//!
//! Source: apache/apisix `apisix/secret.lua`, `apisix/core/env.lua`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use config::fault::{dotted, pointer_to, segments};
use config::secret::{is_environment_reference, is_reference, resembles_reference};
use serde_json::Value;

use super::PluginFault;
use crate::Environment;

/// A reference, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'c> {
    /// JSON pointer within the configuration.
    pointer: String,
    /// As written.
    text: &'c str,
}

/// A reference to a secret that has no value, and is left as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// JSON pointer within the configuration.
    pub pointer: String,
    /// The reference as written.
    pub reference: Box<str>,
    /// Why there is no value.
    pub why: String,
}

/// A configuration with the values of its references in place.
pub(super) struct Resolved<'c> {
    pub(super) config: Cow<'c, Value>,
    /// Each reference with its value.
    values: Vec<(Reference<'c>, String)>,
    /// Those that have none.
    pub(super) lacks: Vec<Lack>,
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

/// The places of texts that look like a reference, or hold one among other characters, and that
/// nobody replaces.
pub(super) fn embedded(config: &Value) -> Vec<String> {
    let mut found = Vec::new();
    each_text(config, "", &mut |pointer, text| {
        let starts = |at| text.get(at..).is_some_and(resembles_reference);
        if !is_reference(text) && text.match_indices('$').any(|(at, _)| starts(at)) {
            found.push(dotted(&pointer));
        }
    });
    found
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
        touches(&self.pointer, pointer)
    }

    /// What it refers to.
    fn value(&self, environment: &Environment) -> Result<String, Lack> {
        environment.resolve(self.text).map_err(|why| Lack {
            pointer: self.pointer.clone(),
            reference: self.text.into(),
            why,
        })
    }
}

// === impl Lack ===

impl Lack {
    /// Whether a fault at `pointer` can come from there being no value.
    pub(super) fn excuses(&self, pointer: &str) -> bool {
        touches(&self.pointer, pointer)
    }

    /// Whether it stands in one of these fields, written as `auth.header`; they lead through lists.
    pub(super) fn is_in(&self, fields: &[&str]) -> bool {
        let mut own: Vec<String> = segments(&self.pointer).collect();
        own.retain(|segment| segment.parse::<usize>().is_err());
        let mut fields = fields.iter();
        fields.any(|field| {
            let mut own = own.iter();
            field
                .split('.')
                .all(|part| own.next().is_some_and(|segment| segment == part))
        })
    }

    /// Whether an environment variable is what is missing.
    pub fn is_of_environment(&self) -> bool {
        is_environment_reference(&self.reference)
    }
}

impl fmt::Display for Lack {
    /// `no value for $env://KEY: environment variable "KEY" is not set`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no value for {}: {}", self.reference, self.why)
    }
}

/// Whether one of two places is inside the other, or the same.
fn touches(one: &str, other: &str) -> bool {
    is_within(one, other) || is_within(other, one)
}

/// Whether the place `inner` is `outer` or inside it.
fn is_within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
    /// Puts the values in place, on a copy. A reference that has none stays.
    pub(super) fn new(config: &'c Value, environment: &Environment) -> Self {
        let mut resolved = Self {
            config: Cow::Borrowed(config),
            values: Vec::new(),
            lacks: Vec::new(),
        };
        for reference in references(config) {
            match reference.value(environment) {
                Ok(value) => {
                    let whole = resolved.config.to_mut();
                    if let Some(place) = whole.pointer_mut(&reference.pointer) {
                        *place = Value::String(value.clone());
                    }
                    resolved.values.push((reference, value));
                }
                Err(lack) => resolved.lacks.push(lack),
            }
        }
        resolved
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
            others,
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
        let others = others.into_iter().map(|other| self.veiled(other));
        PluginFault::Invalid {
            name,
            pointer,
            detail,
            others: others.collect(),
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn json_text(value: &str) -> String {
    Value::from(value).to_string()
}
