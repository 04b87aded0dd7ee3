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

/// The items of a list that the user said.
pub(super) fn user_messages(list: Raw<'_>) -> impl Iterator<Item = Raw<'_>> {
    let is_user = |message: &Raw<'_>| message.get("role").is_some_and(|role| role.is_str("user"));
    list.items().filter(is_user)
}

/// The text of a message's content: a string, or its parts of one of these types, joined by a space.
/// `None` when nothing is left of it.
pub(super) fn content_text(content: Raw<'_>, types: &[&str]) -> Option<String> {
    let text = if content.is_array() {
        let is_text = |part: &Raw<'_>| {
            let kind = part.get("type");
            kind.is_some_and(|kind| types.iter().any(|known| kind.is_str(known)))
        };
        let parts = content.items().filter(is_text);
        let texts: Vec<_> = parts.filter_map(|part| part.get("text")?.str()).collect();
        texts.join(" ")
    } else {
        content.str()?.into_owned()
    };
    (!text.is_empty()).then_some(text)
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
