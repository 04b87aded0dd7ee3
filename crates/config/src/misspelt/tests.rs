use serde_json::{Value, json};

use super::misspelt;

fn told(schema: &Value, document: &Value) -> Vec<(String, String)> {
    let found = misspelt(schema, document).into_iter();
    found.map(|one| (one.pointer, one.meant)).collect()
}

fn pair(pointer: &str, meant: &str) -> (String, String) {
    (pointer.to_owned(), meant.to_owned())
}

#[test]
fn a_slip_is_found_at_any_depth() {
    let schema = json!({ "properties": {
        "strategy": {},
        "items": { "items": { "anyOf": [
            { "properties": { "name": {}, "inner": { "properties": { "weight": {} } } } },
            { "properties": { "priority": {} } },
        ] } },
    } });
    let document = json!({
        "strateg": 1,
        "items": [{ "name": 1 }, { "priorty": 1, "inner": { "wieght": 1, "weight": 2 } }],
    });
    let mut found = told(&schema, &document);
    found.sort();
    let expected = [
        pair("/items/1/inner/wieght", "weight"),
        pair("/items/1/priorty", "priority"),
        pair("/strateg", "strategy"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_like_nothing_known_is_somebody_elses() {
    let schema = json!({ "properties": { "strategy": {} } });
    assert_eq!(
        told(&schema, &json!({ "comment": 1, "x": { "strateg": 1 } })),
        []
    );
}

#[test]
fn members_that_users_name_are_never_misspelt() {
    for open in [
        json!({ "properties": { "model": {} }, "additionalProperties": true }),
        json!({ "properties": { "model": {} }, "additionalProperties": { "type": "string" } }),
        json!({ "properties": { "model": {} }, "patternProperties": { ".*": {} } }),
    ] {
        assert_eq!(told(&open, &json!({ "models": 1 })), [], "{open}");
    }
}
