//! Timeouts of single steps, each with its own word in the trail.

use http::StatusCode;
use llm::Ended;
use serde_json::{Value, json};
use simulator::{Behaviour, Place};
use tokio::net::TcpListener;

use crate::stage::{CHAT, Member, STREAM, Stage, trail};
use crate::support::Seen;

/// The first event of a chat stream, without content.
const OPENING: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\
                       \"content\":\"\"},\"finish_reason\":null}]}\n\n";
/// An event with content.
const CONTENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ah\"},\
                       \"finish_reason\":null}]}\n\n";

fn stall(place: Place) -> Behaviour {
    Behaviour {
        stall_after: Some(place),
        ..Behaviour::default()
    }
}

/// A stream that stalls after these events.
fn stalled(pieces: &[&'static str]) -> Behaviour {
    let length = pieces.iter().map(|piece| piece.len()).sum();
    let more = ["data: {}\n\n"; 2];
    Behaviour {
        stall_after: Some(Place::Bytes(length)),
        ..Behaviour::events(pieces.iter().copied().chain(more))
    }
}

fn config(timeouts: &Value) -> Value {
    json!({
        "timeouts": timeouts,
        "fallback_strategy": "instance_health_and_rate_limiting",
    })
}

async fn asked(a: Behaviour, timeouts: Value, body: &str) -> Seen {
    let members = [Member::behaving("a", a).priority(1), Member::new("b")];
    Stage::new(members, config(&timeouts))
        .await
        .chat(body)
        .await
}

/// `a` failed for this reason, and `b` answered.
fn answered_by_b(seen: &Seen, word: &'static str) {
    let expected = [
        ("a".to_owned(), "roundrobin", word),
        ("b".to_owned(), "fallback", "complete"),
    ];
    assert_eq!(trail(seen), expected);
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.ctx.attempts[0].fault, "provider");
    assert!(!seen.text().contains("Ah"), "{}", seen.text());
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("an address");
    let silent = json!({ "override": { "endpoint": format!("https://{address}") } });
    let members = [Member::new("a").priority(1).with(silent), Member::new("b")];
    let stage = Stage::new(members, config(&json!({ "connect_ms": 50 }))).await;
    answered_by_b(&stage.chat(CHAT).await, "connect_timeout");
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_given_up() {
    for body in [CHAT, STREAM] {
        let seen = asked(stall(Place::Head), json!({ "first_byte_ms": 50 }), body).await;
        answered_by_b(&seen, "first_byte_timeout");
        assert_eq!(seen.ctx.attempts[0].status, Some(504));
    }
    let both = json!({ "first_byte_ms": 20_000, "first_content_ms": 50 });
    let seen = asked(stall(Place::Head), both, STREAM).await;
    answered_by_b(&seen, "first_content_timeout");
}

#[tokio::test]
async fn content_that_takes_too_long_is_given_up() {
    let timeouts = json!({ "first_content_ms": 50 });
    let seen = asked(stalled(&[OPENING]), timeouts.clone(), STREAM).await;
    answered_by_b(&seen, "first_content_timeout");

    let alone = [Member::behaving("a", stalled(&[OPENING]))];
    let stage = Stage::new(alone, config(&timeouts)).await;
    let seen = stage.chat(STREAM).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    let expected = [("a".to_owned(), "single", "first_content_timeout")];
    assert_eq!(trail(&seen), expected);
}

#[tokio::test]
async fn a_deadline_for_content_is_over_once_it_has_come() {
    let slow = Behaviour {
        interval: std::time::Duration::from_millis(60),
        ..Behaviour::events([OPENING, CONTENT, CONTENT, "data: [DONE]\n\n"])
    };
    let seen = asked(slow, json!({ "first_content_ms": 100 }), STREAM).await;
    assert_eq!(trail(&seen), [("a".to_owned(), "roundrobin", "complete")]);
}

#[tokio::test]
async fn all_attempts_together_have_their_time() {
    for body in [CHAT, STREAM] {
        let members = [
            Member::behaving("a", stall(Place::Head)).priority(1),
            Member::new("b"),
        ];
        let stage = Stage::new(members, config(&json!({ "total_ms": 60 }))).await;
        let seen = stage.chat(body).await;
        assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
        let expected = [("a".to_owned(), "roundrobin", "total_timeout")];
        assert_eq!(trail(&seen), expected);
        assert_eq!(seen.ctx.attempts[0].fault, "provider");
        assert_eq!(stage.counts()["b"], 0);
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_time_of_its_exchange() {
    let begun = stalled(&[OPENING, CONTENT]);
    let seen = asked(begun, json!({ "total_ms": 150 }), STREAM).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text().contains("Ah") && !seen.text().contains("[DONE]"));
    let expected = [("a".to_owned(), "roundrobin", "total_timeout")];
    assert_eq!(trail(&seen), expected);
    assert_eq!(seen.ctx.attempts[0].fault, "");
    let exchange = seen.ctx.exchange.as_ref().expect("an exchange");
    assert_eq!(exchange.ended, Ended::DurationLimit);
}
