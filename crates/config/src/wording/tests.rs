use serde_json::json;

use super::*;

/// The message for `document` when it is checked by `schema`.
fn message(schema: &Value, document: &Value) -> String {
    let validator = Validator::new(schema).expect("a schema that compiles");
    match validator.check(document) {
        Ok(()) => "accepted".to_owned(),
        Err(error) => error.message,
    }
}

#[test]
fn each_rule_has_the_words_of_apisix() {
    let table = [
        (
            json!({ "required": ["x"] }),
            json!({}),
            r#"property "x" is required"#,
        ),
        (
            json!({ "dependentRequired": { "time_window": ["limit"] } }),
            json!({ "time_window": 1 }),
            r#"property "limit" is required when "time_window" is set"#,
        ),
        (
            json!({ "type": "string" }),
            json!(1),
            "wrong type: expected string, got number",
        ),
        (
            json!({ "type": "integer" }),
            json!(1.5),
            "wrong type: expected integer, got number",
        ),
        (
            json!({ "type": "array" }),
            json!({}),
            "wrong type: expected array, got table",
        ),
    ];
    for (schema, document, expected) in table {
        assert_eq!(message(&schema, &document), expected, "{schema}");
    }
}

#[test]
fn each_limit_has_the_words_of_apisix() {
    let table = [
        (
            json!({ "minimum": 200 }),
            json!(199),
            "expected 199 to be at least 200",
        ),
        (
            json!({ "maximum": 599 }),
            json!(600),
            "expected 600 to be at most 599",
        ),
        (
            json!({ "exclusiveMinimum": 0 }),
            json!(0),
            "expected 0 to be greater than 0",
        ),
        (
            json!({ "exclusiveMaximum": 1 }),
            json!(1.0),
            "expected 1 to be smaller than 1",
        ),
        (
            json!({ "minLength": 1 }),
            json!(""),
            "string too short, expected at least 1, got 0",
        ),
        (
            json!({ "maxLength": 2 }),
            json!("äöü"),
            "string too long, expected at most 2, got 3",
        ),
        (
            json!({ "minItems": 1 }),
            json!([]),
            "expect array to have at least 1 items",
        ),
        (
            json!({ "maxItems": 1 }),
            json!([1, 2]),
            "expect array to have at most 1 items",
        ),
        (
            json!({ "minProperties": 1 }),
            json!({}),
            "expect object to have at least 1 properties",
        ),
        (
            json!({ "maxProperties": 1 }),
            json!({ "a": 1, "b": 2 }),
            "expect object to have at most 1 properties",
        ),
    ];
    for (schema, document, expected) in table {
        assert_eq!(message(&schema, &document), expected, "{schema}");
    }
}

#[test]
fn each_combination_has_the_words_of_apisix() {
    let table = [
        (
            json!({ "uniqueItems": true }),
            json!([1, 1]),
            "expected unique items but items 1 and 2 are equal",
        ),
        (
            json!({ "enum": ["a"] }),
            json!("b"),
            "matches none of the enum values",
        ),
        (
            json!({ "pattern": "^a$" }),
            json!("b"),
            r#"failed to match pattern "^a$" with "b""#,
        ),
        (
            json!({ "additionalProperties": false }),
            json!({ "x": 1 }),
            "additional properties forbidden, found x",
        ),
        (
            json!({ "additionalProperties": false, "properties": { "y": {} } }),
            json!({ "x": 1 }),
            "additional properties forbidden, found x",
        ),
        (
            json!({ "properties": { "a": { "additionalProperties": false } } }),
            json!({ "a": { "x": 1 } }),
            r#"property "a" validation failed: additional properties forbidden, found x"#,
        ),
        (
            json!({ "items": { "type": "string" } }),
            json!(["a", 1]),
            "failed to validate item 2: wrong type: expected string, got number",
        ),
        (
            json!({ "patternProperties": { ".*": { "type": "string" } } }),
            json!({ "env": 1 }),
            r#"failed to validate env (matching ".*"): wrong type: expected string, got number"#,
        ),
        (
            json!({ "additionalProperties": { "type": "string" } }),
            json!({ "env": 1 }),
            "failed to validate additional property env: wrong type: expected string, got number",
        ),
    ];
    for (schema, document, expected) in table {
        assert_eq!(message(&schema, &document), expected, "{schema}");
    }
}

#[test]
fn each_alternative_has_the_words_of_apisix() {
    let table = [
        (
            json!({ "anyOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
            json!({}),
            "object matches none of the required",
        ),
        (
            json!({ "oneOf": [{ "type": "string" }, { "minimum": 5 }] }),
            json!(1),
            "value should match only one schema, but matches none",
        ),
        (
            json!({ "oneOf": [{ "type": "string" }, { "minimum": 5 }, { "minimum": 6 }] }),
            json!(7),
            "value should match only one schema, but matches both schemas 2 and 3",
        ),
    ];
    for (schema, document, expected) in table {
        assert_eq!(message(&schema, &document), expected, "{schema}");
    }
}

#[test]
fn each_condition_has_the_words_of_apisix() {
    let table = [
        (
            json!({ "not": { "required": ["a"] } }),
            json!({ "a": 1 }),
            "value wasn't supposed to match schema",
        ),
        (
            json!({ "if": { "required": ["a"] }, "then": { "required": ["b"] } }),
            json!({ "a": 1 }),
            "then clause did not match",
        ),
        (
            json!({ "if": { "required": ["a"] }, "else": { "required": ["b"] } }),
            json!({}),
            "else clause did not match",
        ),
        (
            json!({ "allOf": [{ "required": ["a"] }] }),
            json!({}),
            r#"allOf 1 failed: property "a" is required"#,
        ),
    ];
    for (schema, document, expected) in table {
        assert_eq!(message(&schema, &document), expected, "{schema}");
    }
}

#[test]
fn levels_are_named_one_after_the_other() {
    let schema = json!({
        "properties": { "a": { "properties": { "b": { "items": { "required": ["c"] } } } } },
    });
    assert_eq!(
        message(&schema, &json!({ "a": { "b": [{ "c": 1 }, {}] } })),
        r#"property "a" validation failed: property "b" validation failed: failed to validate item 2: property "c" is required"#
    );
}

#[test]
fn a_fault_behind_a_reference_is_placed_too() {
    let schema = json!({
        "$defs": { "word": { "pattern": "^a$" } },
        "properties": { "x": { "$ref": "#/$defs/word" } },
    });
    assert_eq!(
        message(&schema, &json!({ "x": "b" })),
        r#"property "x" validation failed: failed to match pattern "^a$" with "b""#
    );
}

#[test]
fn secret_references_pass_the_rules_for_strings_wherever_they_stand() {
    let rule = json!({ "type": "string", "minLength": 40, "pattern": "^a", "maxLength": 50 });
    let schema = json!({ "properties": {
        "x": rule, "list": { "items": rule }, "either": { "oneOf": [{ "type": "integer" }, rule] },
    } });
    for reference in [
        "$secret://vault/1/a/b",
        "$env://KEY",
        "$ENV://KEY",
        "$secret://aws/1/k",
    ] {
        let document = json!({ "x": reference, "list": [reference], "either": reference });
        assert_eq!(message(&schema, &document), "accepted");
    }
    for other in ["env://KEY", "$Secret://aws/1/k", "x $env://KEY"] {
        assert_ne!(message(&schema, &json!({ "x": other })), "accepted");
    }
    let number = json!({ "type": "integer" });
    assert_eq!(
        message(&number, &json!("$env://KEY")),
        "wrong type: expected integer, got string",
        "only the rules for strings are passed"
    );
}

#[test]
fn references_may_stand_for_words_and_formats_where_they_get_values_later() {
    let word = json!({ "enum": ["a", "b"] });
    let schema = json!({ "properties": {
        "word": word,
        "format": { "type": "string", "format": "ipv4" },
        "either": { "anyOf": [word, { "type": "array", "items": word }] },
        "one": { "oneOf": [{ "type": "integer" }, word] },
        "number": { "type": "integer" },
    } });
    let validator = Validator::new(&schema).expect("a schema that compiles");
    let later = |document: &Value| {
        let outcome = validator.check_unresolved(document);
        outcome.err().map(|error| error.all().count())
    };
    for name in ["word", "format", "either", "one"] {
        for reference in ["$env://KEY", "$secret://vault/1/a/b"] {
            let document = json!({ name: reference });
            assert_eq!(later(&document), None, "{name}");
            assert!(validator.check(&document).is_err(), "{name}");
        }
        assert_eq!(later(&json!({ name: "c" })), Some(1), "{name}");
    }
    assert_eq!(later(&json!({ "either": ["$env://KEY", "b"] })), None);
    assert_eq!(
        later(&json!({ "number": "$env://KEY", "word": "$env://KEY" })),
        Some(1)
    );
}

#[test]
fn missing_members_are_told_before_faulty_ones_and_alternatives_last() {
    let schema = json!({
        "type": "object",
        "anyOf": [{ "required": ["z"] }],
        "properties": { "a": { "type": "string" } },
        "required": ["b"],
        "additionalProperties": false,
    });
    let validator = Validator::new(&schema).expect("a schema that compiles");
    let error = validator
        .check(&json!({ "a": 1, "c": 1 }))
        .expect_err("four faults");
    let messages: Vec<_> = error.all().map(|fault| fault.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            r#"property "b" is required"#,
            r#"property "a" validation failed: wrong type: expected string, got number"#,
            "additional properties forbidden, found c",
            "object matches none of the required",
        ]
    );
}

#[test]
fn a_schema_that_is_none_is_refused() {
    let fault = Validator::new(&json!({ "type": "strong" })).expect_err("no such type");
    assert_eq!(fault.pointer, "/type");
    assert!(Validator::new(&json!({ "pattern": "(" })).is_err());
}
