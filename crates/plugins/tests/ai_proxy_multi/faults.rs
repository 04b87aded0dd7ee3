//! Every fault of a preferred instance `a`, and what the client sees when there is a `b`.

use std::net::TcpListener;

use http::StatusCode;
use plugin::{RelayError, ReplySource};
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::stage::{CHAT, Member, STREAM, Stage, instance_of, statuses};
use crate::support::Seen;

/// The first event of a chat stream, without content.
const OPENING: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\
                       \"content\":\"\"},\"finish_reason\":null}]}\n\n";
/// An event with content.
const CONTENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ah\"},\
                       \"finish_reason\":null}]}\n\n";

fn status(code: u16) -> Behaviour {
    Behaviour::status(StatusCode::from_u16(code).expect("a status"))
}

fn cut(place: Place) -> Behaviour {
    Behaviour {
        cut_after: Some(place),
        ..Behaviour::default()
    }
}

fn reset(place: Place) -> Behaviour {
    Behaviour {
        reset: true,
        ..cut(place)
    }
}

fn stall(place: Place) -> Behaviour {
    Behaviour {
        stall_after: Some(place),
        ..Behaviour::default()
    }
}

fn garbage() -> Behaviour {
    Behaviour {
        garbage: true,
        ..Behaviour::default()
    }
}

fn empty() -> Behaviour {
    Behaviour {
        empty: true,
        ..Behaviour::default()
    }
}

/// Events, of which all but the last arrive before the fault.
fn broken_off(pieces: &[&'static str], fault: fn(Place) -> Behaviour) -> Behaviour {
    let whole = pieces.iter().map(|piece| piece.len()).sum();
    let fault = fault(Place::Bytes(whole));
    let more = ["data: {}\n\n"; 2];
    Behaviour {
        cut_after: fault.cut_after,
        stall_after: fault.stall_after,
        reset: fault.reset,
        ..Behaviour::events(pieces.iter().copied().chain(more))
    }
}

async fn stage(fault: Behaviour) -> Stage {
    let members = [Member::behaving("a", fault).priority(1), Member::new("b")];
    let config = json!({
        "timeout": 80,
        "fallback_strategy": "instance_health_and_rate_limiting",
        "fallback_http_statuses": [401, 402, 403],
    });
    Stage::new(members, config).await
}

/// The client got the whole answer of `b`, and nothing of `a`.
fn answered_by_b(seen: &Seen, fault: &str, first: u16) {
    assert_eq!(seen.status, StatusCode::OK, "{fault}");
    assert_eq!(seen.source, ReplySource::Upstream, "{fault}");
    assert_eq!(seen.broken, None, "{fault}");
    assert_eq!(instance_of(seen), "b", "{fault}");
    assert_eq!(statuses(seen), [first, 200], "{fault}");
    assert!(
        seen.ctx
            .exchange
            .as_ref()
            .is_some_and(|exchange| exchange.done)
    );
    assert!(!seen.text().contains("Ah"), "{fault}: {}", seen.text());
}

#[tokio::test]
async fn faults_of_a_json_answer_are_not_noticed() {
    let gzip_cut = Behaviour {
        gzip: true,
        ..cut(Place::Bytes(30))
    };
    for (fault, behaviour, first) in [
        ("cut before the head", cut(Place::Head), 500),
        ("reset before the head", reset(Place::Head), 500),
        ("stall before the head", stall(Place::Head), 504),
        ("cut before the body", cut(Place::Bytes(0)), 200),
        ("reset in the body", reset(Place::Bytes(20)), 200),
        ("truncated", cut(Place::Bytes(20)), 200),
        ("truncated gzip", gzip_cut, 200),
        ("stall in the body", stall(Place::Bytes(20)), 200),
        ("401, listed", status(401), 401),
        ("402, listed", status(402), 402),
        ("403, listed", status(403), 403),
        ("429", status(429), 429),
        ("500", status(500), 500),
        ("502", status(502), 502),
        ("503", status(503), 503),
        ("garbage", garbage(), 200),
        ("no body", empty(), 200),
    ] {
        let seen = stage(behaviour).await.chat(CHAT).await;
        answered_by_b(&seen, fault, first);
        let said = &seen.json()["choices"][0]["message"]["content"];
        assert_eq!(said, "from b", "{fault}");
    }
}

#[tokio::test]
async fn faults_of_a_stream_before_its_first_content_are_not_noticed() {
    let error = Behaviour {
        error_after: Some(0),
        ..Behaviour::default()
    };
    for (fault, behaviour, first) in [
        ("cut before the head", cut(Place::Head), 500),
        ("reset before the head", reset(Place::Head), 500),
        ("stall before the head", stall(Place::Head), 504),
        ("cut before the body", cut(Place::Bytes(0)), 200),
        ("stall before the body", stall(Place::Bytes(0)), 200),
        ("cut after the opening", broken_off(&[OPENING], cut), 200),
        (
            "reset after the opening",
            broken_off(&[OPENING], reset),
            200,
        ),
        (
            "stall after the opening",
            broken_off(&[OPENING], stall),
            200,
        ),
        ("401, listed", status(401), 401),
        ("402, listed", status(402), 402),
        ("403, listed", status(403), 403),
        ("429", status(429), 429),
        ("500", status(500), 500),
        ("502", status(502), 502),
        ("503", status(503), 503),
        ("garbage", garbage(), 200),
        ("no event", empty(), 200),
        (
            "nothing but the end",
            Behaviour::events(["data: [DONE]\n\n"]),
            200,
        ),
        ("an end without content", Behaviour::events([OPENING]), 200),
        (
            "error event first",
            Behaviour::events(["data: {\"error\":{\"message\":\"no\"}}\n\n"]),
            200,
        ),
        ("error event after the opening", error, 200),
    ] {
        let seen = stage(behaviour).await.chat(STREAM).await;
        answered_by_b(&seen, fault, first);
        assert!(seen.text().ends_with("data: [DONE]\n\n"), "{fault}");
    }
}

#[tokio::test]
async fn faults_of_a_stream_after_its_first_content_are_shown_and_nobody_else_is_asked() {
    let error = Behaviour {
        error_after: Some(1),
        ..Behaviour::default()
    };
    for (fault, behaviour, broken) in [
        (
            "cut",
            broken_off(&[OPENING, CONTENT], cut),
            Some(RelayError::UpstreamCut),
        ),
        (
            "reset",
            broken_off(&[OPENING, CONTENT], reset),
            Some(RelayError::UpstreamCut),
        ),
        (
            "stall",
            broken_off(&[OPENING, CONTENT], stall),
            Some(RelayError::UpstreamStalled),
        ),
        ("error event", error, None),
        ("no end mark", Behaviour::events([OPENING, CONTENT]), None),
    ] {
        let stage = stage(behaviour).await;
        let seen = stage.chat(STREAM).await;
        assert_eq!(
            (seen.status, seen.broken),
            (StatusCode::OK, broken),
            "{fault}"
        );
        assert!(!seen.text().contains("[DONE]"), "{fault}");
        assert_eq!(stage.counts()["b"], 0, "{fault}");
        assert_eq!(instance_of(&seen), "a", "{fault}");
    }
}

#[tokio::test]
async fn an_instance_that_refuses_connections_is_not_noticed() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    for body in [CHAT, STREAM] {
        let gone = json!({ "override": { "endpoint": format!("http://{address}") } });
        let members = [Member::new("a").priority(1).with(gone), Member::new("b")];
        let config = json!({ "fallback_strategy": "instance_health_and_rate_limiting" });
        let seen = Stage::new(members, config).await.chat(body).await;
        answered_by_b(&seen, "refused", 500);
    }
}

#[tokio::test]
async fn an_instance_that_breaks_tls_or_has_no_address_is_not_noticed() {
    for endpoint in [None, Some("http://no-such-host.invalid")] {
        let mut members = [Member::new("a").priority(1), Member::new("b")];
        if let Some(endpoint) = endpoint {
            members[0].more = json!({ "override": { "endpoint": endpoint } });
        }
        let config = json!({ "fallback_strategy": "http_5xx" });
        let mut stage = Stage::new(members, config).await;
        if endpoint.is_none() {
            // TLS spoken to a server that does not.
            let url = stage.upstream("a").url("").replace("http://", "https://");
            let mut changed = stage.config.clone();
            changed["instances"][0]["override"]["endpoint"] = Value::from(url);
            stage.bench = stage.bench.next("/routes/1", "ai-proxy-multi", &changed);
        }
        let seen = stage.chat(CHAT).await;
        answered_by_b(&seen, "unreachable", 500);
    }
}

#[tokio::test]
async fn refusals_that_are_not_listed_are_relayed() {
    for code in [400, 401, 402, 403, 404, 422] {
        let members = [
            Member::behaving("a", status(code)).priority(1),
            Member::new("b"),
        ];
        let config = json!({ "fallback_strategy": "instance_health_and_rate_limiting" });
        let stage = Stage::new(members, config).await;
        for body in [CHAT, STREAM] {
            let seen = stage.chat(body).await;
            assert_eq!(seen.status.as_u16(), code);
            assert!(seen.json()["error"].is_object());
        }
        assert_eq!(stage.counts()["b"], 0);
    }
}

#[tokio::test]
async fn an_answer_above_the_limit_is_asked_for_elsewhere() {
    let large = Behaviour {
        body_bytes: Some(5000),
        ..Behaviour::default()
    };
    let members = [Member::behaving("a", large).priority(1), Member::new("b")];
    let config = json!({ "fallback_strategy": "http_5xx", "max_response_bytes": 2000 });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    answered_by_b(&seen, "too large", 200);
}
