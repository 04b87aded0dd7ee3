use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use llm::{Ended, Exchange, Usage};
use plugin::{Attempt, Chain, Choice, Ctx, End, ReplySource};
use serde_json::{Value, json};
use telemetry::metrics::{Metrics, Settings};

use crate::sample::{House, post};

const LABELS: &str = "consumer=\"\",node=\"primary\",request_type=\"ai_stream\",\
    request_llm_model=\"small\",llm_model=\"large\"";

fn finished(status: u16) -> Ctx {
    let mut ctx = post("/v1/chat", "");
    ctx.sent.status = StatusCode::from_u16(status).ok();
    ctx.sent.source = ReplySource::Upstream;
    ctx.sent.end = Some(End::Complete);
    ctx.sent.duration = Duration::from_millis(50);
    ctx
}

fn with_exchange(status: u16, streaming: bool) -> Ctx {
    let mut ctx = finished(status);
    ctx.exchange = Some(Box::new(Exchange {
        streaming,
        request_model: "small".to_owned(),
        instance: "primary".into(),
        model: "large".to_owned(),
        usage: Usage {
            prompt_tokens: 10,
            completion_tokens: 5,
            ..Usage::default()
        },
        time_to_first_token_ms: Some(12),
        upstream_response_time_ms: Some(34),
        ..Exchange::default()
    }));
    ctx
}

/// Logs a request through the chains, as the gateway does.
fn log(chains: &[Arc<Chain>], mut ctx: Ctx) {
    ctx.chains = chains.iter().cloned().collect();
    for chain in chains {
        chain.log(&mut ctx);
    }
}

#[track_caller]
fn expect(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.encode();
    for line in lines {
        assert!(text.contains(line), "expected {line} in\n{text}");
    }
}

#[track_caller]
fn expect_none(metrics: &Metrics, name: &str) {
    let text = metrics.encode();
    let mut samples = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(samples.find(|line| line.starts_with(name)), None);
}

#[test]
fn a_plain_request_counts_without_llm_metrics() {
    let house = House::default();
    let mut ctx = finished(200);
    ctx.attempts.push(Attempt {
        address: "10.0.0.1:80".into(),
        response: Some(Duration::from_millis(40)),
        ..Attempt::default()
    });
    log(&[house.chain("prometheus", &json!({}))], ctx);
    expect(
        &house.metrics,
        &[
            "apisix_http_status{code=\"200\",route=\"r1\",matched_uri=\"/v1/*\",\
             matched_host=\"*.example\",service=\"s1\",consumer=\"\",node=\"10.0.0.1\",\
             request_type=\"traditional_http\",request_llm_model=\"\",llm_model=\"\",\
             response_source=\"upstream\"} 1",
            "apisix_http_latency_sum{type=\"request\",route=\"r1\"",
            "apisix_http_latency_sum{type=\"upstream\",route=\"r1\"",
            "apisix_bandwidth{type=\"ingress\",route=\"r1\"",
        ],
    );
    for name in [
        "apisix_llm_prompt",
        "apisix_llm_latency",
        "apisix_llm_completion",
    ] {
        expect_none(&house.metrics, name);
    }
}

#[test]
fn an_ai_stream_counts_tokens_and_both_latencies() {
    let house = House::default();
    log(
        &[house.chain("prometheus", &json!({}))],
        with_exchange(200, true),
    );
    let tokens =
        format!("apisix_llm_prompt_tokens{{route_id=\"r1\",service_id=\"s1\",{LABELS}}} 10");
    let total = format!(
        "apisix_llm_latency_sum{{type=\"total\",route_id=\"r1\",service_id=\"s1\",{LABELS}}} 34"
    );
    let first = format!(
        "apisix_llm_latency_sum{{type=\"ttft\",route_id=\"r1\",service_id=\"s1\",{LABELS}}} 12"
    );
    expect(&house.metrics, &[&tokens, &total, &first]);
}

#[test]
fn an_ai_answer_in_one_piece_has_no_time_to_first_token() {
    let house = House::default();
    log(
        &[house.chain("prometheus", &json!({}))],
        with_exchange(200, false),
    );
    expect(&house.metrics, &["apisix_llm_latency_sum{type=\"total\""]);
    expect_none(&house.metrics, "apisix_llm_latency_sum{type=\"ttft\"");
}

#[test]
fn failed_ai_requests_count_tokens_but_no_latency() {
    let house = House::default();
    let chain = house.chain("prometheus", &json!({}));
    log(std::slice::from_ref(&chain), with_exchange(429, true));
    let mut silent = with_exchange(200, true);
    silent.exchange.as_mut().unwrap().time_to_first_token_ms = None;
    log(&[chain], silent);
    expect(&house.metrics, &["apisix_llm_completion_tokens{"]);
    expect_none(&house.metrics, "apisix_llm_latency");
}

#[test]
fn names_are_preferred_on_request() {
    let house = House::default();
    log(
        &[house.chain("prometheus", &json!({ "prefer_name": true }))],
        with_exchange(200, true),
    );
    expect(
        &house.metrics,
        &[
            "apisix_http_status{code=\"200\",route=\"chat\"",
            "apisix_llm_prompt_tokens{route_id=\"chat\",service_id=\"llms\"",
        ],
    );
}

#[test]
fn attempts_of_ai_requests_are_active_until_they_end() {
    let house = House::default();
    let chain = house.chain("prometheus", &json!({}));
    let gauge = |value: u8| {
        format!(
            "apisix_llm_active_connections{{route=\"chat\",route_id=\"r1\",matched_uri=\"/v1/*\",\
             matched_host=\"*.example\",service=\"llms\",service_id=\"s1\",{LABELS}}} {value}"
        )
    };
    let mut ctx = with_exchange(200, true);
    let guards = chain.attempt(&mut ctx);
    expect(&house.metrics, &[&gauge(1)]);
    drop(guards);
    expect(&house.metrics, &[&gauge(0)]);
    assert!(chain.attempt(&mut finished(200)).is_empty());
}

const IDS: &str = "route_id=\"r1\",service_id=\"s1\"";

fn asked(
    instance: &str,
    reason: &'static str,
    status: u16,
    (ended, fault): (&'static str, &'static str),
) -> Attempt {
    Attempt {
        choice: Some(Choice {
            instance: instance.into(),
            reason,
        }),
        status: Some(status),
        ended,
        fault,
        response: Some(Duration::from_millis(40)),
        ..Attempt::default()
    }
}

#[test]
fn every_attempt_is_counted_with_its_times() {
    let house = House::default();
    let mut ctx = with_exchange(504, true);
    ctx.attempts.extend([
        asked("spare", "roundrobin", 504, ("connect_timeout", "provider")),
        Attempt {
            connect: Some(Duration::from_millis(4)),
            header: Some(Duration::from_millis(8)),
            ..asked(
                "primary",
                "fallback",
                200,
                ("first_content_timeout", "provider"),
            )
        },
    ]);
    log(&[house.chain("prometheus", &json!({}))], ctx);
    let attempt = |labels: &str| format!("apisix_llm_attempts_total{{{IDS},{labels}}} 1");
    let latency = |kind: &str, labels: &str, sum: &str| {
        format!("apisix_llm_attempt_latency_sum{{type=\"{kind}\",{IDS},{labels}}} {sum}")
    };
    let spare = "node=\"spare\",ended=\"connect_timeout\"";
    let primary = "node=\"primary\",ended=\"first_content_timeout\"";
    let lines = [
        attempt(
            "node=\"spare\",chosen=\"roundrobin\",status=\"504\",ended=\"connect_timeout\",\
             fault=\"provider\"",
        ),
        attempt(
            "node=\"primary\",chosen=\"fallback\",status=\"200\",\
             ended=\"first_content_timeout\",fault=\"provider\"",
        ),
        latency("total", spare, "40.0"),
        latency("connect", primary, "4.0"),
        latency("header", primary, "8.0"),
    ];
    expect(&house.metrics, &lines.each_ref().map(String::as_str));
}

#[test]
fn an_ai_request_is_counted_by_how_it_ended() {
    let house = House::default();
    let chain = house.chain("prometheus", &json!({}));
    let status = || asked("primary", "single", 503, ("status", "provider"));
    for (ended, attempt) in [
        (Ended::Failed, Some(status())),
        // The attempt had ended by itself when all time was over.
        (Ended::TotalTimeout, Some(status())),
        // Nobody was asked.
        (Ended::Failed, None),
    ] {
        let mut ctx = with_exchange(504, true);
        ctx.attempts.extend(attempt);
        ctx.exchange.as_mut().unwrap().ended = ended;
        log(std::slice::from_ref(&chain), ctx);
    }
    let lines = ["status", "total_timeout", "failed"].map(|ended| {
        format!("apisix_llm_exchanges_total{{{IDS},node=\"primary\",ended=\"{ended}\"}} 1")
    });
    expect(&house.metrics, &lines.each_ref().map(String::as_str));
}

#[test]
fn the_global_one_steps_back_where_the_route_has_its_own() {
    let house = House::default();
    let global = house.link("/global_rules/1", "prometheus", &json!({}));
    let global = Arc::new(Chain::new(vec![global]));
    let route = house.chain("prometheus", &json!({ "prefer_name": true }));
    log(&[global.clone(), route], finished(200));
    expect(&house.metrics, &["route=\"chat\""]);
    expect_none(
        &house.metrics,
        "apisix_http_status{code=\"200\",route=\"r1\"",
    );
    log(&[global], finished(200));
    expect(
        &house.metrics,
        &["apisix_http_status{code=\"200\",route=\"r1\""],
    );
}

#[test]
fn disabled_labels_apply_from_the_first_request_on() {
    let house = House {
        metadata: Some(
            json!({ "id": "prometheus", "disabled_labels": { "http_status": ["route"] } }),
        ),
        ..House::default()
    };
    let chain = house.chain("prometheus", &json!({}));
    log(&[chain], finished(200));
    expect(
        &house.metrics,
        &["apisix_http_status{code=\"200\",route=\"\""],
    );
}

#[test]
fn extra_labels_read_variables() {
    let settings: Settings = serde_json::from_value::<Settings>(json!({
        "metrics": { "http_status": { "extra_labels": [{ "team": "$arg_team" }, { "n": "$arg_none" }] } }
    }))
    .unwrap();
    let house = House {
        metrics: Metrics::new(&settings).unwrap(),
        ..House::default()
    };
    let mut ctx = finished(200);
    ctx.request.uri = "/?team=blue".parse().unwrap();
    log(&[house.chain("prometheus", &json!({}))], ctx);
    expect(&house.metrics, &["team=\"blue\",n=\"\"} 1"]);
}

#[test]
fn metadata_of_another_shape_is_refused() {
    let registry = plugin::Registry::new(crate::PLUGINS, None);
    let check = |metadata: Value| registry.check_metadata("prometheus", &metadata).is_ok();
    assert!(check(
        json!({ "disabled_labels": { "llm_latency": ["node"] } })
    ));
    assert!(!check(
        json!({ "disabled_labels": { "llm_latency": ["type"] } })
    ));
    assert!(!check(
        json!({ "disabled_labels": { "llm_latency": "node" } })
    ));
}
