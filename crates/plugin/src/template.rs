//! Texts with `$variables`.

#[cfg(test)]
mod tests;

use crate::{Ctx, Var};

/// A compiled text such as `$remote_addr "$request" $status`.
#[derive(Clone, Debug, Default)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A variable, and what stands for it when it has no value.
    Variable(Var, Option<String>),
}

// === impl Template ===

impl Template {
    /// Compiles `text`; `$name` and `${name}` are variables, `${name ?? other}` with what stands for a
    /// missing one, `\$` is a dollar sign, and everything else stands for itself.
    pub fn new(text: &str) -> Self {
        let mut template = Self::default();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('\\') {
                template.push_text(before);
                template.push_text("$");
                rest = from.get(1..).unwrap_or_default();
                continue;
            }
            template.push_text(before);
            if let Some((part, after)) = variable(from) {
                template.parts.push(part);
                rest = after;
            } else {
                template.push_text("$");
                rest = from.get(1..).unwrap_or_default();
            }
        }
        template.push_text(rest);
        template
    }

    /// Writes the text for this request; a variable without a value is written as `missing`.
    pub fn write(&self, ctx: &Ctx, missing: &str, out: &mut String) {
        self.write_with(missing, out, |variable, out| {
            variable.value(ctx).map(|value| value.write(out))
        });
    }

    /// Writes the text for this request, with nothing where a variable has no value; how many of them
    /// had one, or something that stands for it.
    pub fn fill(&self, ctx: &Ctx, out: &mut String) -> usize {
        let mut found = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(variable, instead) => {
                    let value = variable.value(ctx);
                    found += usize::from(value.is_some() || instead.is_some());
                    match value {
                        Some(value) => value.write(out),
                        None => out.push_str(instead.as_deref().unwrap_or_default()),
                    }
                }
            }
        }
        found
    }

    /// Writes the text for a line of a log: values never break the line or end a quotation, and
    /// secrets are masked.
    pub fn write_log(&self, ctx: &Ctx, missing: &str, out: &mut String) {
        self.write_with(missing, out, |variable, out| {
            let value = variable.logged(ctx);
            value.map(|value| telemetry::access_log::escape_inside(&value.into_text(), out))
        });
    }

    fn write_with(
        &self,
        missing: &str,
        out: &mut String,
        write: impl Fn(&Var, &mut String) -> Option<()>,
    ) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(variable, instead) => {
                    if write(variable, out).is_none() {
                        out.push_str(instead.as_deref().unwrap_or(missing));
                    }
                }
            }
        }
    }

    /// The variables in it.
    pub fn variables(&self) -> impl Iterator<Item = &Var> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Variable(variable, _) => Some(variable),
        })
    }

    /// Whether a variable in it reads the request body.
    pub fn needs_body(&self) -> bool {
        self.variables().any(Var::needs_body)
    }

    fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Part::Text(last)) = self.parts.last_mut() {
            last.push_str(text);
        } else {
            self.parts.push(Part::Text(text.to_owned()));
        }
    }
}

/// The variable that `text` begins with, and what follows it.
fn variable(text: &str) -> Option<(Part, &str)> {
    let after = text.strip_prefix('$')?;
    if let Some(inside) = after.strip_prefix('{') {
        let (inside, after) = inside.split_once('}')?;
        let (name, instead) = match inside.split_once("??") {
            Some((name, instead)) => (name, Some(instead.trim().to_owned())),
            None => (inside, None),
        };
        let part = Part::Variable(Var::named(name.trim()), instead);
        return Some((part, after));
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
    let (name, after) = after.split_at(end);
    (!name.is_empty()).then(|| (Part::Variable(Var::named(name), None), after))
}
