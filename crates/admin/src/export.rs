//! The metrics listener.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use telemetry::metrics::{CONTENT_TYPE, Metrics};

use crate::reply::Reply;
use crate::server::Service;

/// Gives the metrics to whoever fetches them.
#[derive(Clone, Debug)]
pub struct Export {
    metrics: Metrics,
    path: String,
}

// === impl Export ===

impl Export {
    /// Gives `metrics` at `path`, such as `/apisix/prometheus/metrics`.
    pub fn new(metrics: Metrics, path: impl Into<String>) -> Self {
        Self {
            metrics,
            path: path.into(),
        }
    }
}

impl Service for Export {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let found = request.uri().path() == self.path;
        let reply = match *request.method() {
            Method::GET | Method::HEAD if found => {
                Reply::bytes(StatusCode::OK, CONTENT_TYPE, self.metrics.encode())
            }
            _ if found => Reply::error(StatusCode::METHOD_NOT_ALLOWED, "metrics are read by GET"),
            _ => {
                let message = format!("not found, metrics are at {}", self.path);
                Reply::error(StatusCode::NOT_FOUND, message)
            }
        };
        reply.into_response()
    }
}
