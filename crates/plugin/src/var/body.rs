//! Variables that look into the request body: `post_arg_x` and `post_arg.a.b[*].c`.

use std::borrow::Cow;

use bytes::Bytes;
use http::header;
use wire::json::Raw;

use super::{Ctx, Value};

/// A compiled path into a body, the part after `post_arg.`.
///
/// With `[…]`, `*` or `..` in it, it is a query that may find several values, and its value is the
/// list of them; else it is a chain of names with at most one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BodyPath {
    written: Box<str>,
    steps: Vec<Step>,
    is_query: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// `.name` or `["name"]`
    Member(Box<str>),
    /// `[3]`, from the end when negative
    Item(i64),
    /// `[*]` or `.*`
    Every,
    /// `..`: the value itself and all below it
    Below,
}

// === impl BodyPath ===

impl BodyPath {
    /// Compiles the path; `None` when it is not one.
    pub(super) fn new(written: &str) -> Option<Self> {
        // `post_arg..name` looks for the name at every depth.
        let from_root = format!(".{written}");
        let is_query = from_root.contains(['[', '*']) || from_root.contains("..");
        let mut steps = Vec::new();
        let mut rest = &*from_root;
        let mut expects_name = true;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("..") {
                steps.push(Step::Below);
                (rest, expects_name) = (after, true);
            } else if let Some(after) = rest.strip_prefix('.') {
                (rest, expects_name) = (after, true);
            } else if let Some(after) = rest.strip_prefix('[') {
                let (inside, after) = after.split_once(']')?;
                steps.push(bracket(inside)?);
                (rest, expects_name) = (after, false);
            } else if expects_name {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                steps.push(match name {
                    "*" => Step::Every,
                    name => Step::Member(name.into()),
                });
                (rest, expects_name) = (after, false);
            } else {
                return None;
            }
        }
        let complete = !expects_name && !steps.is_empty();
        complete.then_some(Self {
            written: written.into(),
            steps,
            is_query,
        })
    }

    pub(super) fn value<'a>(&self, ctx: &'a Ctx) -> Option<Value<'a>> {
        let bytes = ctx.body.bytes()?;
        match content_type(ctx) {
            Content::Form => form_field(bytes, &self.written).map(Value::Text),
            Content::Multipart(boundary) => {
                multipart_field(bytes, boundary, &self.written).map(Value::Text)
            }
            Content::Json => match ctx.body.scanned() {
                Some(scan) => self.find(scan.root()),
                None => self.find(Raw::parse(bytes).ok()?),
            },
        }
    }

    fn find(&self, root: Raw<'_>) -> Option<Value<'static>> {
        let mut found = vec![root];
        for step in &self.steps {
            found = found.into_iter().flat_map(|raw| step.from(raw)).collect();
        }
        if !self.is_query {
            return found.first().copied().and_then(plain);
        }
        let list: Vec<_> = found
            .into_iter()
            .filter_map(|raw| serde_json::from_slice(raw.as_bytes()).ok())
            .collect();
        (!list.is_empty()).then(|| Value::Json(serde_json::Value::Array(list)))
    }
}

// === impl Step ===

impl Step {
    fn from<'a>(&self, raw: Raw<'a>) -> Vec<Raw<'a>> {
        match self {
            Self::Member(name) => raw.get(name).into_iter().collect(),
            Self::Every if raw.is_object() => raw.members().map(|(_, value)| value).collect(),
            Self::Every => raw.items().collect(),
            Self::Item(index) => {
                let items: Vec<_> = raw.items().collect();
                let at = if *index < 0 {
                    i64::try_from(items.len()).unwrap_or_default() + index
                } else {
                    *index
                };
                let at = usize::try_from(at).ok();
                at.and_then(|at| items.get(at))
                    .copied()
                    .into_iter()
                    .collect()
            }
            Self::Below => {
                let mut all = vec![raw];
                let mut at = 0;
                while let Some(next) = all.get(at).copied() {
                    all.extend(next.members().map(|(_, value)| value));
                    all.extend(next.items());
                    at += 1;
                }
                all
            }
        }
    }
}

fn bracket(inside: &str) -> Option<Step> {
    let inside = inside.trim();
    if inside == "*" {
        return Some(Step::Every);
    }
    for quote in ['"', '\''] {
        let name = inside.strip_prefix(quote);
        if let Some(name) = name.and_then(|rest| rest.strip_suffix(quote)) {
            return Some(Step::Member(name.into()));
        }
    }
    inside.parse().ok().map(Step::Item)
}

fn plain(raw: Raw<'_>) -> Option<Value<'static>> {
    if raw.is_null() {
        return None;
    }
    serde_json::from_slice(raw.as_bytes()).ok().map(Value::json)
}

// === other content types ===

enum Content<'a> {
    Json,
    Form,
    Multipart(&'a str),
}

/// What the body is; JSON unless the client says otherwise.
fn content_type(ctx: &Ctx) -> Content<'_> {
    let Some(value) = ctx.request.headers.get(header::CONTENT_TYPE) else {
        return Content::Json;
    };
    let value = value.to_str().unwrap_or_default();
    let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
    let kind = kind.trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Content::Form;
    }
    if kind.eq_ignore_ascii_case("multipart/form-data") {
        return Content::Multipart(parameter(parameters, "boundary").unwrap_or_default());
    }
    Content::Json
}

/// A field of a form body, whatever its encoding says of nesting.
pub(super) fn field<'a>(ctx: &'a Ctx, name: &str) -> Option<Cow<'a, str>> {
    match content_type(ctx) {
        Content::Form => form_field(ctx.body.bytes()?, name),
        Content::Json | Content::Multipart(_) => None,
    }
}

fn form_field<'a>(bytes: &'a Bytes, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(bytes)
        .find(|(found, _)| found == name)
        .map(|(_, value)| value)
}

/// The first part of that name. Shape: RFC 7578.
fn multipart_field<'a>(bytes: &'a Bytes, boundary: &str, name: &str) -> Option<Cow<'a, str>> {
    if boundary.is_empty() {
        return None;
    }
    let delimiter = format!("--{boundary}");
    let finder = memchr::memmem::Finder::new(delimiter.as_bytes());
    let mut starts = finder.find_iter(bytes).peekable();
    while let Some(start) = starts.next() {
        let end = starts.peek().copied().unwrap_or(bytes.len());
        let part = bytes.get(start + delimiter.len()..end)?;
        let Some(blank) = memchr::memmem::find(part, b"\r\n\r\n") else {
            continue;
        };
        let (head, body) = part.split_at(blank);
        if part_name(&String::from_utf8_lossy(head)).as_deref() == Some(name) {
            let body = body.get(4..)?;
            let body = body.strip_suffix(b"\r\n").unwrap_or(body);
            return Some(String::from_utf8_lossy(body));
        }
    }
    None
}

fn part_name(head: &str) -> Option<String> {
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value)
    })?;
    let (_, parameters) = disposition.split_once(';')?;
    parameter(parameters, "name").map(str::to_owned)
}

/// A parameter of a header value: `name="x"; filename="y"`.
fn parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').unwrap_or(value);
        let value = value.strip_suffix('"').unwrap_or(value);
        found.trim().eq_ignore_ascii_case(name).then_some(value)
    })
}
