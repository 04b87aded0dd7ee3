//! What is charged, when, and to whom.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::heard::Heard;
use crate::stage::{CHAT, STREAM, Stage, answer, chosen, header};

/// The rest of the limit of 1000, as a request with a higher limit sees it.
const REMAINING: &str = "x-ai-ratelimit-remaining-ai-proxy-openai";

fn limiting(more: &Value) -> (&'static str, Value) {
    let mut config = json!({ "limit": "${http_x_limit ?? 1000}", "time_window": 60 });
    for (name, value) in more.as_object().expect("an object") {
        config[name] = value.clone();
    }
    ("ai-rate-limiting", config)
}

/// What a second request finds to be left of 1000 after one with this configuration and answer.
async fn left_after(more: &Value, behaviour: Behaviour, body: &str) -> String {
    let stage = Stage::new(&["a"]).await;
    stage.upstream("a").script().push(behaviour);
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(more)]);
    route.ask(body, &[]).await;
    header(&route.chat().await, REMAINING).to_owned()
}

fn usage() -> Behaviour {
    answer(&json!({
        "prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 26, "cached": 4,
        "details": { "hidden": 100 },
    }))
}

#[tokio::test]
async fn the_strategy_says_what_is_charged() {
    for (strategy, left) in [
        (json!({}), "974"),
        (json!({ "limit_strategy": "total_tokens" }), "974"),
        (json!({ "limit_strategy": "prompt_tokens" }), "980"),
        (json!({ "limit_strategy": "completion_tokens" }), "995"),
    ] {
        assert_eq!(
            left_after(&strategy, usage(), CHAT).await,
            left,
            "{strategy}"
        );
    }
}

#[tokio::test]
async fn an_expression_reads_the_numbers_of_the_provider() {
    for (expression, left) in [
        (
            "prompt_tokens - cached + cached * 0.1 + completion_tokens * 3",
            "969",
        ),
        ("max(prompt_tokens, 500)", "500"),
        ("hidden + 1", "999"),
        ("0.5", "999"),
        ("-7", "1000"),
        ("prompt_tokens / 0", "1000"),
        ("prompt_tokens > 1", "1000"),
    ] {
        let config = json!({ "limit_strategy": "expression", "cost_expr": expression });
        assert_eq!(
            left_after(&config, usage(), CHAT).await,
            left,
            "{expression}"
        );
    }
}

#[tokio::test]
async fn completion_tokens_of_five_make_four_answers_of_twenty() {
    let stage = Stage::new(&["a"]).await;
    stage.upstream("a").script().set_default(usage());
    let config = json!({ "limit": 20, "limit_strategy": "completion_tokens" });
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(&config)]);
    assert_eq!(route.statuses(5).await, [200, 200, 200, 200, 503]);
}

#[tokio::test]
async fn an_answer_without_usage_costs_nothing() {
    let silent = Behaviour::json(StatusCode::OK, r#"{"choices":[]}"#);
    assert_eq!(left_after(&json!({}), silent, CHAT).await, "1000");
    let config = json!({ "limit_strategy": "expression", "cost_expr": "5" });
    let silent = Behaviour::json(StatusCode::OK, r#"{"choices":[]}"#);
    assert_eq!(left_after(&config, silent, CHAT).await, "1000");
}

#[tokio::test]
async fn a_limit_that_counts_nothing_is_told() {
    const TOLD: &str = "nothing is charged: the answer told no usage";
    let silent = || Behaviour::json(StatusCode::OK, r#"{"choices":[]}"#);
    let failed = Behaviour::json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"error":{}}"#);
    let expression = json!({ "limit_strategy": "expression", "cost_expr": "5" });
    for (config, behaviour, told) in [
        (json!({}), silent(), 1),
        (expression.clone(), silent(), 1),
        (json!({}), failed, 0),
        (json!({}), usage(), 0),
        (expression, usage(), 0),
    ] {
        let heard = Heard::listening();
        left_after(&config, behaviour, CHAT).await;
        assert_eq!(
            heard.count("ERROR", TOLD),
            told,
            "{config}: {}",
            heard.lines()
        );
    }
}

#[tokio::test]
async fn a_stream_is_charged_at_its_end() {
    let events = [
        "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":5,\
         \"total_tokens\":25,\"cached\":4}}\n\n",
        "data: [DONE]\n\n",
    ];
    let stream = || Behaviour::events(events);
    assert_eq!(left_after(&json!({}), stream(), STREAM).await, "975");
    let config = json!({ "limit_strategy": "expression", "cost_expr": "cached * 10" });
    assert_eq!(left_after(&config, stream(), STREAM).await, "960");
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_charged_with_what_was_heard() {
    let event = Bytes::from_static(
        b"data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":20,\
          \"completion_tokens\":1,\"total_tokens\":21}}\n\n",
    );
    let more = Bytes::from_static(b"data: {\"choices\":[]}\n\n");
    let stream = Behaviour {
        cut_after: Some(Place::Bytes(event.len())),
        ..Behaviour::events([event, more])
    };
    assert_eq!(left_after(&json!({}), stream, STREAM).await, "979");
}

#[tokio::test]
async fn a_refused_request_costs_nothing() {
    let stage = Stage::new(&["a"]).await;
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(&json!({}))]);
    route.chat().await;
    for _ in 0..3 {
        assert_eq!(route.ask(CHAT, &[("x-limit", "10")]).await.status, 503);
    }
    assert_eq!(header(&route.chat().await, REMAINING), "990");
}

#[tokio::test]
async fn the_instance_that_answered_is_charged() {
    let stage = Stage::new(&["a", "b"]).await;
    let failure = Behaviour::json(StatusCode::INTERNAL_SERVER_ERROR, "{}");
    stage.upstream("a").script().set_default(failure);
    let strategy = json!({ "fallback_strategy": "instance_health_and_rate_limiting" });
    let route = stage.route("/routes/1", &[stage.multi(&strategy), limiting(&json!({}))]);
    let seen = route.chat().await;
    let expected = [("a".to_owned(), "roundrobin"), ("b".to_owned(), "fallback")];
    assert_eq!(chosen(&seen), expected);
    let again = route.chat().await;
    assert_eq!(header(&again, "x-ai-ratelimit-remaining-a"), "1000");
    assert_eq!(header(&again, "x-ai-ratelimit-remaining-b"), "990");
}
