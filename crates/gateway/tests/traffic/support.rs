//! A gateway in the test's own process, and clients for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::Document;
use config::document::{Draft, Entry};
use config::resource::Kind;
use gateway::{Door, Environment, Gateway, Limits, Reported, Routing, Settings, Snapshot};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use net::listen::Listener;
use plugin::{Living, Registry};
use serde_json::{Map, Value};
use telemetry::metrics::{self, Metrics};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::plugins::PLUGINS;

/// Everything that snapshots are compiled with.
pub(crate) struct Workshop {
    registry: Registry,
    living: Living,
    pub(crate) metrics: Metrics,
    pub(crate) process: plugin::Environment,
    attributes: Map<String, Value>,
    pub(crate) routing: Routing,
}

/// A gateway that serves until it is dropped or stopped.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    pub(crate) address: SocketAddr,
    pub(crate) workshop: Arc<Workshop>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A connection on which bytes are written as they are.
pub(crate) struct Raw(pub(crate) TcpStream);

// === impl Workshop ===

impl Workshop {
    pub(crate) fn new() -> Self {
        Self {
            registry: Registry::new(PLUGINS, None),
            living: Living::default(),
            metrics: Metrics::new(&metrics::Settings::default()).expect("metrics"),
            process: plugin::Environment::default(),
            attributes: Map::new(),
            routing: Routing::default(),
        }
    }

    pub(crate) fn build(
        &self,
        document: &Document,
        previous: Option<&Snapshot>,
    ) -> (Snapshot, Vec<Reported>) {
        let environment = Environment {
            registry: &self.registry,
            living: &self.living,
            metrics: &self.metrics,
            process: &self.process,
            attributes: &self.attributes,
            routing: self.routing,
        };
        Snapshot::build(document, environment, previous)
    }
}

/// A document from an object of arrays; each item has an `id`, consumers a `username`.
pub(crate) fn document(resources: &Value, previous: Option<&Document>) -> Arc<Document> {
    let mut draft = Draft::new(previous, None);
    let mut revision = 0;
    for (plural, items) in resources.as_object().expect("an object") {
        let kind = Kind::from_plural(plural).expect("a kind");
        for item in items.as_array().expect("an array") {
            let id = item.get("id").or(item.get("username"));
            let id = id.and_then(Value::as_str).expect("an id").to_owned();
            revision += 1;
            draft.take(Entry {
                kind,
                key: format!("/{}", kind.path(&id)),
                id,
                created: revision,
                modified: revision,
                value: item.clone(),
            });
        }
    }
    let loaded = draft.finish(revision);
    assert!(loaded.rejected.is_empty(), "{:?}", loaded.rejected);
    loaded.document
}

/// A door on a free port for plain connections of both protocols.
pub(crate) fn door() -> Door {
    Door {
        listener: Listener::bind("127.0.0.1:0".parse().expect("an address")).expect("a port"),
        tls: None,
        http2: true,
    }
}

// === impl House ===

impl House {
    /// Serves these resources with short limits where a test needs them.
    pub(crate) async fn open(resources: Value) -> Self {
        Self::with(Settings::default(), resources).await
    }

    pub(crate) async fn with_limits(limits: Limits, resources: Value) -> Self {
        let settings = Settings {
            limits,
            ..Settings::default()
        };
        Self::with(settings, resources).await
    }

    pub(crate) async fn with(settings: Settings, resources: Value) -> Self {
        Self::behind(door(), settings, resources, Workshop::new()).await
    }

    pub(crate) async fn behind(
        door: Door,
        settings: Settings,
        resources: Value,
        workshop: Workshop,
    ) -> Self {
        let (snapshot, reported) = workshop.build(&document(&resources, None), None);
        assert!(reported.is_empty(), "{reported:?}");
        let gateway = Gateway::new(settings, snapshot, workshop.metrics.clone());
        let address = door.listener.address();
        let (stop, stopped) = oneshot::channel();
        let serving = gateway.clone();
        let task = tokio::spawn(async move {
            serving
                .serve(vec![door], async { drop(stopped.await) })
                .await;
        });
        // Serving has begun when a connection is taken.
        drop(TcpStream::connect(address).await.expect("a connection"));
        Self {
            gateway,
            address,
            workshop: Arc::new(workshop),
            stop: Some(stop),
            task,
        }
    }

    /// Begins to stop; the returned task ends when serving has.
    pub(crate) fn stop(mut self) -> JoinHandle<()> {
        drop(self.stop.take());
        self.task
    }

    pub(crate) async fn raw(&self) -> Raw {
        Raw(TcpStream::connect(self.address)
            .await
            .expect("a connection"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        self.send(Request::get(path).body(Full::default()).expect("a request"))
            .await
    }

    /// Sends a request on a connection of its own, with a `Host` unless it has one.
    pub(crate) async fn send(&self, mut request: Request<Full<Bytes>>) -> Answered {
        if !request.headers().contains_key("host") {
            let host = self.address.to_string().parse().expect("a header value");
            request.headers_mut().insert("host", host);
        }
        let response = self.client().await.send_request(request).await;
        Answered::read(response.expect("an answer")).await
    }

    /// A client on a connection of its own.
    pub(crate) async fn client(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .expect("a client");
        tokio::spawn(connection);
        sender
    }
}

// === impl Answered ===

impl Answered {
    pub(crate) async fn read(response: Response<hyper::body::Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Self {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).expect("text"),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
    }
}

// === impl Raw ===

impl Raw {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0
            .write_all(bytes.as_ref())
            .await
            .expect("room to write");
    }

    /// Reads until the text holds `end`.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        loop {
            let so_far = String::from_utf8_lossy(&text);
            if so_far.contains(end) {
                return so_far.into_owned();
            }
            let length = self.0.read_buf(&mut text).await.expect("bytes");
            assert_ne!(
                length,
                0,
                "closed after {:?}",
                String::from_utf8_lossy(&text)
            );
        }
    }

    /// Reads to the end; a reset is an end.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut text = Vec::new();
        while let Ok(length) = self.0.read_buf(&mut text).await {
            if length == 0 {
                break;
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// An upstream that hands its connections to the test.
pub(crate) struct Upstream(pub(crate) TcpListener);

impl Upstream {
    pub(crate) async fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a port"))
    }

    pub(crate) fn node(&self) -> String {
        self.0.local_addr().expect("an address").to_string()
    }

    pub(crate) async fn accept(&self) -> Raw {
        Raw(self.0.accept().await.expect("a connection").0)
    }
}

/// An address at which nothing listens.
pub(crate) async fn nowhere() -> String {
    Upstream::open().await.node()
}

/// Limits under which a test need not wait long, save those that it is about; long enough for what is
/// to happen within them, on a busy machine too.
pub(crate) fn short() -> Duration {
    Duration::from_millis(400)
}
