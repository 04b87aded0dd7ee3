use http::{StatusCode, header};
use serde_json::{Value, json};

use super::Meta;
use crate::{Reply, ReplyBody};

fn body(reply: &Reply) -> &[u8] {
    match &reply.body {
        ReplyBody::Full(bytes) => bytes,
        other => panic!("expected bytes at hand, found {other:?}"),
    }
}

#[test]
fn without_meta_nothing_changes() {
    let meta = Meta::read(&json!({ "key": 1 })).unwrap();
    assert!(!meta.disable && meta.priority.is_none() && meta.filter.is_none());
    let reply = meta.answer(Reply::json(StatusCode::UNAUTHORIZED, "{}"));
    assert_eq!(body(&reply), b"{}");
}

#[test]
fn all_members_are_read() {
    let config = json!({ "_meta": {
        "disable": true, "priority": -5, "filter": [["uri", "/"]], "error_response": "no"
    } });
    let meta = Meta::read(&config).unwrap();
    assert!(meta.disable);
    assert_eq!(meta.priority, Some(-5));
    assert!(meta.filter.is_some());
    assert!(Meta::is_disabled(&config));
    assert_eq!(
        Meta::read(&json!({"_meta": {"priority": 2.0}}))
            .unwrap()
            .priority,
        Some(2)
    );
}

#[test]
fn error_response_replaces_bodies_of_400_and_above() {
    let text = Meta::read(&json!({ "_meta": { "error_response": "no entry" } })).unwrap();
    let object = Meta::read(&json!({ "_meta": { "error_response": { "a": 1 } } })).unwrap();

    let kept = text.answer(Reply::json(StatusCode::FOUND, "{}"));
    assert_eq!(body(&kept), b"{}");
    let replaced = text.answer(Reply::json(StatusCode::BAD_REQUEST, "{}"));
    assert_eq!(body(&replaced), b"no entry");
    assert_eq!(
        replaced.headers[header::CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    let replaced = object.answer(Reply::empty(StatusCode::BAD_GATEWAY));
    assert_eq!(body(&replaced), br#"{"a":1}"#);
    assert_eq!(replaced.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(replaced.status, StatusCode::BAD_GATEWAY);
}

#[test]
fn faults_name_the_member() {
    let table: [(Value, &str, &str); 5] = [
        (json!(5), "/_meta", "_meta: expected an object, found 5"),
        (
            json!({ "disable": "x" }),
            "/_meta/disable",
            "_meta.disable: expected a boolean, found \"x\"",
        ),
        (
            json!({ "priority": 3_000_000_000_u64 }),
            "/_meta/priority",
            "_meta.priority: expected an integer of 32 bits, found 3000000000",
        ),
        (
            json!({ "filter": [["a", "?", "b"]] }),
            "/_meta/filter",
            "failed to validate the 'vars' expression: invalid operator '?'",
        ),
        (
            json!({ "colour": 1 }),
            "/_meta/colour",
            "property \"_meta\" validation failed: additional properties forbidden, found colour",
        ),
    ];
    for (meta, pointer, message) in table {
        let error = Meta::read(&json!({ "_meta": meta })).unwrap_err();
        assert_eq!((&*error.pointer, &*error.message), (pointer, message));
    }
}

#[test]
fn the_plugin_sees_its_own_part_only() {
    let config = json!({ "a": 1, "_meta": { "priority": 1 }, "b": 2 });
    assert_eq!(Meta::strip(&config).to_string(), r#"{"a":1,"b":2}"#);
    let mut schema = json!({ "type": "object", "additionalProperties": false });
    Meta::extend_schema(&mut schema);
    assert_eq!(
        schema["properties"]["_meta"]["additionalProperties"],
        json!(false)
    );
}
