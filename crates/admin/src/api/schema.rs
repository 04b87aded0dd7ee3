//! What is known of kinds and plugins: schemas, names, checks without a write.

use config::Kind;
use config::check::{check_schema, schema};
use http::StatusCode;
use plugin::{Entry, Registry};
use serde_json::{Map, Value};

use super::Answered;
use super::refusal::Refusal;
use crate::call::Query;
use crate::plugin_host::PluginHost;
use crate::reply::Reply;

/// `/schema/{kind}`.
pub(super) fn resource(name: &str) -> Result<Answered, Refusal> {
    match Kind::from_singular(name) {
        Ok(kind) => Ok(Answered::ok(schema(kind))),
        Err(_) => Err(Refusal::invalid(format!("not found schema: {name}"))),
    }
}

/// `/schema/validate/{kind}`: the schema of the kind only, not those of its plugins.
pub(super) fn validate(name: &str, body: &[u8]) -> Result<Answered, Refusal> {
    let kind = Kind::from_plural(name).map_err(|_| Refusal::unknown_kind(name))?;
    if body.is_empty() {
        return Err(Refusal::invalid("missing configurations"));
    }
    let document: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::unreadable(&error, String::from_utf8_lossy(body).into_owned()))?;
    check_schema(kind, &document).map_err(|error| Refusal::faulty("", &error))?;
    Ok(Answered::read(Reply::bare(StatusCode::OK, "")))
}

/// `/plugins/list`: names, larger priority first.
pub(super) fn plugin_names(plugins: &PluginHost, query: &Query) -> Result<Answered, Refusal> {
    let names = match subsystem(query)? {
        "http" => plugins
            .registry
            .entries()
            .iter()
            .map(|entry| entry.name.into())
            .collect(),
        _ => Vec::new(),
    };
    Ok(Answered::ok(&Value::Array(names)))
}

/// `/plugins/{name}` and `/schema/plugins/{name}`.
pub(super) fn plugin(
    plugins: &PluginHost,
    name: Option<&str>,
    query: &Query,
) -> Result<Answered, Refusal> {
    let subsystem = subsystem(query)?;
    let registry = &plugins.registry;
    if query.get("all") == Some("true") {
        let rows = if subsystem == "http" {
            all(registry)
        } else {
            Map::new()
        };
        return Ok(Answered::ok(&Value::Object(rows)));
    }
    let found = name
        .filter(|_| subsystem == "http")
        .and_then(|name| registry.find(name));
    let entry = found.ok_or_else(|| {
        let message = format!("plugin not found in subsystem {subsystem}");
        Refusal::new(StatusCode::NOT_FOUND, message)
    })?;
    let schema = match query.get("schema_type") {
        Some("consumer") => registry.consumer_schema(entry.name),
        Some("metadata") => registry.metadata_schema(entry.name),
        _ => registry.schema(entry.name),
    };
    let schema = schema.ok_or_else(|| Refusal::invalid("not found schema"))?;
    Ok(Answered::ok(schema))
}

/// Every plugin by name, with all that is known of it.
pub(crate) fn all(registry: &Registry) -> Map<String, Value> {
    let row = |entry: &&'static Entry| (entry.name.to_owned(), row(registry, entry));
    registry.entries().iter().map(row).collect()
}

fn row(registry: &Registry, entry: &'static Entry) -> Value {
    let mut row = Map::new();
    let mut note = |name: &str, value: Value| row.insert(name.to_owned(), value);
    note("version", entry.version.into());
    note("priority", entry.priority.into());
    note(
        "schema",
        registry.schema(entry.name).cloned().unwrap_or_default(),
    );
    if let Some(schema) = registry.metadata_schema(entry.name) {
        note("metadata_schema", schema.clone());
    }
    if let Some(schema) = registry.consumer_schema(entry.name) {
        note("consumer_schema", schema.clone());
        note("type", "auth".into());
    }
    Value::Object(row)
}

fn subsystem(query: &Query) -> Result<&str, Refusal> {
    match query.get("subsystem").unwrap_or("http") {
        known @ ("http" | "stream") => Ok(known),
        other => Err(Refusal::invalid(format!("unsupported subsystem: {other}"))),
    }
}
