//! A standalone file as a document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use serde_json::{Map, Value, json};

use crate::document::{Document, Draft, Entry, Loaded};
use crate::fault::{CheckError, pointer_to};
use crate::locate::{Located, Origin, parse_json, parse_yaml, source_line};
use crate::nearest::nearest;
use crate::resource::Kind;
use crate::substitute::{Environment, substitute_text, substitute_value};

/// The mark that says that a YAML file is complete.
const END: &str = "#END";

/// A file that cannot be used as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FileFault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 when it is not known.
    pub line: u64,
    /// The column, from 1; 0 when it is not known.
    pub column: u64,
    /// What is wrong.
    pub reason: FileReason,
}

/// What makes a file unusable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileReason {
    /// It is not there or may not be read.
    Unreadable(String),
    /// The last line is not `#END`, so it may still be being written.
    NoEnd,
    /// A variable is not set and has no default.
    Unset(String),
    /// It is no YAML, or no JSON.
    Syntax(String),
    /// Its top is no object.
    NoObject(&'static str),
}

/// What a standalone file says, item by item, before anything is judged.
struct Reading {
    origin: Origin,
    entries: Vec<Entry>,
    faults: Vec<(String, CheckError)>,
    plugins: Option<Vec<String>>,
    revision: u64,
}

/// Reads the text of a standalone file: JSON when the name ends so, else YAML.
///
/// `revision` is the number given to what changed since `previous`. `previous` may be
/// [`Document::default`].
///
/// # Errors
///
/// [`FileFault`] when the file as a whole cannot be used.
pub fn read_document(
    path: &Path,
    text: &str,
    environment: &Environment,
    previous: &Document,
    revision: u64,
) -> Result<Loaded, FileFault> {
    let located = if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        located_json(path, text, environment)?
    } else {
        located_yaml(path, text, environment)?
    };
    let mut reading = Reading {
        origin: Origin::new(path, located.positions),
        entries: Vec::new(),
        faults: Vec::new(),
        plugins: None,
        revision,
    };
    match located.value {
        Value::Object(members) => reading.sections(members),
        Value::Null => {}
        other => {
            let reason = FileReason::NoObject(type_word(&other));
            return Err(FileFault::new(path, reason, 1, 1));
        }
    }
    Ok(reading.finish(previous))
}

fn located_yaml(path: &Path, text: &str, environment: &Environment) -> Result<Located, FileFault> {
    let body = text.trim_end();
    if !body.ends_with(END) {
        let line = body.lines().count() as u64;
        return Err(FileFault::new(path, FileReason::NoEnd, line.max(1), 1));
    }
    let substituted = substitute_text(text, environment)
        .map_err(|unset| FileFault::new(path, FileReason::Unset(unset.name), unset.line, 1))?;
    let lines = &substituted.lines;
    let mut located = parse_yaml(&substituted.text).map_err(|error| {
        let line = source_line(error.line, lines);
        FileFault::new(path, FileReason::Syntax(error.reason), line, error.column)
    })?;
    located.positions.renumber(lines);
    Ok(located)
}

fn located_json(path: &Path, text: &str, environment: &Environment) -> Result<Located, FileFault> {
    let located = parse_json(text).map_err(|error| {
        FileFault::new(
            path,
            FileReason::Syntax(error.reason),
            error.line,
            error.column,
        )
    })?;
    let value = substitute_value(located.value, environment).map_err(|unset| {
        let before = text.split(&unset.name).next().unwrap_or_default();
        let line = before.matches('\n').count() as u64 + 1;
        FileFault::new(path, FileReason::Unset(unset.name), line, 1)
    })?;
    Ok(Located { value, ..located })
}

// === impl FileFault ===

impl FileFault {
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        Self::new(path, FileReason::Unreadable(error.to_string()), 0, 0)
    }

    fn new(path: &Path, reason: FileReason, line: u64, column: u64) -> Self {
        Self {
            file: path.to_owned(),
            line,
            column,
            reason,
        }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(formatter, "{}:{}:", self.line, self.column.max(1))?;
        }
        match &self.reason {
            FileReason::Unreadable(reason) => write!(formatter, " cannot be read: {reason}"),
            FileReason::NoEnd => formatter.write_str(
                " expected the last line to be #END, which says that the file is complete",
            ),
            FileReason::Unset(name) => write!(
                formatter,
                " expected environment variable {name} to be set, or a default as in \
                 ${{{{{name}:=default}}}}"
            ),
            FileReason::Syntax(reason) => write!(formatter, " {reason}"),
            FileReason::NoObject(found) => {
                write!(
                    formatter,
                    " expected an object of resource lists, found {found}"
                )
            }
        }
    }
}

// === impl Reading ===

impl Reading {
    fn sections(&mut self, members: Map<String, Value>) {
        for (name, section) in members {
            let pointer = pointer_to([name.as_str()]);
            let key = format!("/{name}");
            self.origin.place_item(&key, &pointer);
            if name == "plugins" {
                self.plugin_list(&key, &section);
                continue;
            }
            // versions belong to the declarative interface, which reads the same shape
            if name.strip_suffix("_conf_version").is_some() {
                continue;
            }
            match (Kind::from_plural(&name), section) {
                (Ok(Kind::Credential) | Err(_), _) => self.unknown_section(&name),
                (Ok(_), Value::Null) => {}
                (Ok(kind), Value::Array(items)) => self.items(kind, &pointer, items),
                (Ok(_), other) => {
                    let found = type_word(&other);
                    let message = format!("wrong type: expected array, got {found}");
                    let error = CheckError::rule("", message, "an array").found(&other);
                    self.faults.push((key, error));
                }
            }
        }
    }

    fn unknown_section(&mut self, name: &str) {
        let known = Kind::ALL
            .into_iter()
            .filter(|kind| *kind != Kind::Credential)
            .map(Kind::plural)
            .chain(["plugins"]);
        let expected = match name {
            "stream_routes" | "protos" => format!("no {name:?}: only HTTP routes are served"),
            "credentials" => "credentials in \"consumers\", with an id such as \
                              jack/credentials/a"
                .to_owned(),
            _ => format!("no field {name:?}"),
        };
        let message = format!("additional properties forbidden, found {name}");
        let error = CheckError::rule("", message, expected).meant(nearest(name, known));
        self.faults.push((format!("/{name}"), error));
    }

    fn plugin_list(&mut self, key: &str, section: &Value) {
        let names = |section: &Value| -> Option<Vec<String>> {
            let http = |plugin: &&Value| plugin.get("stream") != Some(&json!(true));
            let name = |plugin: &Value| {
                let name = plugin.get("name").unwrap_or(plugin);
                name.as_str().map(str::to_owned)
            };
            section.as_array()?.iter().filter(http).map(name).collect()
        };
        match names(section) {
            Some(names) => self.plugins = Some(names),
            None if section.is_null() => {}
            None => {
                let expected = "an array of plugins, each with a \"name\"";
                let message = "wrong type: expected an array of plugins";
                let error = CheckError::rule("", message, expected).found(section);
                self.faults.push((key.to_owned(), error));
            }
        }
    }

    fn items(&mut self, kind: Kind, pointer: &str, items: Vec<Value>) {
        let mut places = BTreeMap::new();
        for (index, value) in items.into_iter().enumerate() {
            let (kind, id) = identity(kind, &value, index);
            let key = format!("/{}", kind.path(&id));
            let here = format!("{pointer}/{index}");
            if let Some(earlier) = places.insert(key.clone(), here.clone()) {
                self.duplicate(kind, &key, &id, &earlier);
            }
            self.origin.place_item(&key, &here);
            self.entries.push(Entry {
                kind,
                id,
                key,
                created: self.revision,
                modified: self.revision,
                value,
            });
        }
    }

    /// The last of several items with one identifier is used; the earlier ones are reported.
    fn duplicate(&mut self, kind: Kind, key: &str, id: &str, earlier: &str) {
        self.entries.retain(|entry| entry.key != key);
        let (field, id) = match kind {
            Kind::Consumer => ("username", id),
            _ => ("id", id),
        };
        let message = format!("found duplicate {field} {id} in {}", kind.plural());
        let expected = format!("no other item with {field} {id:?}: the last one is used");
        let replaced = format!("{key} (replaced)");
        self.origin.place_item(&replaced, earlier);
        self.faults
            .push((replaced, CheckError::rule("", message, expected)));
    }

    fn finish(self, previous: &Document) -> Loaded {
        let mut draft = Draft::new(Some(previous), Some(Arc::new(self.origin)));
        if let Some(plugins) = self.plugins {
            draft.plugins(plugins);
        }
        for (key, error) in self.faults {
            draft.reject(key, error);
        }
        for entry in self.entries {
            draft.take(entry);
        }
        draft.finish(self.revision)
    }
}

/// The kind and identifier of an item: the list it stands in says the kind, unless it is a
/// credential among the consumers.
fn identity(kind: Kind, value: &Value, index: usize) -> (Kind, String) {
    let id = match value.get("id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    };
    let position = || format!("arr_{}", index + 1);
    if kind != Kind::Consumer {
        return (kind, id.unwrap_or_else(position));
    }
    match id {
        Some(id) if id.contains("/credentials/") => (Kind::Credential, id),
        _ => {
            let name = value.get("username").and_then(Value::as_str);
            (kind, name.map_or_else(position, str::to_owned))
        }
    }
}

const fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
