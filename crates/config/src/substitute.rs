//! `${{NAME}}` and `${{NAME:=default}}`: environment variables in configuration files.
//!
//! In YAML the text is replaced before it is read, so quotes decide about types. In JSON the parts
//! of the value are replaced after it is read, names included, and a text that then looks like a
//! number or a boolean becomes one. Source: `apache/apisix`, `apisix/cli/file.lua`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// The environment variables that a file may name.
pub type Environment = BTreeMap<String, String>;

/// A variable that is not set and has no default.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name} is not set and has no default")]
pub struct Unset {
    /// The name of the variable.
    pub name: String,
    /// The line that names it, from 1; 0 when it is not known.
    pub line: u64,
}

/// A text with its variables replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Substituted {
    /// The text.
    pub text: String,
    /// For each line of `text`, the line of the original: a value may have several lines.
    pub lines: Vec<u64>,
}

/// Replaces the variables of a YAML text. Lines that are comments are left as they are.
///
/// # Errors
///
/// [`Unset`] for the first variable that is not set and has no default.
pub fn substitute_text(text: &str, environment: &Environment) -> Result<Substituted, Unset> {
    let mut output = String::with_capacity(text.len());
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        let replaced = if line.trim_start().starts_with('#') {
            Cow::Borrowed(line)
        } else {
            substitute_line(line, environment).map_err(|name| Unset { name, line: number })?
        };
        let inner_breaks = replaced.trim_end_matches('\n').matches('\n').count();
        lines.extend(std::iter::repeat_n(number, inner_breaks + 1));
        output.push_str(&replaced);
    }
    Ok(Substituted {
        text: output,
        lines,
    })
}

/// Replaces the variables of a JSON value, in texts and in names.
///
/// # Errors
///
/// [`Unset`] for the first variable that is not set and has no default.
pub fn substitute_value(value: Value, environment: &Environment) -> Result<Value, Unset> {
    let unset = |name| Unset { name, line: 0 };
    match value {
        Value::String(text) => match substitute_line(&text, environment).map_err(unset)? {
            Cow::Borrowed(_) => Ok(Value::String(text)),
            Cow::Owned(replaced) => Ok(typed(replaced)),
        },
        Value::Array(items) => items
            .into_iter()
            .map(|item| substitute_value(item, environment))
            .collect(),
        Value::Object(members) => {
            let mut replaced = Map::new();
            for (name, member) in members {
                let name = substitute_line(&name, environment)
                    .map_err(unset)?
                    .into_owned();
                replaced.insert(name, substitute_value(member, environment)?);
            }
            Ok(Value::Object(replaced))
        }
        other => Ok(other),
    }
}

/// Replaces the variables of one text; the error is the name of the one that is not set.
fn substitute_line<'t>(text: &'t str, environment: &Environment) -> Result<Cow<'t, str>, String> {
    let mut output = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${{") {
        let (before, after) = rest.split_at(start);
        let Some((name, default, length)) = reference(&after[3..]) else {
            output.push_str(&rest[..start + 3]);
            rest = &after[3..];
            continue;
        };
        output.push_str(before);
        match (environment.get(name), default) {
            (Some(value), _) => output.push_str(value),
            (None, Some(default)) => output.push_str(default),
            (None, None) => return Err(name.to_owned()),
        }
        rest = &after[3 + length..];
    }
    if rest.len() == text.len() {
        return Ok(Cow::Borrowed(text));
    }
    output.push_str(rest);
    Ok(Cow::Owned(output))
}

/// Reads what follows `${{`: the name, the default, and how long all of it is.
fn reference(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let end = text.find("}}")?;
    let inner = text[..end].trim();
    let (name, default) = match inner.split_once(":=") {
        Some((name, default)) => (name.trim_end(), Some(default.trim_start())),
        None => (inner, None),
    };
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_name = !name.is_empty() && name.bytes().all(valid);
    is_name.then_some((name, default, end + 2))
}

fn typed(text: String) -> Value {
    match text.as_str() {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match text.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text),
        },
    }
}

#[cfg(test)]
mod tests;
