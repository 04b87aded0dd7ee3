//! What is held back of a stream, and when it is let go.

use std::time::Duration;

use http::StatusCode;
use llm::Ended;
use plugin::RelayError;
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::stage::{Member, OPENING, STREAM, Stage, broken_off, cut, instance_of, stall, statuses};

const FINISH: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const REPORT: &str = r#"{"error":{"message":"overloaded"}}"#;

/// Nothing here is as slow as the default `timeout`, whatever the machine.
fn all() -> Value {
    json!({ "fallback_strategy": "instance_health_and_rate_limiting" })
}

/// The same, with a silence that does not last long.
fn impatient() -> Value {
    json!({ "timeout": 1000, "fallback_strategy": "instance_health_and_rate_limiting" })
}

async fn pair(behaviour: Behaviour, config: Value) -> Stage {
    let members = [
        Member::behaving("a", behaviour).priority(1),
        Member::new("b"),
    ];
    Stage::new(members, config).await
}

fn reporting() -> Behaviour {
    Behaviour::events([OPENING.to_owned(), format!("data: {REPORT}\n\n")])
}

#[tokio::test]
async fn a_held_opening_reaches_the_client_whole_and_in_order() {
    let content = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let pieces = [": hello\n\n", OPENING, content, FINISH, DONE];
    let behaviour = Behaviour {
        interval: Duration::from_millis(2),
        ..Behaviour::events(pieces)
    };
    let seen = pair(behaviour, all()).await.chat(STREAM).await;
    assert_eq!(seen.text(), pieces.concat());
    assert_eq!(instance_of(&seen), "a");
}

#[tokio::test]
async fn a_complete_answer_without_content_is_an_answer() {
    let stage = pair(Behaviour::events([OPENING, FINISH, DONE]), all()).await;
    let seen = stage.chat(STREAM).await;
    assert_eq!(seen.text(), [OPENING, FINISH, DONE].concat());
    assert_eq!(instance_of(&seen), "a");
    assert_eq!(
        seen.ctx.exchange.expect("an exchange").ended,
        Ended::Complete
    );
}

#[tokio::test]
async fn nothing_is_held_where_nobody_else_could_be_asked() {
    for config in [
        json!({ "timeout": 1000 }),
        json!({ "timeout": 1000, "fallback_strategy": "http_429" }),
        json!({ "timeout": 1000, "fallback_strategy": "http_5xx", "max_retries": 0 }),
    ] {
        let seen = pair(broken_off(&[OPENING], stall), config.clone())
            .await
            .chat(STREAM)
            .await;
        assert_eq!(seen.status, StatusCode::OK, "{config}");
        assert_eq!(seen.text(), OPENING, "{config}");
        assert_eq!(seen.broken, Some(RelayError::UpstreamStalled), "{config}");
        assert_eq!(statuses(&seen), [200], "{config}");
    }
    let stage = Stage::new([Member::behaving("a", reporting())], all()).await;
    let seen = stage.chat(STREAM).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text().contains(REPORT));
}

#[tokio::test]
async fn a_report_of_a_failure_becomes_an_error_when_nobody_is_left() {
    let members = [
        Member::behaving("a", reporting()).priority(1),
        Member::behaving("b", reporting()),
    ];
    let seen = Stage::new(members, all()).await.chat(STREAM).await;
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.text(), REPORT);
    assert_eq!(statuses(&seen), [200, 200]);
    assert_eq!(seen.ctx.exchange.expect("an exchange").ended, Ended::Failed);
}

#[tokio::test]
async fn an_opening_is_let_go_above_its_size() {
    let comment = format!(": {}\n\n", "x".repeat(1000));
    let mut pieces = vec![comment; 70];
    pieces.push(OPENING.to_owned());
    let whole: usize = pieces.iter().map(String::len).sum();
    let behaviour = Behaviour {
        cut_after: Some(Place::Bytes(whole)),
        ..Behaviour::events(pieces.iter().cloned().chain([DONE.to_owned()]))
    };
    let stage = pair(behaviour, all()).await;
    let seen = stage.chat(STREAM).await;
    assert_eq!(seen.broken, Some(RelayError::UpstreamCut));
    assert_eq!(seen.text(), pieces.concat());
    assert_eq!(stage.counts()["b"], 0);
}

#[tokio::test]
async fn an_opening_is_let_go_when_it_would_last_longer_than_a_silence_may() {
    // Comments keep the connection alive for much longer than the timeout, without an answer.
    let behaviour = Behaviour {
        interval: Duration::from_millis(100),
        cut_after: Some(Place::Bytes(OPENING.len() + 20 * 5)),
        ..Behaviour::events([OPENING].into_iter().chain([": a\n\n"; 20]).chain([DONE]))
    };
    let stage = pair(behaviour, impatient()).await;
    let seen = stage.chat(STREAM).await;
    assert_eq!(
        (seen.status, seen.broken),
        (StatusCode::OK, Some(RelayError::UpstreamCut))
    );
    assert_eq!(stage.counts()["b"], 0);
}

#[tokio::test]
async fn an_opening_is_let_go_when_no_other_attempt_may_follow_any_more() {
    let behaviour = Behaviour {
        first_delay: Duration::from_millis(40),
        ..reporting()
    };
    let config = json!({
        "fallback_strategy": "http_5xx",
        "retry_on_failure_within_ms": 10,
    });
    let seen = pair(behaviour, config).await.chat(STREAM).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text().starts_with(OPENING), "{}", seen.text());
    assert!(seen.text().contains(REPORT));
}

#[tokio::test]
async fn openings_of_the_other_dialects_are_held_too() {
    let message =
        r#"{"model":"c","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let input = r#"{"model":"m","stream":true,"input":"hi"}"#;
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n\
                 event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let created = "event: response.created\ndata: {\"type\":\"response.created\"}\n\n";
    for (provider, uri, body, opening) in [
        ("anthropic", "/v1/messages", message, start),
        ("openai", "/v1/responses", input, created),
    ] {
        let speaks = json!({ "provider": provider });
        let members = [
            Member::behaving("a", broken_off(&[opening], cut))
                .priority(1)
                .with(speaks.clone()),
            Member::new("b").with(speaks),
        ];
        let stage = Stage::new(members, all()).await;
        let seen = stage.ask(uri, body, &[]).await;
        assert_eq!((seen.status, seen.broken), (StatusCode::OK, None), "{uri}");
        assert_eq!(instance_of(&seen), "b", "{uri}");
        assert!(
            seen.ctx
                .exchange
                .as_ref()
                .is_some_and(|exchange| exchange.done)
        );
    }
}
