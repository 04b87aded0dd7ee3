//! A plain HTTP client: one connection per request.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// A client of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    key: Option<String>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, key: None }
    }

    /// The same client with a key to the Admin API.
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// The same client without a key.
    pub(crate) fn without_key(mut self) -> Self {
        self.key = None;
        self
    }

    /// Sends a request below `/apisix/admin`.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request(
            method,
            &format!("/apisix/admin{path}"),
            &[],
            body.to_owned(),
        )
        .await
    }

    /// Sends a body of any type below `/apisix/admin`.
    pub(crate) async fn post_as(&self, path: &str, content_type: &str, body: &str) -> Answer {
        let headers = [("content-type", content_type)];
        let target = format!("/apisix/admin{path}");
        self.request("POST", &target, &headers, body.to_owned())
            .await
    }

    /// Reads below `/apisix/admin`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "").await
    }

    /// Sends any request.
    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let driver = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "localhost");
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

// === impl Answer ===

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// `error_msg` of the body.
    pub(crate) fn error(&self) -> String {
        self.json()["error_msg"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Status, headers and body, as they would be read on the wire.
    pub(crate) fn whole(&self) -> String {
        let mut text = format!("{}\n", self.status);
        for (name, value) in &self.headers {
            if name == "date" || name.as_str().starts_with("access-control") {
                continue;
            }
            let _ = writeln!(text, "{name}: {}", value.to_str().unwrap());
        }
        text.push('\n');
        text.push_str(&self.body);
        text
    }
}
