//! The health of what is probed.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use config::{Document, Kind};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;

use crate::reply::Reply;
use crate::view;

/// Tells of everything that is probed at the moment of asking.
#[derive(Clone)]
pub struct Checks(Arc<dyn Fn() -> Vec<Checked> + Send + Sync>);

/// Something that is probed. Shape as in APISIX, with `instance` where a plugin has several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The place of its configuration, such as
    /// `upstream#/routes/1#plugins['ai-proxy-multi'].instances[0]`.
    pub name: String,
    /// Its name within that configuration.
    pub instance: String,
    /// How it is asked: `http`, `https` or `tcp`.
    pub r#type: &'static str,
    /// Its addresses.
    pub nodes: Vec<CheckedNode>,
}

/// One address of something that is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckedNode {
    /// The address; its name while that has no address.
    pub ip: String,
    /// The port.
    pub port: u16,
    /// The name under which it was found.
    pub hostname: String,
    /// `healthy`, `mostly_healthy`, `mostly_unhealthy` or `unhealthy`.
    pub status: &'static str,
    /// Findings in a row.
    pub counter: Counter,
}

/// Findings in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// Successes.
    pub success: u8,
    /// Failures of HTTP.
    pub http_failure: u8,
    /// Failures of TCP or TLS.
    pub tcp_failure: u8,
    /// Timeouts.
    pub timeout_failure: u8,
}

// === impl Checks ===

impl Checks {
    /// Asks `tell` whenever somebody wants to know.
    pub fn new(tell: impl Fn() -> Vec<Checked> + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    fn sorted(&self) -> Vec<Checked> {
        let mut all = (self.0)();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }
}

impl Default for Checks {
    fn default() -> Self {
        Self::new(Vec::new)
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checks")
    }
}

/// `/v1/healthcheck`.
pub(super) fn all(checks: &Checks, wants_html: bool) -> Reply {
    let all = checks.sorted();
    if wants_html {
        return Reply::bytes(StatusCode::OK, "text/html; charset=utf-8", page(&all));
    }
    Reply::json(StatusCode::OK, &json!(all))
}

/// `/v1/healthcheck/{kind}/{id}`: everything that the resource has probed, in one object.
pub(super) fn one(checks: &Checks, document: &Document, kind: &str, id: &str) -> Reply {
    let known = match kind {
        "routes" => Kind::Route,
        "services" => Kind::Service,
        "upstreams" => Kind::Upstream,
        _ => {
            let message = format!("invalid src type {kind}");
            return Reply::error(StatusCode::BAD_REQUEST, message);
        }
    };
    // As a file has the key, and as a store has it.
    let places = [format!("/{kind}/{id}"), format!("/apisix/{kind}/{id}")];
    let place = |checked: &Checked| {
        let mut parts = checked.name.split('#');
        let found = parts.find(|part| places.iter().any(|place| place == part));
        found.map(str::to_owned)
    };
    let all = checks.sorted().into_iter();
    let mut all = all.filter_map(|checked| Some((place(&checked)?, checked)));
    if let Some((place, mut first)) = all.next() {
        first.nodes.extend(all.flat_map(|(_, other)| other.nodes));
        let Checked { r#type, nodes, .. } = first;
        let whole = json!({ "name": place, "type": r#type, "nodes": nodes });
        return Reply::json(StatusCode::OK, &whole);
    }
    let message = match view::view(document, known, id) {
        Some(_) => format!("no checker for {kind}[{id}]"),
        None => format!("{kind}[{id}] not found"),
    };
    Reply::error(StatusCode::NOT_FOUND, message)
}

fn page(all: &[Checked]) -> String {
    let mut page = "<!doctype html>\n<title>health checks</title>\n<table>\n<tr><th>upstream</th>\
                    <th>type</th><th>node</th><th>status</th></tr>\n"
        .to_owned();
    for checked in all {
        for node in &checked.nodes {
            _ = writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}:{}</td><td>{}</td></tr>",
                escaped(&checked.name),
                checked.r#type,
                escaped(&node.ip),
                node.port,
                node.status
            );
        }
    }
    page.push_str("</table>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
