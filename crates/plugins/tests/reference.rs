//! The fields of each plugin as its users know them from APISIX: the schema that is generated from
//! our types must tell the same.
//!
//! `reference/<plugin>.txt`, and `<plugin>.consumer.txt` and `<plugin>.metadata.txt` for the other
//! documents of a plugin. One line per field, in any order: path | type | range | default | required.
//! Written by hand from the description of each plugin, never from its schema.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use plugin::Registry;
use plugin::reference::fields;
use serde_json::Value;

fn told(schema: &Value) -> BTreeSet<String> {
    let fields = fields(schema).into_iter();
    fields
        .map(|field| {
            let required = if field.required { "required" } else { "" };
            let default = field.default.unwrap_or_default();
            let default = default.strip_suffix(".0").unwrap_or(&default);
            let cells = [&*field.path, &field.kind, &field.range, default, required];
            line(&cells.join(" | "))
        })
        .collect()
}

/// A line without the empty cells at its end.
fn line(text: &str) -> String {
    text.trim_end_matches([' ', '|']).to_owned()
}

fn expected(name: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let path = folder.join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()));
    text.expect("a reference list").lines().map(line).collect()
}

/// What differs between the list and the schema.
fn differences(name: &str, schema: &Value) -> Vec<String> {
    let (expected, told) = (expected(name), told(schema));
    let missing = expected
        .difference(&told)
        .map(|line| format!("{name}: expected {line}"));
    let more = told
        .difference(&expected)
        .map(|line| format!("{name}: found    {line}"));
    missing.chain(more).collect()
}

#[test]
fn schemas_tell_what_the_reference_lists() {
    let registry = Registry::new(plugins::PLUGINS, None);
    let mut wrong = Vec::new();
    for entry in registry.entries() {
        let name = entry.name;
        wrong.extend(differences(name, registry.schema(name).expect("a schema")));
        if let Some(schema) = registry.consumer_schema(name) {
            wrong.extend(differences(&format!("{name}.consumer"), schema));
        }
    }
    let metadata = registry.metadata_schema("file-logger").expect("a schema");
    wrong.extend(differences("file-logger.metadata", metadata));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_priorities_and_secrets_are_those_of_the_original() {
    let auth = [
        "auth.header",
        "auth.query",
        "auth.gcp.service_account_json",
        "auth.aws.secret_access_key",
        "auth.aws.session_token",
    ];
    let rows: [(&str, i32, &[&str]); 5] = [
        ("key-auth", 2500, &["key"]),
        ("ai-proxy", 1040, &auth),
        (
            "ai-rate-limiting",
            1030,
            &["redis_password", "sentinel_password"],
        ),
        ("prometheus", 500, &[]),
        ("file-logger", 399, &[]),
    ];
    for (name, priority, secrets) in rows {
        let entry = plugins::PLUGINS
            .iter()
            .find(|entry| entry.name == name)
            .expect("the plugin");
        assert_eq!(entry.priority, priority, "{name}");
        assert_eq!(entry.encrypt_fields, secrets, "{name}");
    }
    let multi = plugins::PLUGINS
        .iter()
        .find(|entry| entry.name == "ai-proxy-multi");
    assert_eq!(multi.map(|entry| entry.priority), Some(1041));
}
