//! Members that requests of several dialects share.

use std::borrow::Cow;

use wire::json::{Kind, Raw, Scan};

use crate::protocol::RequestFacts;

/// How a model is named that is neither text nor another scalar.
const NON_SCALAR: &str = "<non-scalar>";

/// The facts that mean the same everywhere; `stream` counts only when it is `true`.
pub(super) fn facts(body: &Scan) -> RequestFacts {
    RequestFacts {
        model: body.get("model").and_then(scalar),
        stream: body.get("stream").and_then(Raw::bool).unwrap_or(false),
        tool_count: tool_count(body),
        end_user: None,
    }
}

/// The first of the named members that is a string.
pub(super) fn first_string(body: &Scan, names: &[&str]) -> Option<String> {
    names
        .iter()
        .find_map(|name| body.get(name)?.str())
        .map(Cow::into_owned)
}

fn scalar(value: Raw<'_>) -> Option<String> {
    match value.kind() {
        Kind::Null => None,
        Kind::Object | Kind::Array => Some(NON_SCALAR.to_owned()),
        Kind::String => value.str().map(Cow::into_owned),
        Kind::Number | Kind::Bool => Some(value.as_text().to_owned()),
    }
}

fn tool_count(body: &Scan) -> u32 {
    let count = body.get("tools").map_or(0, |tools| tools.items().count());
    u32::try_from(count).unwrap_or(u32::MAX)
}
