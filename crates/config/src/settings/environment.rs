//! Environment variables that override settings.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::fault::{pointer_to, segments};
use crate::nearest::nearest;
use crate::substitute::Environment;

const PREFIX: &str = "TOLLGATE_";

/// Variables with the prefix that are no settings: the binary reads them for its own log.
const OTHERS: [&str; 1] = ["TOLLGATE_LOG"];

/// What was overridden.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    /// The variable by the pointer of the setting.
    pub(super) variables: BTreeMap<String, String>,
    /// Variables with the prefix that name no setting, each with a word of advice.
    pub(super) unknown: Vec<String>,
}

/// Writes the settings of `environment` into `settings`, as far as `schema` knows them.
pub(super) fn apply(settings: &mut Value, schema: &Value, environment: &Environment) -> Overrides {
    let mut known = BTreeMap::new();
    collect(schema, &mut Vec::new(), &mut known);
    let mut overrides = Overrides::default();
    for (name, text) in environment.range(PREFIX.to_owned()..) {
        if !name.starts_with(PREFIX) {
            break;
        }
        if let Some((pointer, schema)) = known.get(name) {
            set(settings, pointer, typed(text, schema));
            overrides.variables.insert(pointer.clone(), name.clone());
        } else if !OTHERS.contains(&name.as_str()) {
            let meant = nearest(name, known.keys().map(String::as_str));
            overrides.unknown.push(match meant {
                Some(meant) => format!("environment variable {name}, did you mean {meant}?"),
                None => format!("environment variable {name}"),
            });
        }
    }
    overrides
}

/// Finds every setting that one variable can hold: scalars, and lists of texts.
fn collect<'s>(
    schema: &'s Value,
    path: &mut Vec<&'s str>,
    known: &mut BTreeMap<String, (String, &'s Value)>,
) {
    if let Some(Value::Object(members)) = schema.get("properties") {
        for (name, member) in members {
            path.push(name);
            collect(member, path, known);
            path.pop();
        }
        return;
    }
    let holds = match schema.get("type").and_then(Value::as_str) {
        Some("object") | None => false,
        Some("array") => schema.get("items").is_some_and(takes_text),
        Some(_) => true,
    };
    if holds {
        let name = format!("{PREFIX}{}", path.join("_").to_ascii_uppercase());
        known.insert(name, (pointer_to(path.iter().copied()), schema));
    }
}

fn takes_text(items: &Value) -> bool {
    let is_text = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("string");
    let forms = items.get("anyOf").and_then(Value::as_array);
    is_text(items) || forms.is_some_and(|forms| forms.iter().any(is_text))
}

/// The text as the type that the schema asks for; a text that does not fit stays one, so that the
/// check can say so.
fn typed(text: &str, schema: &Value) -> Value {
    let as_text = || Value::from(text);
    match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => text
            .parse::<Number>()
            .map_or_else(|_| as_text(), Value::Number),
        Some("boolean") => text.parse::<bool>().map_or_else(|_| as_text(), Value::Bool),
        Some("array") => {
            let parts = text.split(',').map(str::trim);
            parts
                .filter(|part| !part.is_empty())
                .map(Value::from)
                .collect()
        }
        _ => as_text(),
    }
}

fn set(settings: &mut Value, pointer: &str, value: Value) {
    let mut place = settings;
    for name in segments(pointer) {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        if let Value::Object(members) = place {
            place = members.entry(name).or_insert(Value::Null);
        } else {
            return;
        }
    }
    *place = value;
}
