//! JSON Schema from a Rust type, in the dialect that APISIX's users know.
//!
//! schemars describes what serde reads; APISIX's validator and its clients expect a little less
//! than that. So the generated schema is tidied: everything stands where it is used (no `$ref`),
//! `null` is not a way to leave a field out, and an enum of documented words is an `enum`.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// The schema of a type, as it is checked by and served.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.transforms.push(Box::new(Tidy));
    });
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

#[derive(Clone)]
struct Tidy;

// === impl Tidy ===

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(object) = schema.as_object_mut() {
            drop_null(object);
            words_to_enum(object);
            plain_numbers(object);
        }
    }
}

/// Takes `null` out of types, enums and alternatives: a field is left out, not nulled.
fn drop_null(schema: &mut Map<String, Value>) {
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [single] = types.as_slice() {
            let single = single.clone();
            schema.insert("type".to_owned(), single);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") else {
        return;
    };
    let before = alternatives.len();
    alternatives.retain(|alternative| *alternative != json!({ "type": "null" }));
    if alternatives.len() == before || alternatives.len() > 1 {
        return;
    }
    if let Some(Value::Array(mut single)) = schema.remove("anyOf")
        && let Some(Value::Object(inner)) = single.pop()
    {
        for (key, value) in inner {
            schema.entry(key).or_insert(value);
        }
    }
}

/// Turns `oneOf` of single words, which schemars writes for documented enums, into one `enum`.
fn words_to_enum(schema: &mut Map<String, Value>) {
    if let Some(word) = schema.remove("const") {
        schema.insert("enum".to_owned(), Value::Array(vec![word]));
    }
    let Some(Value::Array(alternatives)) = schema.get("oneOf") else {
        return;
    };
    let mut words = Vec::new();
    let mut notes = String::new();
    for alternative in alternatives {
        let Some(Value::Array(these)) = alternative.get("enum") else {
            return;
        };
        if alternative.get("type") != Some(&Value::from("string")) {
            return;
        }
        words.extend(these.iter().cloned());
        if let (Some(note), [word]) = (alternative.get("description"), these.as_slice())
            && let (Some(note), Some(word)) = (note.as_str(), word.as_str())
        {
            notes.push_str("\n- `");
            notes.push_str(word);
            notes.push_str("`: ");
            notes.push_str(note);
        }
    }
    schema.remove("oneOf");
    schema.insert("type".to_owned(), Value::from("string"));
    schema.insert("enum".to_owned(), Value::Array(words));
    if !notes.is_empty() {
        let text = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let text = format!("{text}\n{notes}").trim().to_owned();
        schema.insert("description".to_owned(), Value::from(text));
    }
}

/// The largest number up to which every whole number is a double, as JSON's numbers may be read.
const LARGEST_EXACT: i64 = 9_007_199_254_740_991;

/// Replaces Rust's number formats by the range that such a number has; one of 64 bits has the range
/// in which JSON's numbers are exact.
fn plain_numbers(schema: &mut Map<String, Value>) {
    let Some(format) = schema.get("format").and_then(Value::as_str) else {
        return;
    };
    let range: Option<(i64, i64)> = match format {
        "uint32" => Some((0, i64::from(u32::MAX))),
        "int32" => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        "uint64" | "uint" => Some((0, LARGEST_EXACT)),
        "int64" | "int" => Some((-LARGEST_EXACT, LARGEST_EXACT)),
        "int8" | "int16" | "uint8" | "uint16" | "float" | "double" => None,
        _ => return,
    };
    schema.remove("format");
    if let Some((least, most)) = range {
        schema.entry("minimum").or_insert(least.into());
        schema.entry("maximum").or_insert(most.into());
    }
}
