//! Requests for tests.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};
use llm::{Exchange, Usage};

use crate::{Attempt, ClientRequest, Consumers, Ctx, RequestBody};

/// A `GET` of `uri` without a body.
pub(crate) fn get(uri: &str) -> Ctx {
    let uri: http::Uri = uri.parse().unwrap();
    let request = ClientRequest {
        id: "0123abcd".into(),
        method: Method::GET,
        path: uri.path().to_owned(),
        uri,
        version: Version::HTTP_11,
        headers: HeaderMap::new(),
        scheme: "http",
        host: "shop.example".to_owned(),
        peer: "192.0.2.7:40000".parse().unwrap(),
        local: "198.51.100.1:9080".parse().unwrap(),
        received: Instant::now(),
        received_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500_000_000_250),
        server_name: None,
    };
    let body = RequestBody::full(Bytes::new());
    Ctx::new(request, body, Arc::new(Consumers::default()))
}

/// A `POST` of `body`, said to be of type `kind`.
pub(crate) fn post(kind: &'static str, body: &'static str) -> Ctx {
    let mut ctx = get("/v1/chat/completions");
    ctx.request.method = Method::POST;
    ctx.body = RequestBody::full(Bytes::from_static(body.as_bytes()));
    with_header(ctx, "content-type", kind)
}

pub(crate) fn with_header(mut ctx: Ctx, name: &'static str, value: &'static str) -> Ctx {
    let name = HeaderName::from_static(name);
    ctx.request
        .headers
        .append(name, HeaderValue::from_static(value));
    ctx
}

/// One upstream call that answered `status` after `milliseconds`.
pub(crate) fn attempt(address: &str, status: u16, milliseconds: u64) -> Attempt {
    Attempt {
        address: address.into(),
        host: "api.example".into(),
        scheme: "https",
        path: "/v1/chat".into(),
        status: Some(status),
        connect: Some(Duration::from_millis(3)),
        header: None,
        response: Some(Duration::from_millis(milliseconds)),
        length: 77,
        ..Attempt::default()
    }
}

/// An AI exchange that streamed its answer.
pub(crate) fn exchange() -> Exchange {
    Exchange {
        streaming: true,
        request_model: "small".to_owned(),
        instance: "primary".into(),
        model: "large".to_owned(),
        tool_count: 2,
        end_user: "u1".to_owned(),
        usage: Usage {
            prompt_tokens: 10,
            completion_tokens: 5,
            total_tokens: 15,
            cache_read_input_tokens: 4,
            cache_creation_input_tokens: 3,
            reasoning_tokens: 2,
        },
        has_tool_calls: true,
        text: "hello".to_owned(),
        text_known: true,
        time_to_first_token_ms: Some(12),
        upstream_response_time_ms: Some(34),
        done: true,
        ended: llm::Ended::Complete,
        request_log: Some(r#"[{"role":"user","content":"hi"}]"#.into()),
        ..Exchange::default()
    }
}
