//! Members that a schema lets pass without knowing them, and that look like one that it knows.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::fault::pointer_to;
use crate::nearest::nearest;

/// A member that was probably meant to be another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misspelt {
    /// JSON pointer to the member.
    pub pointer: String,
    /// The known name that is nearest.
    pub meant: String,
}

/// The misspelt members of a document, wherever they stand. Objects whose members the user names, as
/// the schema says by `additionalProperties`, have none.
pub fn misspelt(schema: &Value, document: &Value) -> Vec<Misspelt> {
    let mut found = Vec::new();
    walk(&[schema], document, "", &mut found);
    found
}

fn walk(schemas: &[&Value], document: &Value, place: &str, found: &mut Vec<Misspelt>) {
    let mut parts = Vec::new();
    for schema in schemas {
        add_parts(schema, &mut parts);
    }
    match document {
        Value::Object(members) => {
            let known: BTreeSet<&str> = parts.iter().flat_map(|part| names(part)).collect();
            let is_open = parts.iter().any(|part| {
                part.contains_key("additionalProperties") || part.contains_key("patternProperties")
            });
            for (name, value) in members {
                let place = format!("{place}{}", pointer_to([name.as_str()]));
                if known.contains(name.as_str()) {
                    let under = parts.iter().filter_map(|part| part.get("properties"));
                    let under: Vec<_> = under.filter_map(|known| known.get(name)).collect();
                    walk(&under, value, &place, found);
                } else if !is_open && let Some(meant) = nearest(name, known.iter().copied()) {
                    let meant = meant.to_owned();
                    found.push(Misspelt {
                        pointer: place,
                        meant,
                    });
                }
            }
        }
        Value::Array(items) => {
            let schemas: Vec<_> = parts.iter().filter_map(|part| part.get("items")).collect();
            for (index, item) in items.iter().enumerate() {
                walk(&schemas, item, &format!("{place}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The schema itself, and all that it is put together of.
fn add_parts<'s>(schema: &'s Value, parts: &mut Vec<&'s Map<String, Value>>) {
    let Some(keywords) = schema.as_object() else {
        return;
    };
    parts.push(keywords);
    for name in ["allOf", "anyOf", "oneOf"] {
        let inner = keywords.get(name).and_then(Value::as_array);
        inner
            .into_iter()
            .flatten()
            .for_each(|one| add_parts(one, parts));
    }
    for name in ["if", "then", "else"] {
        if let Some(inner) = keywords.get(name) {
            add_parts(inner, parts);
        }
    }
}

fn names(part: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let members = part.get("properties").and_then(Value::as_object);
    members.into_iter().flat_map(Map::keys).map(String::as_str)
}

#[cfg(test)]
mod tests;
