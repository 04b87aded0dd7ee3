use std::time::Duration;

use http::{HeaderValue, StatusCode};
use llm::Exchange;
use serde_json::{Value, json};

use super::{Logged, access_line, log_entry};
use crate::sample::{attempt, exchange, get, with_header};
use crate::{Attempt, Choice, Consumer, Ctx, End, LogFormat, ReplySource, RouteFacts, hostname};

/// A finished request with every part that a log shows.
fn finished() -> Ctx {
    let ctx = with_header(
        get("/v1/chat?api_key=s3&q=a&q=b&flag"),
        "authorization",
        "Bearer s3",
    );
    let ctx = with_header(ctx, "x-a", "1");
    let ctx = with_header(ctx, "x-a", "2");
    let mut ctx = with_header(ctx, "user-agent", "sdk/1");
    ctx.route = Some(
        RouteFacts {
            id: "r1".into(),
            name: Some("chat".into()),
            service_id: Some("s1".into()),
            ..RouteFacts::default()
        }
        .into(),
    );
    ctx.consumer = Some(
        Consumer {
            username: "jack".into(),
            group_id: None,
            credential_id: None,
            custom_id: None,
            auth: json!({}),
            brings_plugins: false,
        }
        .into(),
    );
    ctx.attempts.push(attempt("10.0.0.1:443", 200, 40));
    ctx.sent.status = Some(StatusCode::OK);
    ctx.sent
        .headers
        .insert("set-cookie", HeaderValue::from_static("sid=s3"));
    ctx.sent.bytes = 5;
    ctx.sent.source = ReplySource::Upstream;
    ctx.sent.end = Some(End::Complete);
    ctx.sent.duration = Duration::from_micros(50_500);
    ctx
}

fn with_exchange(summaries: bool, payloads: bool) -> Ctx {
    let mut ctx = finished();
    let mut exchange = exchange();
    exchange.log_summaries = summaries;
    exchange.log_payloads = payloads;
    ctx.exchange = Some(Box::new(exchange));
    ctx
}

fn entry(ctx: &Ctx, logged: &Logged<'_>) -> Value {
    let line = log_entry(ctx, logged);
    assert!(!line.contains("s3"), "a secret is in {line}");
    assert!(!line.contains('\n'));
    serde_json::from_str(&line).unwrap()
}

fn format(json: &Value) -> LogFormat {
    LogFormat::compile(json.as_object().unwrap()).unwrap()
}

#[test]
fn the_access_line_of_a_plain_request() {
    let line = access_line(&finished());
    assert_eq!(
        line,
        concat!(
            r#"{"time":"2017-07-14T02:40:00.250Z","request_id":"0123abcd","client_ip":"192.0.2.7","#,
            r#""method":"GET","uri":"/v1/chat?api_key=***&q=a&q=b&flag","protocol":"HTTP/1.1","#,
            r#""host":"shop.example","request_length":110,"user_agent":"sdk/1","route_id":"r1","#,
            r#""route_name":"chat","service_id":"s1","consumer":"jack","status":200,"#,
            r#""bytes_sent":44,"latency":50.5,"upstream_latency":40,"upstream_addr":"10.0.0.1:443","#,
            r#""upstream_status":"200","response_source":"upstream","end":"complete"}"#
        )
    );
}

#[test]
fn the_access_line_of_an_ai_request_shows_model_tokens_and_first_token() {
    let line = access_line(&with_exchange(false, false));
    let line: Value = serde_json::from_str(&line).unwrap();
    let shown = [
        ("request_type", json!("ai_stream")),
        ("instance", json!("primary")),
        ("request_model", json!("small")),
        ("model", json!("large")),
        ("prompt_tokens", json!(10)),
        ("completion_tokens", json!(5)),
        ("total_tokens", json!(15)),
        ("time_to_first_token", json!(12)),
        ("upstream_latency", json!(34)),
        ("llm_ended", json!("complete")),
    ];
    for (name, expected) in shown {
        assert_eq!(line[name], expected, "{name}");
    }
}

#[test]
fn the_default_entry() {
    let found = entry(&finished(), &Logged::default());
    let expected = json!({
        "request": {
            "url": "http://shop.example:9080/v1/chat?api_key=***&q=a&q=b&flag",
            "uri": "/v1/chat?api_key=***&q=a&q=b&flag",
            "method": "GET",
            "headers": {"authorization": "***", "x-a": ["1", "2"], "user-agent": "sdk/1"},
            "querystring": {"api_key": "***", "q": ["a", "b"], "flag": true},
            "size": 110
        },
        "response": {"status": 200, "headers": {"set-cookie": "***"}, "size": 44},
        "server": {"hostname": hostname(), "version": env!("CARGO_PKG_VERSION")},
        "upstream": "10.0.0.1:443",
        "service_id": "s1",
        "route_id": "r1",
        "consumer": {"username": "jack"},
        "client_ip": "192.0.2.7",
        "start_time": 1_500_000_000_250_u64,
        "latency": 50.5,
        "upstream_latency": 40,
        "apisix_latency": 10.5
    });
    assert_eq!(found, expected);
}

#[test]
fn an_entry_without_a_route_names_the_host() {
    let found = entry(&get("/"), &Logged::default());
    assert_eq!(found["service_id"], json!("shop.example"));
    assert!(found.get("route_id").is_none() && found.get("upstream").is_none());
}

#[test]
fn bodies_are_added_when_collected() {
    let logged = Logged {
        request_body: Some(b"ask"),
        response_body: Some(b"\xff\n"),
        ..Logged::default()
    };
    let found = entry(&finished(), &logged);
    assert_eq!(found["request"]["body"], json!("ask"));
    assert_eq!(found["response"]["body"], json!("\u{fffd}\n"));
}

#[test]
fn llm_members_follow_the_switches_of_the_route() {
    let plain = entry(&with_exchange(false, false), &Logged::default());
    let summary = entry(&with_exchange(true, false), &Logged::default());
    let payload = entry(&with_exchange(false, true), &Logged::default());
    for name in ["llm_summary", "llm_request", "llm_response_text"] {
        assert!(plain.get(name).is_none(), "{name}");
    }
    assert_eq!(summary["llm_summary"]["prompt_tokens"], json!(10));
    assert_eq!(summary["llm_summary"]["stream"], json!("true"));
    assert_eq!(summary["llm_summary"].as_object().unwrap().len(), 15);
    assert!(summary.get("llm_request").is_none());
    assert_eq!(
        payload["llm_request"],
        json!({"messages": [{"role": "user", "content": "hi"}], "stream": true})
    );
    assert_eq!(payload["llm_response_text"], json!({ "content": "hello" }));
}

/// Some exchange with these attempts, of a client that left.
fn left(attempts: impl IntoIterator<Item = Attempt>) -> Ctx {
    let mut ctx = with_exchange(true, false);
    ctx.exchange = Some(Box::new(Exchange {
        log_summaries: true,
        ..Exchange::default()
    }));
    ctx.attempts = attempts.into_iter().collect();
    ctx.close(End::ClientGone);
    ctx
}

fn asked(instance: &str) -> Attempt {
    Attempt {
        choice: Some(Choice {
            instance: instance.into(),
            reason: "roundrobin",
        }),
        address: "api.example:443".into(),
        ..Attempt::default()
    }
}

#[test]
fn attempts_are_told_with_their_times_where_they_are_known() {
    let mut ctx = with_exchange(true, false);
    let received = ctx.request.received;
    ctx.attempts = [
        Attempt {
            address: "-".into(),
            status: Some(500),
            ended: "no_host",
            ..asked("nowhere")
        },
        Attempt {
            start: Some(received),
            response: Some(Duration::from_millis(4)),
            status: Some(500),
            ended: "resolve",
            fault: "provider",
            ..asked("unknown")
        },
        Attempt {
            start: Some(received + Duration::from_millis(5)),
            peer: Some(([192, 0, 2, 1], 443).into()),
            status: Some(200),
            connect: Some(Duration::from_micros(3900)),
            header: Some(Duration::from_millis(20)),
            first_content: Some(Duration::from_millis(30)),
            response: Some(Duration::from_millis(40)),
            ended: "complete",
            ..asked("a")
        },
    ]
    .into_iter()
    .collect();
    let expected = json!([
        { "instance": "nowhere", "chosen": "roundrobin", "status": 500, "ended": "no_host" },
        { "instance": "unknown", "chosen": "roundrobin", "address": "api.example:443",
          "status": 500, "start_time": 1_500_000_000_250_i64, "response_time": 4,
          "ended": "resolve", "fault": "provider" },
        { "instance": "a", "chosen": "roundrobin", "address": "192.0.2.1:443", "pooled": false,
          "status": 200, "start_time": 1_500_000_000_255_i64, "connect_time": 3,
          "header_time": 20, "first_content_time": 30, "response_time": 40,
          "ended": "complete" },
    ]);
    assert_eq!(entry(&ctx, &Logged::default())["llm_attempts"], expected);
}

#[test]
fn an_attempt_that_the_client_left_is_ended_by_that() {
    let ended = Attempt {
        ended: "status",
        response: Some(Duration::from_millis(7)),
        ..asked("a")
    };
    let running = Attempt {
        start: Some(std::time::Instant::now()),
        ..asked("b")
    };
    let ctx = left([ended.clone(), running]);
    let found = entry(&ctx, &Logged::default());
    assert_eq!(found["llm_attempts"][0]["ended"], json!("status"));
    assert_eq!(found["llm_attempts"][0]["response_time"], json!(7));
    let last = &found["llm_attempts"][1];
    assert_eq!(last["ended"], json!("client_disconnect"));
    assert_eq!(
        last["response_time"],
        found["llm_summary"]["upstream_response_time"]
    );
    let line: Value = serde_json::from_str(&access_line(&ctx)).unwrap();
    assert_eq!(line["llm_ended"], json!("client_disconnect"));
    // Between two attempts nothing is left to be ended.
    assert_eq!(left([ended]).attempts[0].ended, "status");
}

#[test]
fn a_request_that_asked_nobody_has_an_empty_trail() {
    let found = entry(&left([]), &Logged::default());
    assert_eq!(found["llm_attempts"], json!([]));
}

#[test]
fn a_failed_exchange_is_told_by_the_word_of_its_last_attempt() {
    let mut ctx = with_exchange(false, false);
    ctx.attempts.push(Attempt {
        ended: "first_byte_timeout",
        ..asked("a")
    });
    for (ended, word) in [
        (llm::Ended::Failed, "first_byte_timeout"),
        (llm::Ended::TotalTimeout, "total_timeout"),
    ] {
        ctx.exchange.as_mut().unwrap().ended = ended;
        let line: Value = serde_json::from_str(&access_line(&ctx)).unwrap();
        assert_eq!(line["llm_ended"], json!(word));
    }
    ctx.attempts.clear();
    ctx.exchange.as_mut().unwrap().ended = llm::Ended::Failed;
    assert_eq!(ctx.exchange_end(), Some("failed"));
}

#[test]
fn a_format_replaces_the_entry_but_for_ids_and_llm_members() {
    let format = format(&json!({
        "h": "$host", "route_id": "mine", "llm_summary": "mine", "llm_request": "kept"
    }));
    let logged = Logged {
        format: Some(&format),
        ..Logged::default()
    };
    let found = entry(&with_exchange(true, false), &logged);
    assert_eq!(found["h"], json!("shop.example"));
    assert_eq!(found["route_id"], json!("r1"));
    assert_eq!(found["service_id"], json!("s1"));
    assert_eq!(found["llm_summary"]["model"], json!("large"));
    assert_eq!(found["llm_request"], json!("kept"));
    assert!(found.get("request").is_none() && found.get("client_ip").is_none());
}

#[test]
fn extra_members_do_not_overwrite() {
    let extra = format(&json!({ "team": "blue", "upstream": "mine", "llm_summary": "mine" }));
    let logged = Logged {
        extra: Some(&extra),
        ..Logged::default()
    };
    let found = entry(&with_exchange(true, false), &logged);
    assert_eq!(found["team"], json!("blue"));
    assert_eq!(found["upstream"], json!("10.0.0.1:443"));
    assert_eq!(found["llm_summary"]["model"], json!("large"));
}

#[test]
fn credentials_that_an_auth_plugin_read_are_masked_under_any_name() {
    let mut ctx = get("/?tenant=s3&q=1");
    ctx.secret_arguments.push("tenant".into());
    let mut marked = HeaderValue::from_static("s3");
    marked.set_sensitive(true);
    ctx.request.headers.insert("x-tenant", marked);
    let found = entry(&ctx, &Logged::default());
    assert_eq!(found["request"]["uri"], json!("/?tenant=***&q=1"));
    assert_eq!(found["request"]["headers"]["x-tenant"], json!("***"));
    assert_eq!(found["request"]["querystring"]["tenant"], json!("***"));
    assert!(!access_line(&ctx).contains("s3"));
}
