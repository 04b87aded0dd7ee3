//! The control API: what an operator may ask a running gateway, and whether it is ready.
//!
//! It needs no key, so its listener belongs on an address that only operators reach. Source of
//! paths and shapes: `apache/apisix`, `apisix/control/`.

mod health;
mod resources;
mod status;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use plugin::Registry;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, watch};

use crate::api;
use crate::call::Call;
use crate::live::Live;
use crate::reply::Reply;
use crate::server::Service;

use config::Kind;
use config::check::schema;

pub use health::{Checked, CheckedNode, Checks, Counter};

/// What the gateway is, for its status.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The version of the program.
    pub version: String,
    /// Where resources come from: `store`, `file` or `etcd`.
    pub source: String,
    /// What listens where.
    pub listeners: Vec<Listener>,
}

/// A listener, for the status.
#[derive(Clone, Debug)]
pub struct Listener {
    /// What it is for: `proxy`, `admin`, `control` or `metrics`.
    pub name: String,
    /// The address it is bound to.
    pub address: String,
}

/// The control API.
#[derive(Clone, Debug)]
pub struct Control {
    live: Live,
    registry: Arc<Registry>,
    facts: Arc<Facts>,
    draining: watch::Receiver<bool>,
    reload: Arc<Notify>,
    checks: Checks,
}

// === impl Control ===

impl Control {
    /// The control API of a gateway that serves `live`.
    ///
    /// `draining` tells that the gateway is about to end, which makes it not ready; `reload` is told
    /// when a reload is asked for.
    pub fn new(
        live: Live,
        registry: Arc<Registry>,
        facts: Facts,
        draining: watch::Receiver<bool>,
        reload: Arc<Notify>,
    ) -> Self {
        Self {
            live,
            registry,
            facts: Arc::new(facts),
            draining,
            reload,
            checks: Checks::default(),
        }
    }

    /// The same, telling of what is probed too.
    #[must_use]
    pub fn with_checks(self, checks: Checks) -> Self {
        Self { checks, ..self }
    }

    fn respond(&self, call: &Call, wants_html: bool) -> Reply {
        let path = call.path();
        let reading = matches!(call.method, Method::GET | Method::HEAD);
        match path.as_slice() {
            ["v1", "plugins", "reload"] if call.method == Method::PUT => {
                self.reload.notify_one();
                Reply::bare(StatusCode::OK, "done")
            }
            _ if !reading => not_found(),
            ["status"] => status::whole(self),
            ["status", "ready"] => status::ready(self),
            ["v1", "schema"] => self.schemas(),
            ["v1", "healthcheck"] => health::all(&self.checks, wants_html),
            ["v1", "healthcheck", kind, id] => {
                health::one(&self.checks, &self.live.document(), kind, id)
            }
            ["v1", plural] => resources::all(&self.live.document(), plural),
            ["v1", singular, id] => resources::one(&self.live.document(), singular, id),
            _ => not_found(),
        }
    }

    fn schemas(&self) -> Reply {
        let kinds = Kind::ALL.into_iter();
        let main: Map<String, Value> = kinds
            .map(|kind| (kind.singular().to_owned(), schema(kind).clone()))
            .collect();
        Reply::json(
            StatusCode::OK,
            &json!({
                "main": main,
                "plugins": api::plugin_schemas(&self.registry),
                "stream_plugins": {},
            }),
        )
    }
}

impl Service for Control {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, _) = request.into_parts();
        let accept = head.headers.get(http::header::ACCEPT);
        let wants_html = accept
            .and_then(|accept| accept.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        let call = Call::new(&head, head.uri.path(), Bytes::new());
        self.respond(&call, wants_html).into_response()
    }
}

fn not_found() -> Reply {
    Reply::error(StatusCode::NOT_FOUND, "not found")
}
