//! The Admin API: resources over HTTP, in APISIX's shapes.
//!
//! Each kind of resource is a row of the table in `kind`; what is done with it is written once.
//! Source of paths, shapes and status codes: `apache/apisix`, `apisix/admin/`.

mod check;
mod configs;
mod erase;
mod fields;
mod holders;
mod identity;
mod kind;
mod page;
mod patch;
mod read;
mod refer;
mod refusal;
mod schema;
mod target;
mod unique;
mod write;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use config::source::Store;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderName,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::Notify;

use crate::access::Access;
use crate::body;
use crate::call::Call;
use crate::live::Live;
use crate::plugin_host::PluginHost;
use crate::reply::Reply;
use crate::server::Service;

use holders::Holders;
use refusal::Refusal;
use target::Target;

/// Tells the version of the reply shapes.
const API_VERSION: HeaderName = HeaderName::from_static("x-api-version");

/// Where resources are kept.
#[derive(Clone, Debug)]
pub enum Source {
    /// In the embedded store: they can be read and written here.
    Store(Store),
    /// Elsewhere: they can be read here, as they are served.
    ReadOnly,
}

/// What the Admin API works with.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// Where resources are kept.
    pub source: Source,
    /// What the gateway serves.
    pub live: Live,
    /// The plugins by which configurations are judged.
    pub plugins: PluginHost,
    /// Who may use the API.
    pub access: Access,
    /// Told when a reload is asked for.
    pub reload: Arc<Notify>,
    /// Whether pages of other origins may read answers, as `enable_admin_cors` says. Never when
    /// access is open, or any page that an operator visits could change the gateway.
    pub cors: bool,
}

/// The Admin API.
#[derive(Clone, Debug)]
pub struct Api {
    wiring: Arc<Wiring>,
    holders: Arc<Mutex<Holders>>,
}

/// A reply, and the revision that it reports as written.
#[derive(Debug)]
struct Answered {
    reply: Reply,
    written: Option<u64>,
}

// === impl Api ===

impl Api {
    /// The Admin API over `wiring`.
    pub fn new(wiring: Wiring) -> Self {
        Self {
            wiring: Arc::new(wiring),
            holders: Arc::default(),
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Reply {
        let (head, incoming) = request.into_parts();
        let inside = head
            .uri
            .path()
            .strip_prefix("/apisix/admin")
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let Some(inside) = inside else {
            return Refusal::not_found().into_reply();
        };
        match head.method {
            Method::OPTIONS => return Reply::bare(StatusCode::OK, Bytes::new()),
            // a probe tells nothing, so it needs no key
            Method::HEAD if inside.trim_end_matches('/').is_empty() => {
                return Reply::bare(StatusCode::OK, Bytes::new());
            }
            _ => {}
        }
        let key_name = match self.wiring.access.admit(&head) {
            Ok(name) => name.to_owned(),
            Err(refused) => return refused,
        };
        let call = match body::read(&head.headers, incoming).await {
            Ok(body) => Call::new(&head, inside, body),
            Err(refused) => return refused,
        };
        self.decide(call, key_name).await
    }

    /// Answers on a thread that may block: the store waits for the disk, and schemas take time.
    async fn decide(&self, call: Call, key_name: String) -> Reply {
        let api = self.clone();
        let method = call.method.clone();
        let deciding = tokio::task::spawn_blocking(move || {
            let outcome = dispatch(&api, &call);
            outcome.unwrap_or_else(|refusal| Answered::read(refusal.into_reply()))
        });
        let answered = match deciding.await {
            Ok(answered) => answered,
            Err(error) => {
                tracing::error!(%error, "the admin api failed");
                return Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
            }
        };
        if let Some(revision) = answered.written {
            tracing::info!(%method, revision, key_name, "resource written");
            self.wiring.live.reached(revision).await;
        }
        answered.reply
    }
}

impl Service for Api {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let reply = self.respond(request).await;
        let reply = reply.with(API_VERSION, HeaderValue::from_static("v3"));
        let mut response = reply.into_response();
        if self.wiring.cors && !matches!(self.wiring.access, Access::Open) {
            let headers = response.headers_mut();
            for (name, value) in [
                (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (ACCESS_CONTROL_ALLOW_METHODS, "*"),
                (ACCESS_CONTROL_ALLOW_HEADERS, "*"),
                (ACCESS_CONTROL_EXPOSE_HEADERS, "*"),
                (ACCESS_CONTROL_MAX_AGE, "3600"),
            ] {
                headers.insert(name, HeaderValue::from_static(value));
            }
        }
        response
    }
}

// === impl Answered ===

impl Answered {
    /// An answer that changed nothing.
    const fn read(reply: Reply) -> Self {
        Self {
            reply,
            written: None,
        }
    }

    /// An answer of status 200 that changed nothing.
    fn ok(body: &Value) -> Self {
        Self::read(Reply::json(StatusCode::OK, body))
    }
}

/// Finds what a call is about and does it.
fn dispatch(api: &Api, call: &Call) -> Result<Answered, Refusal> {
    let wiring = &*api.wiring;
    let plugins = &wiring.plugins;
    let path = call.path();
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["plugins", "list"]) => schema::plugin_names(plugins, &call.query),
        ("PUT", ["plugins", "reload"]) => Ok(reload(wiring)),
        (_, ["plugins", "reload"]) => {
            Err(Refusal::unsupported_method(&call.method, "plugins/reload"))
        }
        ("GET", ["plugins", name @ ..] | ["schema", "plugins", name @ ..]) => {
            schema::plugin(plugins, name.first().copied(), &call.query)
        }
        ("POST", ["schema", "validate", kind]) => schema::validate(kind, &call.body),
        ("GET", ["schema", kind]) => schema::resource(kind),
        ("POST", ["configs", "validate"]) => configs::validate(wiring, call),
        (_, [] | ["" | "plugins" | "schema", ..]) => Err(Refusal::not_found()),
        // compat: apache/apisix apisix/admin/init.lua: clients know this very text
        (_, ["stream_routes", ..]) => Err(Refusal::invalid(
            "stream mode is disabled, can not add stream routes",
        )),
        (_, ["protos", ..]) => Err(Refusal::invalid(
            "protos are not supported: gRPC transcoding is not part of this gateway",
        )),
        (_, path) => resource(api, call, &Target::find(path)?),
    }
}

fn resource(api: &Api, call: &Call, target: &Target<'_>) -> Result<Answered, Refusal> {
    let wiring = &*api.wiring;
    target.allows(&call.method)?;
    if call.method == Method::GET {
        return read::read(wiring, target, &call.query);
    }
    let Source::Store(store) = &wiring.source else {
        return Err(Refusal::read_only());
    };
    let desk = write::Desk {
        store,
        plugins: &wiring.plugins,
        holders: &api.holders,
        document: wiring.live.document(),
    };
    match call.method {
        Method::PUT => desk.put(target, call),
        Method::POST => desk.post(target, call),
        Method::PATCH => desk.patch(target, call),
        Method::DELETE => desk.delete(target, call),
        _ => Err(Refusal::not_found()),
    }
}

fn reload(wiring: &Wiring) -> Answered {
    wiring.reload.notify_one();
    Answered::read(Reply::bare(StatusCode::OK, "done"))
}

/// Every plugin by name, with all that is known of it.
pub(crate) fn plugin_schemas(registry: &plugin::Registry) -> serde_json::Map<String, Value> {
    schema::all(registry)
}
