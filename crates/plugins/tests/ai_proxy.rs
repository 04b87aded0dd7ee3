//! `ai-proxy` against the simulated provider: what goes upstream, what comes back, what is recorded.

mod support;

use http::{HeaderValue, Method, StatusCode};
use llm::Ended;
use plugin::{RelayError, ReplySource};
use serde_json::{Value, json};
use simulator::{Behaviour, Received, Running, Simulator};
use support::{Bench, Seen, post, request};

const CHAT: &str = r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}"#;
const STREAM: &str =
    r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}], "stream": true}"#;

/// A simulated provider and a plugin in front of it.
struct Stage {
    upstream: Running,
    bench: Bench,
}

impl Stage {
    /// `ai-proxy` with `config`, whose endpoint gets the upstream's address before `path`.
    async fn new(provider: &str, path: &str, config: Value) -> Self {
        let upstream = Simulator::bind("127.0.0.1:0").await.expect("a free port");
        let mut whole = json!({ "provider": provider, "auth": {}, "override": {} });
        for (name, value) in config.as_object().expect("an object") {
            whole[name] = value.clone();
        }
        whole["override"]["endpoint"] = upstream.url(path).into();
        Self {
            bench: Bench::new("ai-proxy", &whole),
            upstream,
        }
    }

    async fn plain() -> Self {
        Self::new("openai", "", json!({})).await
    }

    async fn chat(&self, body: &str) -> Seen {
        self.told(body, &[]).await
    }

    /// The answer to a chat whose headers tell the simulator how to give it.
    async fn told(&self, body: &str, headers: &[(&str, &str)]) -> Seen {
        self.bench
            .send(post("/v1/chat/completions", body, headers))
            .await
    }

    /// The last request that the upstream received.
    fn received(&self) -> Received {
        self.upstream.journal().last().expect("a request").request
    }
}

#[tokio::test]
async fn an_unchanged_body_goes_upstream_byte_for_byte() {
    let stage = Stage::plain().await;
    let body = "{ \"messages\":[ {\"role\":\"user\",\"content\":\"h\\u0069\"} ],\n \"seed\":1.50 }";
    let seen = stage.chat(body).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.source, ReplySource::Upstream);
    assert_eq!(stage.received().text(), body);
}

#[tokio::test]
async fn options_overwrite_members_where_they_stand_and_append_new_ones() {
    let config = json!({ "options": { "model": "gpt-4", "temperature": 0.70 } });
    let stage = Stage::new("openai", "", config).await;
    let seen = stage
        .chat(r#"{"model":"x", "messages": [], "n" : 1.0}"#)
        .await;
    let sent = stage.received().text();
    assert_eq!(
        sent,
        r#"{"model":"gpt-4", "messages": [], "n" : 1.0,"temperature":0.7}"#
    );
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!(
        (exchange.request_model.as_str(), exchange.model.as_str()),
        ("x", "gpt-4")
    );
}

#[tokio::test]
async fn token_limits_beat_options_and_take_the_providers_name() {
    let config = json!({
        "options": { "max_tokens": 5 },
        "override": { "llm_options": { "max_tokens": 9 } },
    });
    let stage = Stage::new("openai", "", config.clone()).await;
    stage.chat(CHAT).await;
    let sent = stage.received().json();
    assert_eq!(
        (sent.get("max_completion_tokens"), sent.get("max_tokens")),
        (Some(&json!(9)), None)
    );

    let stage = Stage::new("deepseek", "", config).await;
    stage.chat(CHAT).await;
    assert_eq!(stage.received().json().get("max_tokens"), Some(&json!(9)));
    assert_eq!(stage.received().path(), "/chat/completions");
}

#[tokio::test]
async fn body_patches_fill_gaps_and_replace_only_when_forced() {
    let patch = json!({ "openai-chat": { "seed": 7, "metadata": { "a": 1, "b": 2 } } });
    let body = r#"{"messages":[],"seed":null,"metadata":{"a":0}}"#;
    let config = json!({ "override": { "request_body": patch } });
    let stage = Stage::new("openai", "", config).await;
    stage.chat(body).await;
    let filled = r#"{"messages":[],"seed":null,"metadata":{"a":0,"b":2}}"#;
    assert_eq!(stage.received().text(), filled);

    let config =
        json!({ "override": { "request_body": patch, "request_body_force_override": true } });
    let stage = Stage::new("openai", "", config).await;
    stage.chat(body).await;
    let forced = r#"{"messages":[],"seed":7,"metadata":{"a":1,"b":2}}"#;
    assert_eq!(stage.received().text(), forced);
}

#[tokio::test]
async fn azure_names_the_model_in_its_url_only() {
    let path = "/openai/deployments/d/chat/completions?api-version=1";
    let config = json!({ "auth": { "header": { "api-key": "k" } }, "options": { "model": "d" } });
    let stage = Stage::new("azure-openai", path, config).await;
    let seen = stage.chat(CHAT).await;
    let received = stage.received();
    assert_eq!(received.json().get("model"), None);
    assert_eq!(received.uri.to_string(), path);
    assert_eq!(received.header("api-key"), Some("k"));
    assert_eq!(seen.ctx.exchange.expect("an exchange").model, "d");
}

#[tokio::test]
async fn headers_are_the_clients_with_the_configured_ones_over_them() {
    let config = json!({ "auth": { "header": { "Authorization": "Bearer ours" } } });
    let stage = Stage::new("openai", "", config).await;
    let headers = [
        ("authorization", "Bearer theirs"),
        ("accept-encoding", "gzip"),
        ("content-type", "application/json; charset=utf-8"),
        ("host", "gateway:9080"),
        ("x-app", "one"),
        ("x-app", "two"),
    ];
    stage.told(CHAT, &headers).await;
    let received = stage.received();
    assert_eq!(received.header("authorization"), Some("Bearer ours"));
    assert_eq!(received.header("content-type"), Some("application/json"));
    assert_eq!(received.header("accept-encoding"), None);
    assert_eq!(
        received.header("host"),
        Some(stage.upstream.address().to_string().as_str())
    );
    let apps: Vec<_> = received.headers.get_all("x-app").iter().collect();
    assert_eq!(apps, ["one", "two"]);
}

#[tokio::test]
async fn an_endpoint_query_beats_auth_query_and_the_clients_query_is_dropped() {
    let config = json!({ "auth": { "query": { "key": "a b", "v": "auth" } } });
    let stage = Stage::new("openai", "/x?v=own&flag", config).await;
    stage
        .bench
        .send(post("/v1/chat/completions?v=client&z=1", CHAT, &[]))
        .await;
    assert_eq!(stage.received().uri.to_string(), "/x?key=a%20b&v=own&flag");
}

#[tokio::test]
async fn passthrough_keeps_method_path_and_query_but_never_lets_auth_query_be_replaced() {
    let config = json!({ "auth": { "query": { "key": "ours" } }, "options": { "model": "o" } });
    let stage = Stage::new("openai", "", config).await;
    let body = r#"{"prompt":"a cat","model":"c"}"#;
    let ctx = request(
        Method::PUT,
        "/v1/images/generations?key=theirs&n=2",
        body,
        &[],
    );
    let seen = stage.bench.send(ctx).await;
    assert_eq!(seen.status, StatusCode::OK);
    let received = stage.received();
    assert_eq!(received.method, Method::PUT);
    assert_eq!(
        received.uri.to_string(),
        "/v1/images/generations?key=ours&n=2"
    );
    assert_eq!(received.text(), r#"{"prompt":"a cat","model":"o"}"#);
}

#[tokio::test]
async fn a_get_without_a_body_is_relayed() {
    let stage = Stage::plain().await;
    let seen = stage
        .bench
        .send(request(Method::GET, "/v1/models", "", &[]))
        .await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.json()["object"], "list");
    assert_eq!(stage.received().header("content-type"), None);
    let seen = stage.bench.send(request(Method::HEAD, "/", "", &[])).await;
    assert_eq!(seen.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_that_are_no_ai_requests_are_refused_with_400() {
    let stage = Stage::plain().await;
    for (body, kind, said) in [
        ("", "application/json", "found an empty body"),
        (
            "{",
            "application/json",
            "could not parse JSON request body: EOF",
        ),
        ("{}", "application/json", "no AI protocol matches"),
        ("7", "application/json", "no AI protocol matches"),
        ("null", "application/json", "no AI protocol matches"),
        (
            "a=b",
            "application/x-www-form-urlencoded",
            "unsupported content-type",
        ),
        (CHAT, "text/plain", "unsupported content-type"),
    ] {
        let seen = stage
            .bench
            .send(post("/v1/x", body, &[("content-type", kind)]))
            .await;
        assert_eq!(seen.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(seen.text().contains(said), "{body}: {}", seen.text());
    }
    assert_eq!(stage.upstream.journal().stats().requests, 0);
}

#[tokio::test]
async fn a_body_above_the_limit_is_413() {
    let stage = Stage::new("openai", "", json!({ "max_req_body_size": 10 })).await;
    let seen = stage.chat(CHAT).await;
    assert_eq!(seen.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(
        seen.text().contains("greater than the maximum size 10"),
        "{}",
        seen.text()
    );
}

#[tokio::test]
async fn a_dialect_that_the_provider_does_not_speak_is_400_and_names_what_it_speaks() {
    let stage = Stage::new("deepseek", "", json!({})).await;
    let seen = stage
        .bench
        .send(post("/v1/responses", r#"{"input":"hi"}"#, &[]))
        .await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    let said = "provider deepseek cannot be reached in openai-responses; it speaks openai-chat";
    assert_eq!(seen.text(), said);
}

#[tokio::test]
async fn a_provider_without_a_host_is_the_gateways_fault() {
    let config = json!({ "provider": "openai-compatible", "auth": {} });
    let seen = Bench::new("ai-proxy", &config)
        .send(post("/v1/chat/completions", CHAT, &[]))
        .await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        seen.text().contains("expected override.endpoint"),
        "{}",
        seen.text()
    );
}

#[tokio::test]
async fn a_json_answer_is_relayed_as_it_came_and_counted() {
    let stage = Stage::new("openai", "", json!({ "logging": { "payloads": true } })).await;
    let body = r#"{ "choices": [ {"message": {"content": "Yes."}} ], "usage": {"prompt_tokens": 5,
        "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}} }"#;
    stage.upstream.script().push(Behaviour {
        body: Some(vec![body.into()]),
        ..Behaviour::default()
    });
    let seen = stage.chat(CHAT).await;
    assert_eq!(
        (seen.text().as_str(), seen.source),
        (body, ReplySource::Upstream)
    );
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!(exchange.usage.prompt_tokens, 5);
    assert_eq!(exchange.usage.total_tokens, 7);
    assert_eq!(exchange.usage.cache_read_input_tokens, 3);
    assert_eq!(exchange.text, "Yes.");
    assert_eq!(exchange.ended, Ended::Complete);
    assert_eq!(&*exchange.instance, "ai-proxy-openai");
    let logged = exchange.request_log.as_deref();
    assert_eq!(logged, Some(r#"[{"role": "user", "content": "hi"}]"#));
    let attempt = seen.ctx.attempts.first().expect("an attempt");
    assert_eq!(
        (attempt.status, attempt.length),
        (Some(200), body.len() as u64)
    );
    assert!(attempt.connect.is_some() && attempt.header.is_some() && attempt.response.is_some());
}

#[tokio::test]
async fn a_stream_asks_for_usage_and_is_relayed_byte_for_byte() {
    let stage = Stage::plain().await;
    let seen = stage.chat(STREAM).await;
    let sent = stage.received().json();
    assert_eq!(sent["stream_options"], json!({ "include_usage": true }));
    assert!(seen.text().ends_with("data: [DONE]\n\n"));
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert!(exchange.streaming && exchange.done);
    assert!(exchange.usage.prompt_tokens > 0 && exchange.usage.completion_tokens > 0);
    assert!(exchange.time_to_first_token_ms.is_some());
    assert_eq!(exchange.ended, Ended::Complete);
}

#[tokio::test]
async fn an_upstream_that_streams_is_relayed_as_a_stream_whatever_was_asked() {
    let stage = Stage::new("openai", "", json!({ "options": { "stream": true } })).await;
    let seen = stage.chat(CHAT).await;
    let kind = &seen.headers["content-type"];
    assert!(
        kind.as_bytes().starts_with(b"text/event-stream"),
        "{kind:?}"
    );
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!(exchange.request_type(), "ai_chat");
    // The client did not ask for a stream, so nobody asked for usage in it.
    assert_eq!(stage.received().json().get("stream_options"), None);
}

#[tokio::test]
async fn events_count_whatever_their_line_ends_and_wherever_they_are_cut() {
    for line_end in ["lf", "crlf", "cr"] {
        let stage = Stage::plain().await;
        let seen = stage
            .told(
                STREAM,
                &[("x-sim-line-end", line_end), ("x-sim-split", "7")],
            )
            .await;
        let exchange = seen.ctx.exchange.expect("an exchange");
        assert!(exchange.usage.completion_tokens > 0, "{line_end}");
        assert!(exchange.done, "{line_end}");
    }
}

#[tokio::test]
async fn relayed_bytes_are_the_upstreams_however_they_are_cut() {
    let stage = Stage::plain().await;
    let whole = stage.chat(STREAM).await;
    for split in ["1", "2", "7", "64", "1000"] {
        let seen = stage
            .bench
            .send(post(
                "/v1/chat/completions",
                STREAM,
                &[("x-sim-split", split)],
            ))
            .await;
        assert_eq!(seen.text(), whole.text(), "{split}");
        let usage = |seen: &Seen| seen.ctx.exchange.as_ref().map(|exchange| exchange.usage);
        assert_eq!(usage(&seen), usage(&whole), "{split}");
    }
}

#[tokio::test]
async fn usage_in_every_chunk_is_not_added_up() {
    let stage = Stage::plain().await;
    let whole = stage
        .chat(STREAM)
        .await
        .ctx
        .exchange
        .expect("an exchange")
        .usage;
    let seen = stage.told(STREAM, &[("x-sim-usage", "cumulative")]).await;
    assert_eq!(seen.ctx.exchange.expect("an exchange").usage, whole);
}

#[tokio::test]
async fn statuses_429_and_5xx_come_back_with_their_body_and_close_the_connection() {
    for status in [429, 500, 503] {
        let stage = Stage::plain().await;
        let headers = [("x-sim-status", status.to_string())];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let seen = stage.told(CHAT, &headers).await;
        assert_eq!(seen.status.as_u16(), status);
        assert_eq!(seen.headers["content-type"], "application/json");
        assert!(seen.json().get("error").is_some());
        let exchange = seen.ctx.exchange.expect("an exchange");
        assert_eq!(exchange.ended, Ended::Failed);
        assert!(exchange.upstream_response_time_ms.is_some());
        stage
            .upstream
            .journal()
            .wait_for(|view| view.stats.open_connections == 0)
            .await;
    }
}

#[tokio::test]
async fn other_statuses_are_relayed_as_answers() {
    for status in [400, 401, 404] {
        let stage = Stage::plain().await;
        let headers = [("x-sim-status", status.to_string())];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        let seen = stage.told(CHAT, &headers).await;
        assert_eq!(seen.status.as_u16(), status);
        assert_eq!(
            seen.ctx.exchange.expect("an exchange").ended,
            Ended::Complete
        );
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_500_and_a_silent_one_504() {
    let stage = Stage::plain().await;
    let seen = stage.told(CHAT, &[("x-sim-cut-after", "head")]).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);

    let stage = Stage::new("openai", "", json!({ "timeout": 600 })).await;
    let seen = stage.told(CHAT, &[("x-sim-stall-after", "head")]).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!(exchange.time_to_first_token_ms, None);
    assert!(exchange.upstream_response_time_ms.is_some());
    assert_eq!(seen.ctx.attempts[0].status, Some(504));
}

#[tokio::test]
async fn a_stream_that_breaks_before_its_first_byte_is_answered_with_a_status() {
    let stage = Stage::plain().await;
    let seen = stage.told(STREAM, &[("x-sim-cut-after", "0")]).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(seen.broken, None);
}

#[tokio::test]
async fn a_stream_that_is_cut_never_looks_complete() {
    let stage = Stage::plain().await;
    let seen = stage.told(STREAM, &[("x-sim-cut-after", "300")]).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.broken, Some(RelayError::UpstreamCut));
    assert_eq!(
        seen.ctx.exchange.expect("an exchange").ended,
        Ended::UpstreamCut
    );

    let stage = Stage::new("openai", "", json!({ "timeout": 600 })).await;
    let seen = stage.told(STREAM, &[("x-sim-stall-after", "300")]).await;
    assert_eq!(seen.broken, Some(RelayError::UpstreamStalled));
    assert_eq!(
        seen.ctx.exchange.expect("an exchange").ended,
        Ended::ReadError
    );
}

#[tokio::test]
async fn an_answer_above_the_limit_is_502_before_any_byte_is_sent() {
    let stage = Stage::new("openai", "", json!({ "max_response_bytes": 40 })).await;
    let seen = stage.chat(CHAT).await;
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    assert_eq!(seen.text(), "max_response_bytes exceeded");
    assert_eq!(
        seen.ctx.exchange.expect("an exchange").ended,
        Ended::SizeLimit
    );
}

#[tokio::test]
async fn a_stream_ends_without_its_end_mark_when_it_crosses_a_limit() {
    let stage = Stage::new("openai", "", json!({ "max_response_bytes": 400 })).await;
    let seen = stage
        .told(
            STREAM,
            &[("x-sim-interval-ms", "1"), ("x-sim-chunks", "50")],
        )
        .await;
    assert_eq!((seen.status, seen.broken), (StatusCode::OK, None));
    assert!(seen.text().len() > 400 && !seen.text().contains("[DONE]"));
    assert_eq!(
        seen.ctx.exchange.expect("an exchange").ended,
        Ended::SizeLimit
    );
}

#[tokio::test]
async fn a_deadline_interrupts_a_stream_that_stalls() {
    let stage = Stage::new("openai", "", json!({ "max_stream_duration_ms": 1000 })).await;
    let seen = stage.told(STREAM, &[("x-sim-stall-after", "300")]).await;
    assert_eq!((seen.status, seen.broken), (StatusCode::OK, None));
    assert_eq!(
        seen.ctx.exchange.expect("an exchange").ended,
        Ended::DurationLimit
    );

    let seen = stage.told(STREAM, &[("x-sim-stall-after", "0")]).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(seen.text(), "max_stream_duration_ms exceeded");
}

#[tokio::test]
async fn connections_are_kept_unless_the_configuration_says_otherwise() {
    let stage = Stage::plain().await;
    stage.chat(CHAT).await;
    stage.chat(STREAM).await;
    stage.chat(CHAT).await;
    assert_eq!(stage.upstream.journal().stats().connections, 1);

    let stage = Stage::new("openai", "", json!({ "keepalive": false })).await;
    stage.chat(CHAT).await;
    stage.chat(CHAT).await;
    assert_eq!(stage.upstream.journal().stats().connections, 2);
}

#[tokio::test]
async fn connections_outlive_a_change_of_the_configuration() {
    let stage = Stage::plain().await;
    stage.chat(CHAT).await;
    let changed = json!({
        "provider": "openai",
        "auth": {},
        "options": { "model": "other" },
        "override": { "endpoint": stage.upstream.url("") },
    });
    let next = stage.bench.next("/routes/1", "ai-proxy", &changed);
    next.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(stage.received().json()["model"], "other");
    assert_eq!(next.living().all::<net::Origin>().len(), 1);
    assert_eq!(stage.upstream.journal().stats().connections, 1);
}

#[tokio::test]
async fn anthropic_speaks_messages_and_counts_tokens_elsewhere() {
    let config = json!({ "auth": { "header": { "x-api-key": "k" } } });
    let stage = Stage::new("anthropic", "", config).await;
    let body = r#"{"model":"c","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let seen = stage.bench.send(post("/v1/messages", body, &[])).await;
    assert_eq!(seen.json()["type"], "message");
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert!(exchange.usage.prompt_tokens > 0 && exchange.usage.completion_tokens > 0);

    let seen = stage
        .bench
        .send(post("/v1/messages/count_tokens", body, &[]))
        .await;
    assert!(
        seen.json()["input_tokens"]
            .as_u64()
            .is_some_and(|count| count > 0)
    );
    assert_eq!(stage.received().path(), "/v1/messages/count_tokens");
}

#[tokio::test]
async fn tools_and_end_user_are_read_from_what_goes_upstream() {
    let config = json!({ "options": { "user": "u-2" } });
    let stage = Stage::new("openai", "", config).await;
    let body = r#"{"messages":[],"user":"u-1","tools":[{"type":"function"},{"type":"function"}]}"#;
    let seen = stage.chat(body).await;
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!(
        (exchange.tool_count, exchange.end_user.as_str()),
        (2, "u-2")
    );
}

#[tokio::test]
async fn a_compressed_answer_is_unpacked_where_it_is_read() {
    let stage = Stage::plain().await;
    let gzip = [("x-sim-gzip", "true")];
    let seen = stage.told(CHAT, &gzip).await;
    assert_eq!(seen.headers.get("content-encoding"), None);
    assert!(seen.json()["choices"].is_array());
    // Nobody reads these, so they pass as they are.
    let seen = stage
        .bench
        .send(post("/v1/images/generations", "{\"prompt\": \"x\"}", &gzip))
        .await;
    assert_eq!(seen.headers["content-encoding"], "gzip");
    assert_eq!(seen.pieces.concat().get(..2), Some(&[0x1f, 0x8b][..]));
}

#[tokio::test]
async fn credentials_that_an_auth_plugin_marked_stay_in_the_house() {
    let stage = Stage::plain().await;
    let mut ctx = post("/v1/images?tenant=s3cret&q=1", "{\"prompt\": \"x\"}", &[]);
    let mut marked = HeaderValue::from_static("s3cret");
    marked.set_sensitive(true);
    ctx.request.headers.insert("x-tenant", marked);
    ctx.secret_arguments.push("tenant".into());
    stage.bench.send(ctx).await;
    let received = stage.received();
    assert!(received.headers.get("x-tenant").is_none());
    assert_eq!(received.uri.query(), Some("q=1"));
}
