use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::value::to_number;
use super::{Value, Var};
use crate::sample::{attempt, exchange, get, post, with_header};
use crate::{Choice, Consumer, Ctx, End, ReplySource, RouteFacts};

/// The value as text; `(none)` without one.
fn text(ctx: &Ctx, name: &str) -> String {
    let value = Var::named(name).value(ctx);
    value.map_or("(none)".to_owned(), |value| value.into_text().into_owned())
}

#[track_caller]
fn expect(ctx: &Ctx, table: &[(&str, &str)]) {
    for (name, expected) in table {
        assert_eq!(text(ctx, name), *expected, "${name}");
    }
}

#[test]
fn request_line_and_addresses() {
    let mut ctx = get("/v1/a%20b?x=1&y=a%20b&flag&x=2");
    ctx.request.path = "/v1/a b".to_owned();
    let ctx = with_header(ctx, "content-type", "text/plain");
    expect(
        &ctx,
        &[
            ("uri", "/v1/a b"),
            ("request_uri", "/v1/a%20b?x=1&y=a%20b&flag&x=2"),
            ("host", "shop.example"),
            ("http_host", "shop.example"),
            ("remote_addr", "192.0.2.7"),
            ("remote_port", "40000"),
            ("server_addr", "198.51.100.1"),
            ("server_port", "9080"),
            ("server_name", "shop.example"),
            ("scheme", "http"),
            ("https", "(none)"),
            ("args", "x=1&y=a%20b&flag&x=2"),
            ("query_string", "x=1&y=a%20b&flag&x=2"),
            ("is_args", "?"),
            ("request_method", "GET"),
            ("method", "GET"),
            ("server_protocol", "HTTP/1.1"),
            ("request", "GET /v1/a%20b?x=1&y=a%20b&flag&x=2 HTTP/1.1"),
            ("content_type", "text/plain"),
            ("request_id", "0123abcd"),
            ("apisix_request_id", "0123abcd"),
            ("arg_x", "1"),
            ("arg_y", "a b"),
            ("arg_flag", ""),
            ("arg_z", "(none)"),
            ("no_such_name", "(none)"),
        ],
    );
    assert!(!text(&ctx, "hostname").is_empty());
}

#[test]
fn request_length_counts_line_headers_and_body() {
    let ctx = post("text/plain", "hello");
    let head = "POST /v1/chat/completions HTTP/1.1\r\ncontent-type: text/plain\r\n\r\n";
    let expected = i64::try_from(head.len() + 5).unwrap();
    let found = Var::named("request_length").value(&ctx);
    assert_eq!(found, Some(Value::Integer(expected)));
}

#[test]
fn ipv4_clients_of_ipv6_listeners_show_their_ipv4_address() {
    let mut ctx = get("/");
    ctx.request.peer = "[::ffff:192.0.2.9]:1".parse().unwrap();
    expect(&ctx, &[("remote_addr", "192.0.2.9")]);
}

#[test]
fn headers_by_any_case_and_with_dashes_for_underscores() {
    let ctx = with_header(get("/"), "x-team", "blue");
    let ctx = with_header(ctx, "x-team", "green");
    let ctx = with_header(ctx, "with_underscore", "kept");
    let ctx = with_header(ctx, "user-agent", "sdk/1");
    expect(
        &ctx,
        &[
            ("http_x_team", "blue, green"),
            ("http_X-Team", "blue, green"),
            ("HTTP_X_TEAM", "blue, green"),
            ("http_with_underscore", "kept"),
            ("http_user_agent", "sdk/1"),
            ("http_absent", "(none)"),
            ("http_", "(none)"),
        ],
    );
}

#[test]
fn cookies_params_and_basic_user() {
    let ctx = with_header(get("/"), "cookie", "a=1; session=x=y");
    let ctx = with_header(ctx, "cookie", "b=2");
    let mut ctx = with_header(ctx, "authorization", "Basic amFjazpwdzp4");
    ctx.params.push(("name".into(), "eve".to_owned()));
    expect(
        &ctx,
        &[
            ("cookie_a", "1"),
            ("cookie_session", "x=y"),
            ("cookie_b", "2"),
            ("cookie_c", "(none)"),
            ("http_cookie", "a=1; session=x=y; b=2"),
            ("uri_param_name", "eve"),
            ("uri_param_other", "(none)"),
            ("remote_user", "jack"),
        ],
    );
}

#[test]
fn route_and_consumer() {
    let mut ctx = get("/");
    expect(&ctx, &[("route_id", "(none)"), ("consumer_name", "(none)")]);
    ctx.route = Some(
        RouteFacts {
            id: "r1".into(),
            name: Some("chat".into()),
            service_id: Some("s1".into()),
            service_name: Some("llms".into()),
            key: "/routes/r1".into(),
            matched_uri: "/v1/*".into(),
            matched_host: "*.example".into(),
        }
        .into(),
    );
    ctx.consumer = Some(
        Consumer {
            username: "jack".into(),
            group_id: Some("g1".into()),
            credential_id: Some("c1".into()),
            custom_id: None,
            auth: json!({}),
            brings_plugins: false,
        }
        .into(),
    );
    expect(
        &ctx,
        &[
            ("route_id", "r1"),
            ("route_name", "chat"),
            ("service_id", "s1"),
            ("service_name", "llms"),
            ("matched_uri", "/v1/*"),
            ("matched_host", "*.example"),
            ("consumer_name", "jack"),
            ("consumer_group_id", "g1"),
            ("credential_id", "c1"),
        ],
    );
}

#[test]
fn reply_and_its_end() {
    let mut ctx = get("/");
    expect(&ctx, &[("status", "(none)"), ("request_end", "(none)")]);
    ctx.sent.status = Some(StatusCode::NOT_FOUND);
    ctx.sent.bytes = 9;
    ctx.sent.source = ReplySource::Upstream;
    ctx.sent.end = Some(End::ClientGone);
    ctx.sent.duration = Duration::from_micros(1_234_567);
    ctx.sent
        .headers
        .insert("x-a", HeaderValue::from_static("b"));
    expect(
        &ctx,
        &[
            ("status", "404"),
            ("body_bytes_sent", "9"),
            ("bytes_sent", "43"),
            ("sent_http_x_a", "b"),
            ("response_source", "upstream"),
            ("request_end", "client_disconnect"),
            ("request_time", "1.234"),
        ],
    );
    let status = Var::named("status").value(&ctx);
    assert_eq!(status, Some(Value::Integer(404)));
}

#[test]
fn upstream_variables_list_all_attempts() {
    let mut ctx = get("/");
    expect(
        &ctx,
        &[
            ("upstream_addr", "(none)"),
            ("upstream_response_time", "(none)"),
        ],
    );
    ctx.attempts.push(attempt("10.0.0.1:443", 500, 1500));
    let mut second = attempt("[2001:db8::1]:8443", 200, 20);
    second.response = None;
    second.connect = None;
    second.first_content = Some(Duration::from_millis(15));
    second.ended = "complete";
    second.choice = Some(Choice {
        instance: "b".into(),
        reason: "fallback",
    });
    ctx.attempts.push(second);
    expect(
        &ctx,
        &[
            ("upstream_addr", "10.0.0.1:443, [2001:db8::1]:8443"),
            ("upstream_status", "500, 200"),
            ("upstream_connect_time", "0.003, -"),
            ("upstream_header_time", "-, -"),
            ("upstream_first_content_time", "-, 0.015"),
            ("upstream_response_time", "1.500, -"),
            ("upstream_response_length", "77, 77"),
            ("upstream_instance", "-, b"),
            ("upstream_chosen", "-, fallback"),
            ("upstream_ended", "-, complete"),
            ("upstream_host", "api.example"),
            ("upstream_scheme", "https"),
            ("upstream_uri", "/v1/chat"),
            ("balancer_ip", "2001:db8::1"),
            ("balancer_port", "8443"),
            ("apisix_upstream_response_time", "1.500, -"),
        ],
    );
}

#[test]
fn llm_variables_have_defaults() {
    expect(
        &get("/"),
        &[
            ("request_type", "traditional_http"),
            ("request_llm_model", ""),
            ("llm_model", ""),
            ("llm_stream", "false"),
            ("llm_tool_count", "0"),
            ("llm_end_user_id", ""),
            ("llm_time_to_first_token", "0"),
            ("llm_prompt_tokens", "0"),
            ("llm_completion_tokens", "0"),
            ("llm_total_tokens", "0"),
            ("llm_cache_read_input_tokens", "0"),
            ("llm_cache_creation_input_tokens", "0"),
            ("llm_reasoning_tokens", "0"),
            ("llm_has_tool_calls", "false"),
            ("llm_content_risk_level", ""),
            ("llm_response_text", "(none)"),
            ("llm_request_body", "(none)"),
            ("llm_request_done", "(none)"),
            ("llm_ended", "(none)"),
        ],
    );
}

#[test]
fn the_limit_that_was_looked_at_last_is_json() {
    let mut ctx = get("/");
    expect(&ctx, &[("rate_limiting_info", "(none)")]);
    ctx.budget.get_or_insert_default().allowance = Some(crate::Allowance {
        key: "a \"b\"".to_owned(),
        limit: 30,
        remaining: 20,
        reset: Duration::from_millis(59_900),
    });
    let told = r#"{"rate_limiting_key":"a \"b\"","rate_limiting_limit":30,"rate_limiting_remaining":20,"rate_limiting_reset":59}"#;
    expect(&ctx, &[("rate_limiting_info", told)]);
}

#[test]
fn llm_variables_of_an_exchange() {
    let mut ctx = post("application/json", r#"{"model": "small", "n": 1.0}"#);
    ctx.exchange = Some(Box::new(exchange()));
    ctx.attempts.push(attempt("10.0.0.1:443", 200, 34));
    expect(
        &ctx,
        &[
            ("request_type", "ai_stream"),
            ("request_llm_model", "small"),
            ("llm_model", "large"),
            ("llm_stream", "true"),
            ("llm_tool_count", "2"),
            ("llm_end_user_id", "u1"),
            ("llm_time_to_first_token", "12"),
            ("apisix_upstream_response_time", "34"),
            ("llm_prompt_tokens", "10"),
            ("llm_completion_tokens", "5"),
            ("llm_total_tokens", "15"),
            ("llm_cache_read_input_tokens", "4"),
            ("llm_cache_creation_input_tokens", "3"),
            ("llm_reasoning_tokens", "2"),
            ("llm_has_tool_calls", "true"),
            ("llm_response_text", "hello"),
            ("llm_request_body", r#"{"model":"small","n":1.0}"#),
            ("llm_request_done", "true"),
            ("llm_ended", "complete"),
            ("balancer_ip", "primary"),
            ("balancer_port", "443"),
        ],
    );
    let tokens = Var::named("llm_total_tokens").value(&ctx);
    assert_eq!(tokens, Some(Value::Integer(15)));
}

#[test]
fn json_bodies_by_path() {
    let ctx = post(
        "application/json; charset=utf-8",
        r#"{"model":"m1","n":3,"t":0.5,"on":true,"none":null,"a":{"b":{"c":"deep"}},
            "messages":[{"role":"system","content":"one"},{"role":"user","content":"two"}]}"#,
    );
    expect(
        &ctx,
        &[
            ("post_arg.model", "m1"),
            ("post_arg.n", "3"),
            ("post_arg.t", "0.5"),
            ("post_arg.on", "true"),
            ("post_arg.none", "(none)"),
            ("post_arg.a.b.c", "deep"),
            ("post_arg.a.b", r#"{"c":"deep"}"#),
            ("post_arg.a.x", "(none)"),
            ("post_arg.messages[*].content", r#"["one","two"]"#),
            ("post_arg.messages[0].role", r#"["system"]"#),
            ("post_arg.messages[-1].role", r#"["user"]"#),
            ("post_arg.messages[9].role", "(none)"),
            ("post_arg..role", r#"["system","user"]"#),
            (r#"post_arg.a["b"].c"#, r#"["deep"]"#),
            ("post_arg.a.*.c", r#"["deep"]"#),
            ("post_arg.messages[", "(none)"),
            ("post_arg.", "(none)"),
            ("post_arg_model", "(none)"),
        ],
    );
    let count = Var::named("post_arg.n").value(&ctx);
    assert_eq!(count, Some(Value::Integer(3)));
}

#[test]
fn body_that_is_not_what_it_says_has_no_values() {
    let ctx = post("application/json", "{broken");
    expect(
        &ctx,
        &[("post_arg.model", "(none)"), ("request_body", "{broken")],
    );
    expect(
        &get("/"),
        &[("post_arg.model", "(none)"), ("request_body", "(none)")],
    );
}

#[test]
fn form_bodies_by_name() {
    let ctx = post(
        "application/x-www-form-urlencoded",
        "model=m+1&a.b=2&model=m2",
    );
    expect(
        &ctx,
        &[
            ("post_arg_model", "m 1"),
            ("post_arg.model", "m 1"),
            ("post_arg.a.b", "2"),
            ("post_arg_x", "(none)"),
        ],
    );
}

#[test]
fn multipart_bodies_by_name() {
    let ctx = post(
        "multipart/form-data; boundary=\"XX\"",
        "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nbytes\r\n\
         --XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm1\r\n--XX--\r\n",
    );
    expect(
        &ctx,
        &[
            ("post_arg.model", "m1"),
            ("post_arg.file", "bytes"),
            ("post_arg.x", "(none)"),
        ],
    );
}

#[test]
fn variables_that_need_the_body_say_so() {
    for name in ["post_arg_x", "post_arg.x", "request_body"] {
        assert!(Var::named(name).needs_body(), "{name}");
    }
    for name in ["uri", "http_x", "arg_x", "llm_request_body", "nothing"] {
        assert!(!Var::named(name).needs_body(), "{name}");
    }
    assert!(Var::named("llm_response_text").needs_answer_text());
}

#[test]
fn times_are_utc_in_nginx_forms() {
    let ctx = get("/");
    let iso = text(&ctx, "time_iso8601");
    assert!(iso.ends_with("+00:00") && iso.len() == 25, "{iso}");
    let local = text(&ctx, "time_local");
    assert!(local.ends_with(" +0000") && local.len() == 26, "{local}");
    let seconds: f64 = text(&ctx, "msec").parse().unwrap();
    assert!(seconds > 1_500_000_000.0);
}

#[test]
fn logged_values_hide_secrets() {
    let ctx = with_header(get("/p?api_key=s3&q=1"), "authorization", "Bearer s3");
    let ctx = with_header(ctx, "x-api-key", "s3");
    let mut ctx = with_header(ctx, "cookie", "sid=s3; auth_token=s3");
    let mut marked = HeaderValue::from_static("s3");
    marked.set_sensitive(true);
    ctx.request.headers.insert("x-tenant", marked);
    let table = [
        ("request_uri", "/p?api_key=***&q=1"),
        ("request", "GET /p?api_key=***&q=1 HTTP/1.1"),
        ("args", "api_key=***&q=1"),
        ("http_authorization", "***"),
        ("http_x_api_key", "***"),
        ("http_cookie", "***"),
        ("http_x_tenant", "***"),
        ("cookie_auth_token", "***"),
        ("arg_api_key", "***"),
        ("arg_q", "1"),
    ];
    for (name, expected) in table {
        let logged = Var::named(name).logged(&ctx).unwrap();
        assert_eq!(logged.into_text(), expected, "${name}");
    }
}

#[test]
fn numbers_are_read_as_luajit_reads_them() {
    let table = [
        ("1", Some(1.0)),
        (" 2\t", Some(2.0)),
        ("-3.5", Some(-3.5)),
        ("+4", Some(4.0)),
        (".5", Some(0.5)),
        ("5.", Some(5.0)),
        ("1e3", Some(1000.0)),
        ("0x10", Some(16.0)),
        ("0xA.8p1", Some(21.0)),
        ("-0x1", Some(-1.0)),
        ("0b101", Some(5.0)),
        ("inf", Some(f64::INFINITY)),
        ("", None),
        (" ", None),
        ("x", None),
        ("1x", None),
        ("0x", None),
        ("--1", None),
        ("1 2", None),
        ("e3", None),
        ("0b+1", None),
    ];
    for (text, expected) in table {
        assert_eq!(to_number(text), expected, "{text:?}");
    }
    assert!(to_number("nan").unwrap().is_nan());
}
