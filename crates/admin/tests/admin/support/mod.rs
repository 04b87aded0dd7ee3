//! A gateway's operators' side on real sockets: the store, what "serves" it, and the Admin API.

mod client;
mod plugins;

use std::net::SocketAddr;
use std::sync::Arc;

use admin::{Access, AdminKey, Api, Limits, Live, PluginHost, Role, Service, Source, Wiring};
use config::document::{Draft, Entry};
use config::source::{Store, StoreSource};
use config::{Kind, Loaded, Secret};
use plugin::{Environment, Living, Registry};
use serde_json::Value;
use telemetry::metrics::Metrics;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

pub(crate) use client::{Answer, Client};
pub(crate) use plugins::PLUGINS;

/// The key of the administrator in tests.
pub(crate) const ADMIN: &str = "admin-key-0123456789";

/// The key of the viewer in tests.
pub(crate) const VIEWER: &str = "viewer-key-0123456789";

/// The Admin API over a store in memory, with a data plane that serves whatever is stored.
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) live: Live,
    pub(crate) reload: Arc<Notify>,
}

// === impl House ===

impl House {
    /// A house with an empty store.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A house whose wiring `change` has changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Wiring)) -> Self {
        let store = Store::in_memory().unwrap();
        let live = serve_store(StoreSource::new(store.clone())).await;
        let mut wiring = wiring(Source::Store(store.clone()), live.clone());
        change(&mut wiring);
        let reload = Arc::clone(&wiring.reload);
        let client = Client::new(listen(Api::new(wiring)).await).key(ADMIN);
        Self {
            store,
            client,
            live,
            reload,
        }
    }
}

/// An Admin API that only reads, over one route, one consumer and one credential of a file.
pub(crate) async fn read_only() -> Client {
    let mut draft = Draft::new(None, None);
    for (kind, id, value) in [
        (
            Kind::Route,
            "1",
            serde_json::json!({ "id": "1", "uri": "/a", "plugins": {} }),
        ),
        (
            Kind::Consumer,
            "jack",
            serde_json::json!({ "username": "jack" }),
        ),
        (
            Kind::Credential,
            "jack/credentials/a",
            serde_json::json!({ "id": "a", "plugins": {} }),
        ),
    ] {
        draft.take(Entry {
            kind,
            id: id.to_owned(),
            key: format!("/{}", kind.path(id)),
            created: 3,
            modified: 3,
            value,
        });
    }
    let (_, live) = live(Some(draft.finish(3)));
    Client::new(listen(Api::new(wiring(Source::ReadOnly, live))).await).key(ADMIN)
}

/// A value of what is served, and its sender.
pub(crate) fn live(loaded: Option<Loaded>) -> (watch::Sender<Option<Arc<Loaded>>>, Live) {
    let (sender, receiver) = watch::channel(loaded.map(Arc::new));
    (sender, Live::new(receiver))
}

/// The wiring of an API with an administrator and a viewer.
pub(crate) fn wiring(source: Source, live: Live) -> Wiring {
    Wiring {
        source,
        live,
        plugins: plugin_host(),
        access: Access::Keys(vec![
            key("admin", ADMIN, Role::Admin),
            key("viewer", VIEWER, Role::Viewer),
        ]),
        reload: Arc::default(),
        cors: true,
    }
}

/// The plugins of tests.
pub(crate) fn plugin_host() -> PluginHost {
    PluginHost {
        registry: Arc::new(Registry::new(&PLUGINS, None)),
        living: Arc::new(Living::default()),
        metrics: Metrics::default(),
        environment: Environment::default(),
        attributes: Arc::default(),
    }
}

/// Serves on a free port of the loopback until the test ends.
pub(crate) async fn listen(service: impl Service) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Arc::new(service);
    tokio::spawn(admin::serve(
        listener,
        service,
        Limits::default(),
        std::future::pending(),
    ));
    address
}

/// The path of a kind, and its body, put with status 200 or 201.
pub(crate) async fn put(client: &Client, path: &str, body: Value) -> Answer {
    let answer = client.send("PUT", path, &body.to_string()).await;
    assert!(
        matches!(answer.status, 200 | 201),
        "PUT {path}: {}",
        answer.body
    );
    answer
}

fn key(name: &str, key: &str, role: Role) -> AdminKey {
    AdminKey {
        name: name.to_owned(),
        key: Secret::new(key.to_owned()),
        role,
    }
}

async fn serve_store(mut source: StoreSource) -> Live {
    let first = source.load().await.unwrap();
    let (sender, live) = live(Some(first));
    tokio::spawn(async move {
        while source.changed().await.is_ok() {
            let loaded = source.load().await.unwrap();
            if sender.send(Some(Arc::new(loaded))).is_err() {
                return;
            }
        }
    });
    live
}
