//! A JSON Schema as a list of fields: what reference pages print, and what tests compare.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

/// The largest whole number that JSON readers agree on.
const LARGEST_EXACT: i64 = 9_007_199_254_740_991;

/// One field of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Where it stands: `auth.header`, `nodes[].host`, `labels.*`.
    pub path: String,
    /// Its JSON type, or types: `string`, `array of object`.
    pub kind: String,
    /// What its value must be beyond that; empty when anything goes.
    pub range: String,
    /// The value that stands for an absent one, as JSON.
    pub default: Option<String>,
    /// Whether it must be there when what holds it is.
    pub required: bool,
    /// What it is for.
    pub description: String,
}

/// The fields that a schema describes, in its order, each before those inside it; `_meta` is left
/// out, since every plugin has it.
pub fn fields(schema: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    inside(schema, "", &mut fields);
    fields
}

/// Adds what stands inside a value of this schema.
fn inside(schema: &Value, path: &str, fields: &mut Vec<Field>) {
    let required = names(schema.get("required"));
    for (name, member) in members(schema, "properties") {
        if path.is_empty() && name == "_meta" {
            continue;
        }
        let path = match path {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        fields.push(Field {
            kind: kind(member),
            range: range(member),
            default: member.get("default").map(ToString::to_string),
            required: required.contains(&name.as_str()),
            description: text(member, "description").unwrap_or_default().to_owned(),
            path: path.clone(),
        });
        inside(member, &path, fields);
    }
    if let Some(items) = schema.get("items") {
        inside(items, &format!("{path}[]"), fields);
    }
    if let Some(others) = schema.get("additionalProperties") {
        inside(others, &format!("{path}.*"), fields);
    }
    for choice in ["oneOf", "anyOf", "allOf"]
        .iter()
        .flat_map(|word| list(schema, word))
    {
        inside_choice(choice, path, fields);
    }
}

/// The fields of one alternative, but those that are known already.
fn inside_choice(choice: &Value, path: &str, fields: &mut Vec<Field>) {
    let mut found = Vec::new();
    inside(choice, path, &mut found);
    found.retain(|one| fields.iter().all(|known| known.path != one.path));
    for field in &mut found {
        // What one alternative requires, another may not.
        field.required = false;
    }
    fields.append(&mut found);
}

fn kind(schema: &Value) -> String {
    let own = match schema.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(types @ Value::Array(_)) => names(Some(types)).join(" or "),
        _ => String::new(),
    };
    match &*own {
        "" => alternatives(schema),
        "array" => of(own, schema.get("items")),
        "object" if schema.get("properties").is_none() => {
            let others = schema.get("additionalProperties");
            let by_pattern = members(schema, "patternProperties")
                .map(|(_, member)| member)
                .next();
            of(own, others.or(by_pattern))
        }
        _ => own,
    }
}

/// `array of string` and the like.
fn of(own: String, inner: Option<&Value>) -> String {
    let inner = inner.filter(|inner| inner.is_object()).map(kind);
    match inner.filter(|inner| inner != "any") {
        Some(inner) => format!("{own} of {inner}"),
        None => own,
    }
}

fn alternatives(schema: &Value) -> String {
    let mut kinds = Vec::new();
    for choice in ["oneOf", "anyOf"]
        .iter()
        .flat_map(|word| list(schema, word))
    {
        let kind = kind(choice);
        if !kinds.contains(&kind) && kind != "any" {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() && schema.get("enum").is_some() {
        return "string".to_owned();
    }
    if kinds.is_empty() {
        return "any".to_owned();
    }
    kinds.join(" or ")
}

fn range(schema: &Value) -> String {
    let mut parts = Vec::new();
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        parts.push(format!("one of {}", words.join(", ")));
    }
    let above = schema
        .get("exclusiveMinimum")
        .map(|least| format!("> {least}"));
    parts.extend(above);
    for (least, most, unit) in [
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
        ("minProperties", "maxProperties", " members"),
    ] {
        let (least, most) = (bound(schema, least), bound(schema, most));
        parts.extend(bounds(least, most, unit));
    }
    if let Some(pattern) = text(schema, "pattern") {
        parts.push(format!("matches {pattern}"));
    }
    let names = members(schema, "patternProperties").map(|(pattern, _)| pattern);
    let names = names.filter(|pattern| *pattern != ".*");
    parts.extend(names.map(|pattern| format!("names match {pattern}")));
    if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
        parts.push("no two alike".to_owned());
    }
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        parts.push("no other members".to_owned());
    }
    if let Some(items) = schema
        .get("items")
        .map(range)
        .filter(|items| !items.is_empty())
    {
        parts.push(format!("each {items}"));
    }
    parts.join("; ")
}

/// A bound that says something: not one where only our number types end.
fn bound<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    const WIDTHS: [i64; 5] = [
        i32::MIN as i64,
        i32::MAX as i64,
        u32::MAX as i64,
        -LARGEST_EXACT,
        LARGEST_EXACT,
    ];
    let value = schema.get(name)?;
    let is_width = value.as_i64().is_some_and(|value| WIDTHS.contains(&value));
    (!is_width).then_some(value)
}

fn bounds(least: Option<&Value>, most: Option<&Value>, units: &str) -> Option<String> {
    let one = Value::from(1);
    let unit = match most.or(least) {
        Some(count) if *count == one => units.trim_end_matches('s'),
        _ => units,
    };
    match (least, most) {
        (Some(least), Some(most)) if least == most => Some(format!("exactly {least}{unit}")),
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

// === reading a schema ===

fn members<'a>(schema: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let members = schema.get(name).and_then(Value::as_object);
    members.into_iter().flat_map(Map::iter)
}

fn list<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(schema: &'a Value, name: &str) -> Option<&'a str> {
    schema.get(name).and_then(Value::as_str)
}

fn names(list: Option<&Value>) -> Vec<&str> {
    let list = list.and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
