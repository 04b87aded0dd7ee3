//! Requests and compiled plugins for tests.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use plugin::{
    Chain, ClientRequest, Consumer, Consumers, Ctx, Environment, Host, Link, Living, Registry,
    Reply, ReplyBody, RequestBody, RouteFacts,
};
use serde_json::{Value, json};
use telemetry::metrics::Metrics;

use crate::PLUGINS;

/// Where plugins are compiled.
#[derive(Default)]
pub(crate) struct House {
    pub(crate) living: Living,
    pub(crate) metrics: Metrics,
    pub(crate) environment: Environment,
    pub(crate) metadata: Option<Value>,
}

// === impl House ===

impl House {
    /// Compiles one plugin of a resource.
    pub(crate) fn link(&self, resource: &str, name: &str, config: &Value) -> Link {
        let host = Host {
            living: &self.living,
            metrics: &self.metrics,
            environment: &self.environment,
            attributes: None,
            metadata: self.metadata.as_ref(),
            resource,
        };
        let registry = Registry::new(PLUGINS, None);
        let link = registry
            .compile(name, config, &host)
            .expect("a valid configuration");
        link.expect("an enabled plugin")
    }

    /// Compiles one plugin of a route, alone in its chain.
    pub(crate) fn chain(&self, name: &str, config: &Value) -> Arc<Chain> {
        Arc::new(Chain::new(vec![self.link("/routes/r1", name, config)]))
    }
}

/// A `POST` of `body` to `uri`, matched by a route.
pub(crate) fn post(uri: &str, body: &'static str) -> Ctx {
    let uri: http::Uri = uri.parse().expect("a request target");
    let request = ClientRequest {
        id: "0123abcd".into(),
        method: Method::POST,
        path: uri.path().to_owned(),
        uri,
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
        scheme: "http",
        host: "shop.example".to_owned(),
        peer: "192.0.2.7:40000".parse().expect("an address"),
        local: "198.51.100.1:9080".parse().expect("an address"),
        received: Instant::now(),
        received_at: SystemTime::UNIX_EPOCH,
        server_name: None,
    };
    let body = RequestBody::full(Bytes::from_static(body.as_bytes()));
    let mut ctx = Ctx::new(request, body, Arc::new(consumers()));
    ctx.route = Some(Arc::new(RouteFacts {
        id: "r1".into(),
        name: Some("chat".into()),
        service_id: Some("s1".into()),
        service_name: Some("llms".into()),
        key: "/routes/r1".into(),
        matched_uri: "/v1/*".into(),
        matched_host: "*.example".into(),
    }));
    ctx
}

/// The same with a header.
pub(crate) fn with_header(mut ctx: Ctx, name: &'static str, value: &'static str) -> Ctx {
    let name = HeaderName::from_static(name);
    ctx.request
        .headers
        .append(name, HeaderValue::from_static(value));
    ctx
}

/// `jack` by the key `key-1`, and `guest` by none.
fn consumers() -> Consumers {
    let consumer = |username: &str, extra: Option<&str>| {
        Arc::new(Consumer {
            username: username.into(),
            group_id: None,
            credential_id: extra.map(Into::into),
            custom_id: extra.map(Into::into),
            auth: json!({}),
            brings_plugins: false,
        })
    };
    let mut all = Consumers::default();
    let jack = consumer("jack", Some("id-1"));
    all.insert("key-auth", "key-1".to_owned(), jack.clone());
    all.insert("key-auth", "Bearer whole".to_owned(), jack);
    all.insert("key-auth", String::new(), consumer("nobody", None));
    all.insert_named(consumer("guest", None));
    all
}

/// The bytes of an answer that are at hand.
pub(crate) fn body(reply: &Reply) -> &[u8] {
    match &reply.body {
        ReplyBody::Full(bytes) => bytes,
        ReplyBody::Empty | ReplyBody::Relay(_) => b"",
    }
}
