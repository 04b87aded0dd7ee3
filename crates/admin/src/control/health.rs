//! The health of upstream nodes. No upstream is checked yet, so the lists are empty.

use config::{Document, Kind};
use http::StatusCode;
use serde_json::json;

use crate::reply::Reply;
use crate::view;

/// `/v1/healthcheck`.
pub(super) fn all(wants_html: bool) -> Reply {
    if wants_html {
        let page = "<!doctype html>\n<title>health checks</title>\n<table>\n<tr><th>upstream</th>\
                    <th>type</th><th>node</th><th>status</th></tr>\n</table>\n";
        return Reply::bytes(StatusCode::OK, "text/html; charset=utf-8", page);
    }
    Reply::json(StatusCode::OK, &json!([]))
}

/// `/v1/healthcheck/{kind}/{id}`.
pub(super) fn one(document: &Document, kind: &str, id: &str) -> Reply {
    let known = match kind {
        "routes" => Kind::Route,
        "services" => Kind::Service,
        "upstreams" => Kind::Upstream,
        _ => {
            let message = format!("invalid src type {kind}");
            return Reply::error(StatusCode::BAD_REQUEST, message);
        }
    };
    let message = match view::view(document, known, id) {
        Some(_) => format!("no checker for {kind}[{id}]"),
        None => format!("{kind}[{id}] not found"),
    };
    Reply::error(StatusCode::NOT_FOUND, message)
}
