//! One request to an operators' listener, read whole.

use std::fmt;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

/// One request, read whole.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// The parts of the path, percent-decoded, without an empty one at the end.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Query,
    pub(crate) body: Bytes,
    /// Whether the body is called YAML, and not JSON.
    pub(crate) is_yaml: bool,
}

/// The arguments of a query string, in their order.
#[derive(Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

// === impl Call ===

// Written by hand: the query may hold an admin key, and the body any secret.
impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("method", &self.method)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A request for `path`, which may be only the last part of the whole one.
    pub(crate) fn new(head: &Parts, path: &str, body: Bytes) -> Self {
        Self {
            method: head.method.clone(),
            segments: segments(path),
            query: Query::of(head),
            body,
            is_yaml: is_yaml(&head.headers),
        }
    }

    /// The parts of the path as they are matched.
    pub(crate) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }
}

// === impl Query ===

impl Query {
    pub(crate) fn of(head: &Parts) -> Self {
        Self::parse(head.uri.query().unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Self {
        Self(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first argument of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find_map(|(key, value)| (key == name).then_some(value))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn is_yaml(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.contains("yaml"))
}

fn segments(path: &str) -> Vec<String> {
    let path = path.trim_start_matches('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    path.split('/')
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect()
}
