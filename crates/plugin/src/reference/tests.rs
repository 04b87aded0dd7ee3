use serde_json::json;

use super::fields;

/// `path | kind | range | default | required`
fn rows(schema: &serde_json::Value) -> Vec<String> {
    let fields = fields(schema).into_iter();
    fields
        .map(|field| {
            let default = field.default.unwrap_or_default();
            let required = if field.required { "required" } else { "" };
            format!(
                "{} | {} | {} | {default} | {required}",
                field.path, field.kind, field.range
            )
        })
        .collect()
}

#[test]
fn every_kind_of_field_is_told() {
    let schema = json!({
        "type": "object",
        "required": ["a", "list"],
        "properties": {
            "a": { "type": "string", "minLength": 1, "maxLength": 9, "pattern": "^x" },
            "n": { "type": "integer", "minimum": 1, "default": 7 },
            "m": { "type": "number", "exclusiveMinimum": 0, "maximum": 2.5 },
            "e": { "enum": ["x", "y"] },
            "list": {
                "type": "array", "minItems": 1, "uniqueItems": true,
                "items": {
                    "type": "object", "required": ["host"], "additionalProperties": false,
                    "properties": { "host": { "type": "string" } }
                }
            },
            "texts": { "type": "array", "items": { "type": "string", "enum": ["p", "q"] } },
            "any": true,
            "map": { "type": "object", "additionalProperties": { "type": "string" } },
            "named": { "type": "object", "patternProperties": { "^k": { "type": "string" } } },
            "both": { "oneOf": [{ "type": "string" }, { "type": "array", "items": {} }] },
            "_meta": { "type": "object" }
        }
    });
    assert_eq!(
        rows(&schema),
        [
            "a | string | 1 to 9 characters; matches ^x |  | required",
            "n | integer | at least 1 | 7 | ",
            "m | number | > 0; at most 2.5 |  | ",
            "e | string | one of \"x\", \"y\" |  | ",
            "list | array of object | at least 1 item; no two alike; each no other members |  | required",
            "list[].host | string |  |  | required",
            "texts | array of string | each one of \"p\", \"q\" |  | ",
            "any | any |  |  | ",
            "map | object of string |  |  | ",
            "named | object of string | names match ^k |  | ",
            "both | string or array |  |  | ",
        ]
    );
}

#[test]
fn alternatives_add_the_fields_that_only_they_have() {
    let schema = json!({
        "type": "object",
        "properties": { "kind": { "type": "string" } },
        "oneOf": [
            { "properties": { "kind": { "const": "a" }, "uri": { "type": "string" } }, "required": ["uri"] },
            { "properties": { "file": { "type": "string" } } }
        ]
    });
    let rows = rows(&schema);
    assert_eq!(
        rows,
        [
            "kind | string |  |  | ",
            "uri | string |  |  | ",
            "file | string |  |  | "
        ]
    );
}
