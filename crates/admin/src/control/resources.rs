//! The resources that the gateway serves.

use config::{Document, Kind};
use http::StatusCode;
use serde_json::Value;

use super::not_found;
use crate::reply::Reply;
use crate::view::{self, View};

/// `/v1/routes`, `/v1/services`, `/v1/upstreams` and `/v1/plugin_metadatas`.
pub(super) fn all(document: &Document, plural: &str) -> Reply {
    let kind = match plural {
        "routes" => Kind::Route,
        "services" => Kind::Service,
        "upstreams" => Kind::Upstream,
        "plugin_metadatas" => Kind::PluginMetadata,
        _ => return not_found(),
    };
    let views = view::views(document, kind, "").into_iter();
    let list: Vec<Value> = views.map(|view| shown(kind, view)).collect();
    Reply::json(StatusCode::OK, &Value::Array(list))
}

/// `/v1/route/{id}` and so on.
pub(super) fn one(document: &Document, singular: &str, id: &str) -> Reply {
    let kind = match singular {
        "route" => Kind::Route,
        "service" => Kind::Service,
        "upstream" => Kind::Upstream,
        "plugin_metadata" => Kind::PluginMetadata,
        _ => return not_found(),
    };
    match view::view(document, kind, id) {
        Some(view) => Reply::json(StatusCode::OK, &shown(kind, view)),
        None => Reply::error(StatusCode::NOT_FOUND, format!("{singular}[{id}] not found")),
    }
}

/// Metadata is shown bare, all else with what is known of its storage.
fn shown(kind: Kind, view: View) -> Value {
    match kind {
        Kind::PluginMetadata => view.value,
        _ => view.into_json(),
    }
}
