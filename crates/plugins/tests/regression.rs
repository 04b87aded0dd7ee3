//! Defects that were found on a running gateway, each by its symptom.

#[expect(dead_code, reason = "the tests of whole plugins use the rest")]
mod support;

use http::{Method, StatusCode};
use plugin::ReplySource;
use serde_json::{Value, json};
use simulator::{Received, Running, Simulator};
use support::{Bench, post, request};

const CHAT: &str = r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}"#;

/// A simulated provider and `ai-proxy` in front of it.
async fn stage(auth: &Value) -> (Running, Bench) {
    let upstream = Simulator::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = upstream.url("");
    let config =
        json!({ "provider": "openai", "auth": auth, "override": { "endpoint": endpoint } });
    let bench = Bench::new("ai-proxy", &config);
    (upstream, bench)
}

fn received(upstream: &Running) -> Received {
    upstream.journal().last().expect("a request").request
}

#[tokio::test]
async fn configured_headers_cannot_break_the_framing_of_requests() {
    let (upstream, bench) = stage(&json!({ "header": {
        "content-length": "3", "Transfer-Encoding": "chunked", "Host": "elsewhere",
        "connection": "close", "accept-encoding": "gzip", "te": "trailers", "x-kept": "1"
    } }))
    .await;
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::OK);
    let request_seen = received(&upstream);
    assert_eq!(request_seen.text(), CHAT);
    let length = CHAT.len().to_string();
    assert_eq!(request_seen.header("content-length"), Some(&*length));
    let host = upstream.address().to_string();
    assert_eq!(request_seen.header("host"), Some(&*host));
    assert_eq!(request_seen.header("x-kept"), Some("1"));
    for dropped in ["transfer-encoding", "connection", "accept-encoding", "te"] {
        assert_eq!(request_seen.header(dropped), None, "{dropped}");
    }
    // A request without a body once waited for three bytes that never came.
    let seen = bench
        .send(request(Method::GET, "/v1/models", "", &[]))
        .await;
    assert_eq!(seen.status, StatusCode::OK);
}

#[tokio::test]
async fn a_passed_path_keeps_its_encoded_slashes_and_bytes() {
    let (upstream, bench) = stage(&json!({})).await;
    for (written, seen, sent) in [
        ("/v1/models/a%2Fb", "/v1/models/a/b", "/v1/models/a%2Fb"),
        ("/v1/x/../m/%ff", "/v1/m/\u{fffd}", "/v1/m/%FF"),
        ("/v1//m%20n/./o/", "/v1/m n/o/", "/v1/m%20n/o/"),
        ("/v1/x/..%2f..%2fkeys", "/keys", "/keys"),
        ("/v1/x/%2e%2e/m", "/v1/m", "/v1/m"),
        ("/v1/a%2Fb", "/rewritten/path", "/rewritten/path"),
    ] {
        let mut ctx = request(Method::GET, written, "", &[]);
        seen.clone_into(&mut ctx.request.path);
        bench.send(ctx).await;
        assert_eq!(received(&upstream).uri.path(), sent, "{written}");
    }
}

#[tokio::test]
async fn an_answer_to_head_claims_no_length_of_its_own() {
    let (_upstream, bench) = stage(&json!({})).await;
    let seen = bench
        .send(request(Method::HEAD, "/v1/models", "", &[]))
        .await;
    assert_eq!(seen.status, StatusCode::OK);
    // A whole body of no bytes would be told as `content-length: 0`.
    assert!(seen.pieces.is_empty(), "{:?}", seen.pieces);
}

#[tokio::test]
async fn an_answer_that_no_upstream_gave_is_not_called_the_upstreams() {
    let (_upstream, bench) = stage(&json!({})).await;
    let ask = |fault: &str| post("/v1/chat/completions", CHAT, &[(fault, "head")]);
    let seen = bench.send(ask("x-sim-cut-after")).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(seen.source, ReplySource::Gateway);
    let failing = [("x-sim-status", "500")];
    let seen = bench
        .send(post("/v1/chat/completions", CHAT, &failing))
        .await;
    assert_eq!(seen.source, ReplySource::Upstream);
}
