//! `log_format`: the shape of a log entry, as a JSON object of constants and variables.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value as Json};
use telemetry::access_log::JsonLine;

use crate::{Ctx, Value, Var};

/// How deep objects in a format may be nested.
const DEEPEST: usize = 5;

/// A compiled log format.
///
/// Shape: `{"host": "$host", "team": "blue", "llm": {"model": "$llm_model"}}`. A variable without a
/// value leaves its member out; values keep their JSON types, and secrets are masked.
#[derive(Clone, Debug, Default)]
pub struct LogFormat {
    members: Vec<(Box<str>, Member)>,
}

#[derive(Clone, Debug)]
enum Member {
    Variable(Var),
    /// JSON text, written as it is.
    Constant(Box<str>),
    Object(LogFormat),
}

/// A log format that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log_format nesting exceeds the maximum depth of {DEEPEST}")]
pub struct LogFormatError {
    /// JSON pointer of the object that is too deep.
    pub pointer: String,
}

// === impl LogFormat ===

impl LogFormat {
    /// Compiles the JSON form. Texts that begin with `$` are variables, all else is constant.
    ///
    /// # Errors
    /// [`LogFormatError`] for an object that is nested too deeply.
    pub fn compile(format: &Map<String, Json>) -> Result<Self, LogFormatError> {
        Self::at_depth(format, "", 1)
    }

    fn at_depth(
        format: &Map<String, Json>,
        pointer: &str,
        depth: usize,
    ) -> Result<Self, LogFormatError> {
        if depth > DEEPEST {
            return Err(LogFormatError {
                pointer: pointer.to_owned(),
            });
        }
        let members = format.iter().map(|(name, value)| {
            let member = match value {
                Json::String(text) => match text.strip_prefix('$') {
                    Some(name) => Member::Variable(Var::named(bare(name))),
                    None => Member::Constant(value.to_string().into()),
                },
                Json::Object(inner) => {
                    let own = config::fault::pointer_to([&**name]);
                    let pointer = format!("{pointer}{own}");
                    Member::Object(Self::at_depth(inner, &pointer, depth + 1)?)
                }
                other => Member::Constant(other.to_string().into()),
            };
            Ok((name.as_str().into(), member))
        });
        Ok(Self {
            members: members.collect::<Result<_, _>>()?,
        })
    }

    /// Adds the members to a log entry.
    pub fn write(&self, ctx: &Ctx, line: &mut JsonLine) {
        self.write_unless(ctx, line, |_| false);
    }

    /// Adds the members to a log entry, but those whose name is `taken`.
    pub fn write_unless(&self, ctx: &Ctx, line: &mut JsonLine, taken: impl Fn(&str) -> bool) {
        for (name, member) in &self.members {
            if taken(name) {
                continue;
            }
            match member {
                Member::Constant(json) => _ = line.raw(name, json),
                Member::Object(inner) => {
                    let mut object = JsonLine::new();
                    inner.write(ctx, &mut object);
                    line.raw(name, &object.finish());
                }
                Member::Variable(variable) => {
                    if let Some(value) = variable.logged(ctx) {
                        write_value(name, &value, line);
                    }
                }
            }
        }
    }

    /// The names of its outermost members.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|(name, _)| &**name)
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether a variable in it reads the request body.
    pub fn needs_body(&self) -> bool {
        self.any(&Var::needs_body)
    }

    /// Whether a variable in it reads the text of an AI answer.
    pub fn needs_answer_text(&self) -> bool {
        self.any(&Var::needs_answer_text)
    }

    fn any(&self, is: &impl Fn(&Var) -> bool) -> bool {
        self.members.iter().any(|(_, member)| match member {
            Member::Variable(variable) => is(variable),
            Member::Object(inner) => inner.any(is),
            Member::Constant(_) => false,
        })
    }
}

fn write_value(name: &str, value: &Value<'_>, line: &mut JsonLine) {
    match value {
        Value::Text(text) => line.text(name, text),
        Value::Integer(number) => line.number(name, *number),
        Value::Number(number) => line.value(name, number),
        Value::Json(json) => line.value(name, json),
    };
}

/// `{name}` is the same as `name`.
fn bare(name: &str) -> &str {
    let inside = name
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    inside.unwrap_or(name)
}
