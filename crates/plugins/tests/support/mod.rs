//! One request through one compiled plugin, without a door around it.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version};
use plugin::{
    ClientRequest, Compiled, Consumers, Ctx, End, Environment, Flow, Host, Living, RelayError,
    Reply, ReplyBody, ReplySource, RequestBody, Step,
};
use serde_json::Value;
use telemetry::metrics::{Metrics, Settings};

/// A compiled plugin.
pub(crate) struct Bench {
    plugin: Arc<dyn Compiled>,
    living: Arc<Living>,
}

/// What a client saw of an answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) source: ReplySource,
    pub(crate) headers: HeaderMap,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) broken: Option<RelayError>,
    pub(crate) ctx: Ctx,
}

// === impl Bench ===

impl Bench {
    /// Compiles `config` of the plugin `name`.
    pub(crate) fn new(name: &str, config: &Value) -> Self {
        Self::within(&Environment::default(), name, config)
    }

    /// Compiles `config` in a process with these variables.
    pub(crate) fn within(environment: &Environment, name: &str, config: &Value) -> Self {
        let place = (&Arc::default(), environment, "/routes/1");
        Self::sharing(place, name, config)
    }

    /// Compiles a configuration as part of the next snapshot.
    pub(crate) fn next(&self, resource: &str, name: &str, config: &Value) -> Self {
        let place = (&self.living, &Environment::default(), resource);
        Self::sharing(place, name, config)
    }

    /// What outlives its snapshot.
    pub(crate) fn living(&self) -> &Arc<Living> {
        &self.living
    }

    fn sharing(
        (living, environment, resource): (&Arc<Living>, &Environment, &str),
        name: &str,
        config: &Value,
    ) -> Self {
        let metrics = Metrics::new(&Settings::default()).expect("default settings");
        let host = Host {
            living,
            metrics: &metrics,
            environment,
            attributes: None,
            metadata: None,
            resource,
        };
        let entry = plugins::PLUGINS
            .iter()
            .find(|entry| entry.name == name)
            .expect("the plugin");
        let plugin = (entry.compile)(config, &host).expect("a valid configuration");
        Self {
            plugin,
            living: Arc::clone(living),
        }
    }

    /// Sends `ctx` through access and before-proxy, and reads the answer to its end.
    pub(crate) async fn send(&self, mut ctx: Ctx) -> Seen {
        let reply = match answer(self.plugin.access(&mut ctx)).await {
            Some(reply) => reply,
            None => answer(self.plugin.before_proxy(&mut ctx))
                .await
                .expect("an answer"),
        };
        let Reply {
            status,
            headers,
            body,
            source,
        } = reply;
        let (pieces, broken) = match body {
            ReplyBody::Empty => (Vec::new(), None),
            ReplyBody::Full(bytes) => (vec![bytes], None),
            ReplyBody::Relay(mut relay) => {
                let mut pieces = Vec::new();
                let mut broken = None;
                loop {
                    match std::future::poll_fn(|task| relay.poll_frame(task, &mut ctx)).await {
                        Some(Ok(frame)) => pieces.extend(frame.into_data()),
                        Some(Err(error)) => {
                            broken = Some(error);
                            break;
                        }
                        None => break,
                    }
                }
                relay.close(
                    &mut ctx,
                    if broken.is_none() {
                        End::Complete
                    } else {
                        End::Cut
                    },
                );
                (pieces, broken)
            }
        };
        Seen {
            status,
            source,
            headers,
            pieces,
            broken,
            ctx,
        }
    }
}

async fn answer(step: Step<'_>) -> Option<Reply> {
    let outcome = match step {
        Step::Done(outcome) => outcome,
        Step::Wait(future) => future.await,
    };
    match outcome {
        Ok(Flow::Next) => None,
        Ok(Flow::Respond(reply)) => Some(*reply),
        Err(fault) => Some(fault.into_reply()),
    }
}

// === impl Seen ===

impl Seen {
    /// All pieces as one text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.pieces.concat()).expect("text")
    }

    /// All pieces as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.pieces.concat()).expect("JSON")
    }
}

/// A POST of `body` to `uri`, with headers as pairs.
pub(crate) fn post(uri: &str, body: &str, headers: &[(&str, &str)]) -> Ctx {
    request(Method::POST, uri, body, headers)
}

/// Any request.
pub(crate) fn request(method: Method, uri: &str, body: &str, headers: &[(&str, &str)]) -> Ctx {
    let uri: Uri = uri.parse().expect("a request target");
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name: HeaderName = name.parse().expect("a header name");
        map.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    let request = ClientRequest {
        id: "test".into(),
        method,
        path: uri.path().to_owned(),
        uri,
        version: Version::HTTP_11,
        headers: map,
        scheme: "http",
        host: "gateway".to_owned(),
        peer: ([127, 0, 0, 1], 40_000).into(),
        local: ([127, 0, 0, 1], 9_080).into(),
        received: Instant::now(),
        received_at: SystemTime::now(),
        server_name: None,
    };
    let body = RequestBody::full(Bytes::from(body.to_owned()));
    Ctx::new(request, body, Arc::new(Consumers::default()))
}
