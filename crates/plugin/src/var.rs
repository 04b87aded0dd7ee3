//! Variables of a request, by name.
//!
//! A name is resolved once, when the configuration that holds it is compiled: to a row of a table, or
//! to one of the families whose names go on (`http_…`, `arg_…`). Source: apache/apisix
//! `apisix/core/ctx.lua`, and nginx for the names that it brings.

mod body;
mod llm;
mod machine;
pub(crate) mod reply;
pub(crate) mod request;
mod row;
#[cfg(test)]
pub(crate) mod tests;
mod time;
mod upstream;
mod value;

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderName;

use crate::{Ctx, mask};
use body::BodyPath;
pub use machine::hostname;
use row::Row;
pub use value::Value;
pub(crate) use value::to_number;

/// A compiled variable name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Var(Source);

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// A name of its own.
    Row(&'static Row),
    /// `http_…`: the name with dashes, and as written.
    Header(HeaderName, HeaderName),
    /// `sent_http_…`, likewise.
    SentHeader(HeaderName, HeaderName),
    /// `cookie_…`
    Cookie(Box<str>),
    /// `arg_…`
    Argument(Box<str>),
    /// `uri_param_…`
    Parameter(Box<str>),
    /// `post_arg_…`
    Field(Box<str>),
    /// `post_arg.…`
    Body(BodyPath),
    /// No variable has this name.
    Nothing,
}

/// The tables of names, looked through in this order.
const TABLES: &[&[Row]] = &[
    request::ROWS,
    time::ROWS,
    reply::ROWS,
    upstream::ROWS,
    llm::ROWS,
];

// === impl Var ===

impl Var {
    /// Compiles a name without `$`, for example `arg_x` or `http_x_y`; any name is valid, an unknown
    /// one has no value.
    pub fn named(name: &str) -> Self {
        Self(Source::of(name))
    }

    /// The value for this request.
    pub fn value<'a>(&self, ctx: &'a Ctx) -> Option<Value<'a>> {
        match &self.0 {
            Source::Row(row) => (row.read)(ctx),
            Source::Header(name, written) => request::header(ctx, name, written),
            Source::SentHeader(name, written) => reply::header(ctx, name, written),
            Source::Cookie(name) => request::cookie(ctx, name).map(Value::from),
            Source::Argument(name) => request::argument(ctx, name).map(Value::Text),
            Source::Parameter(name) => request::parameter(ctx, name).map(Value::from),
            Source::Field(name) => body::field(ctx, name).map(Value::Text),
            Source::Body(path) => path.value(ctx),
            Source::Nothing => None,
        }
    }

    /// The value as logs may show it: secrets in headers, cookies and arguments are masked.
    pub fn logged<'a>(&self, ctx: &'a Ctx) -> Option<Value<'a>> {
        const MASKED: Value<'static> = Value::Text(Cow::Borrowed(mask::MASK));
        let value = self.value(ctx)?;
        let known = &ctx.secret_arguments;
        let is_known = |name: &str| known.iter().any(|known| **known == *name);
        Some(match &self.0 {
            Source::Row(row) if matches!(row.name, "request_uri" | "request") => {
                value.map_text(|text| mask::target(text, known).into_owned())
            }
            Source::Row(row) if matches!(row.name, "args" | "query_string") => {
                value.map_text(|text| mask::arguments(text, known).into_owned())
            }
            Source::Row(row) if row.name == "http_cookie" => MASKED,
            Source::Header(name, written) => {
                masked(value, &ctx.request.headers, [name, written], known)
            }
            Source::SentHeader(name, written) => {
                masked(value, &ctx.sent.headers, [name, written], known)
            }
            Source::Cookie(name) | Source::Argument(name) if mask::is_secret_name(name) => MASKED,
            Source::Argument(name) if is_known(name) => MASKED,
            _ => value,
        })
    }

    /// Whether it reads the request body, which must have been read before to give a value.
    pub fn needs_body(&self) -> bool {
        match &self.0 {
            Source::Row(row) => row.needs_body,
            Source::Field(_) | Source::Body(_) => true,
            _ => false,
        }
    }

    /// Whether it reads the text of an AI answer, which is collected only when somebody wants it.
    pub fn needs_answer_text(&self) -> bool {
        matches!(&self.0, Source::Row(row) if row.name == "llm_response_text")
    }
}

// === impl Source ===

impl Source {
    fn of(name: &str) -> Self {
        if let Some(row) = TABLES
            .iter()
            .copied()
            .flatten()
            .find(|row| row.name == name)
        {
            return Self::Row(row);
        }
        // compat: apache/apisix names of headers in variables may be in any case
        if let Some(rest) = prefixed(name, "http_") {
            return headers(rest).map_or(Self::Nothing, |(dashed, written)| {
                Self::Header(dashed, written)
            });
        }
        if let Some(rest) = prefixed(name, "sent_http_") {
            return headers(rest).map_or(Self::Nothing, |(dashed, written)| {
                Self::SentHeader(dashed, written)
            });
        }
        if let Some(rest) = name.strip_prefix("cookie_") {
            return Self::Cookie(rest.into());
        }
        if let Some(rest) = name.strip_prefix("arg_") {
            return Self::Argument(rest.into());
        }
        if let Some(rest) = name.strip_prefix("uri_param_") {
            return Self::Parameter(rest.into());
        }
        if let Some(rest) = name.strip_prefix("post_arg_") {
            return Self::Field(rest.into());
        }
        if let Some(rest) = name.strip_prefix("post_arg.") {
            return BodyPath::new(rest).map_or(Self::Nothing, Self::Body);
        }
        Self::Nothing
    }
}

fn prefixed<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The header that a variable means: `x_request_id` is `x-request-id`, or what is written when a
/// client does send underscores.
fn headers(written: &str) -> Option<(HeaderName, HeaderName)> {
    let dashed = written.replace('_', "-");
    let dashed = HeaderName::from_bytes(dashed.as_bytes()).ok()?;
    let written = HeaderName::from_bytes(written.as_bytes()).ok()?;
    Some((dashed, written))
}

/// The value of a header as logs may show it.
fn masked<'a>(
    value: Value<'a>,
    headers: &http::HeaderMap,
    names: [&HeaderName; 2],
    known: &[Arc<str>],
) -> Value<'a> {
    let is_secret = names.into_iter().any(|name| {
        let sensitive = |value: &http::HeaderValue| value.is_sensitive();
        mask::is_secret_name(name.as_str()) || headers.get_all(name).iter().any(sensitive)
    });
    if is_secret {
        return Value::Text(Cow::Borrowed(mask::MASK));
    }
    value.map_text(|text| mask::target(text, known).into_owned())
}

/// The values of a header, joined as nginx joins them.
fn joined<'a>(
    headers: &'a http::HeaderMap,
    names: [&HeaderName; 2],
    between: &str,
) -> Option<Cow<'a, str>> {
    let name = names.into_iter().find(|name| headers.contains_key(*name))?;
    let mut values = headers.get_all(name).iter();
    let first = String::from_utf8_lossy(values.next()?.as_bytes());
    Some(values.fold(first, |mut all, value| {
        let text = all.to_mut();
        text.push_str(between);
        text.push_str(&String::from_utf8_lossy(value.as_bytes()));
        all
    }))
}
