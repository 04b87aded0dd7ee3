//! Whether the gateway is ready, and what it is doing.

use config::document::Fate;
use http::StatusCode;
use serde_json::{Value, json};

use super::Control;
use crate::reply::Reply;

/// `/status`: always 200 while the process answers.
pub(super) fn whole(control: &Control) -> Reply {
    let loaded = control.live.loaded();
    let rejected = loaded.iter().flat_map(|loaded| &loaded.rejected);
    let rejected: Vec<Value> = rejected
        .map(|item| {
            json!({
                "key": item.key,
                "reason": item.to_string(),
                "pointer": item.error.pointer,
                "previous_version_in_use": item.fate == Fate::Kept,
            })
        })
        .collect();
    let facts = &control.facts;
    let listeners = facts.listeners.iter();
    let listeners: Vec<Value> = listeners
        .map(|listener| json!({ "name": listener.name, "address": listener.address }))
        .collect();
    let document = loaded.as_ref().map(|loaded| &loaded.document);
    Reply::json(
        StatusCode::OK,
        &json!({
            "status": "ok",
            "version": facts.version,
            "ready": obstacle(control).is_none(),
            "draining": *control.draining.borrow(),
            "source": facts.source,
            "revision": document.map(|document| document.revision),
            "resources": document.map_or(0, |document| document.len()),
            "rejected": rejected,
            "listeners": listeners,
        }),
    )
}

/// `/status/ready`: 200 once a configuration is served, 503 before that and while draining.
pub(super) fn ready(control: &Control) -> Reply {
    match obstacle(control) {
        None => Reply::json(StatusCode::OK, &json!({ "status": "ok" })),
        Some(error) => Reply::json(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "error", "error": error }),
        ),
    }
}

fn obstacle(control: &Control) -> Option<&'static str> {
    if *control.draining.borrow() {
        return Some("the gateway is draining");
    }
    match control.live.loaded() {
        Some(_) => None,
        None => Some("the gateway has not received configuration"),
    }
}
