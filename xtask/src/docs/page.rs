//! The text of one reference page.

use std::fmt::Write as _;

use config::Kind;
use plugin::reference::{Field, fields};
use plugin::{Entry, Registry};
use serde_json::Value;

const NOTE: &str =
    "<!-- written by `cargo xtask docs` from the configuration types: change those -->\n";

/// The page of a plugin.
pub(super) fn of_plugin(registry: &Registry, entry: &Entry) -> String {
    let mut text = head(entry.name);
    if let Some(schema) = registry.schema(entry.name) {
        describe(schema, &mut text);
        _ = writeln!(
            text,
            "Priority {}, version {}.\n",
            entry.priority, entry.version
        );
        text.push_str("## Configuration\n\n");
        table(schema, &mut text);
        text.push_str("`_meta` may stand beside these fields, as in every plugin.\n");
    }
    if let Some(schema) = registry.consumer_schema(entry.name) {
        text.push_str("\n## Configuration of a consumer\n\n");
        describe(schema, &mut text);
        table(schema, &mut text);
    }
    if let Some(schema) = registry.metadata_schema(entry.name) {
        text.push_str("\n## Metadata\n\n");
        describe(schema, &mut text);
        table(schema, &mut text);
    }
    if !entry.encrypt_fields.is_empty() {
        let secrets: Vec<_> = entry
            .encrypt_fields
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        _ = writeln!(text, "\nFields that hold secrets: {}.", secrets.join(", "));
    }
    text.trim_end().to_owned() + "\n"
}

/// The page of a kind of resource.
pub(super) fn of_resource(kind: Kind) -> String {
    let mut text = head(kind.singular());
    let schema = config::check::schema(kind);
    describe(schema, &mut text);
    let plural = kind.plural();
    _ = writeln!(text, "Kept under `{plural}`.\n");
    table(schema, &mut text);
    text.trim_end().to_owned() + "\n"
}

/// The page of the process's own settings.
pub(super) fn of_settings(schema: &Value) -> String {
    let mut text = head("tollgate.yaml");
    describe(schema, &mut text);
    table(schema, &mut text);
    text.trim_end().to_owned() + "\n"
}

/// The page that leads to the others.
pub(super) fn of_contents(registry: &Registry) -> String {
    let mut text = head("Reference");
    text.push_str("- [`tollgate.yaml`](settings.md): the settings of the process\n\n");
    text.push_str("## Plugins, in running order\n\n");
    for entry in registry.entries() {
        let about = registry.schema(entry.name).map(summary).unwrap_or_default();
        let name = entry.name;
        _ = writeln!(
            text,
            "- [{name}](plugins/{name}.md) ({}){about}",
            entry.priority
        );
    }
    text.push_str("\n## Resources\n\n");
    for kind in Kind::ALL {
        let about = summary(config::check::schema(kind));
        let name = kind.singular();
        _ = writeln!(text, "- [{name}](resources/{name}.md){about}");
    }
    text
}

fn head(title: &str) -> String {
    format!("{NOTE}\n# {title}\n\n")
}

/// The description of a schema as a paragraph.
fn describe(schema: &Value, text: &mut String) {
    if let Some(description) = schema.get("description").and_then(Value::as_str) {
        text.push_str(description.trim());
        text.push_str("\n\n");
    }
}

/// The first sentence of a description, after a colon.
fn summary(schema: &Value) -> String {
    let description = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let first = description
        .split("\n\n")
        .next()
        .unwrap_or_default()
        .replace('\n', " ");
    let first = first.split_inclusive(". ").next().unwrap_or_default();
    let first = first.trim_end().trim_end_matches('.');
    if first.is_empty() {
        return String::new();
    }
    format!(": {first}")
}

fn table(schema: &Value, text: &mut String) {
    let fields = fields(schema);
    if fields.is_empty() {
        text.push_str("No fields.\n\n");
        return;
    }
    text.push_str("| field | type | default | range | meaning |\n|---|---|---|---|---|\n");
    for field in &fields {
        row(field, text);
    }
    text.push('\n');
}

fn row(field: &Field, text: &mut String) {
    let default = match &field.default {
        Some(default) => code(default),
        None if field.required => "required".to_owned(),
        None => String::new(),
    };
    let range = cell(&coded_patterns(&field.range));
    let Field {
        path,
        kind,
        description,
        ..
    } = field;
    let meaning = cell(description);
    _ = writeln!(
        text,
        "| {} | {kind} | {default} | {range} | {meaning} |",
        code(path)
    );
}

/// A range with its patterns as code.
fn coded_patterns(range: &str) -> String {
    let parts = range
        .split("; ")
        .map(|part| match part.split_once("match") {
            Some((before, pattern)) => {
                let (word, pattern) = pattern.split_once(' ').unwrap_or(("", pattern));
                format!("{before}match{word} `{pattern}`")
            }
            None => part.to_owned(),
        });
    parts.collect::<Vec<_>>().join("; ")
}

/// Code within a table, where a bar would end the cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// Text within a table: on one line, without what Markdown would take for its own.
fn cell(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let line = words.join(" ").replace('|', "\\|");
    let spans = line.split('`').enumerate().map(|(index, span)| {
        // Every second span is code.
        if index % 2 == 1 {
            span.to_owned()
        } else {
            span.replace('<', "&lt;").replace('*', "\\*")
        }
    });
    spans.collect::<Vec<_>>().join("`")
}
