//! Timeouts of single steps, each with its own word in the trail.

use std::iter::repeat_n;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use plugin::{
    AttemptGuard, Chain, ConfigError, Ctx, Environment, Host, Link, Meta, Phases, Plugin,
    RelayError, ReplySource, Room,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use simulator::{Behaviour, Place};
use telemetry::metrics::Metrics;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::stage::{
    CHAT, CONTENT, Member, OPENING, STREAM, Stage, black_hole, broken_off, join_all, pass, stall,
    trail,
};
use crate::support::{Seen, post};

/// A bound that is to be crossed: long enough for what must come before, on a busy machine too.
const SOON: u64 = 1000;
/// A bound that is crossed only when the test says so; below the default `timeout`.
const LATE: u64 = 20_000;
/// More than [`LATE`].
const LONG: Duration = Duration::from_secs(21);

/// A stream that stalls after these events.
fn stalled(pieces: &[&'static str]) -> Behaviour {
    broken_off(pieces, stall)
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

/// The same, when more than [`LATE`] passes as soon as `a` has the request.
async fn asked_in_vain(a: Behaviour, timeouts: Value, body: &str) -> (Stage, Seen) {
    let members = [Member::behaving("a", a).priority(1), Member::new("b")];
    let stage = Stage::new(members, config(&timeouts)).await;
    let seen = stage.chat_through(body, "a", LONG).await;
    (stage, seen)
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
    let there = json!({ "override": { "endpoint": format!("https://{address}") } });
    let members = [Member::new("a").priority(1).with(there), Member::new("b")];
    let stage = Stage::new(members, config(&json!({ "connect_ms": LATE }))).await;
    let passing = async {
        // It has begun to shake hands over TLS, and waits for the answer to that.
        let (mut stream, _) = silent.accept().await.expect("a connection");
        stream.read_u8().await.expect("a hello");
        pass(LONG).await;
        stream
    };
    let (seen, _stream) = tokio::join!(stage.chat(CHAT), passing);
    answered_by_b(&seen, "connect_timeout");
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_given_up() {
    for body in [CHAT, STREAM] {
        let timeouts = json!({ "first_byte_ms": LATE });
        let (_, seen) = asked_in_vain(stall(Place::Head), timeouts, body).await;
        answered_by_b(&seen, "first_byte_timeout");
        assert_eq!(seen.ctx.attempts[0].status, Some(504));
    }
    let both = json!({ "first_byte_ms": LATE, "first_content_ms": SOON });
    let seen = asked(stall(Place::Head), both, STREAM).await;
    answered_by_b(&seen, "first_content_timeout");
}

#[tokio::test]
async fn content_that_takes_too_long_is_given_up() {
    let timeouts = json!({ "first_content_ms": SOON });
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
        interval: Duration::from_millis(SOON * 6 / 5),
        ..Behaviour::events(
            [&[OPENING, CONTENT].concat(), CONTENT, "data: [DONE]\n\n"].map(str::to_owned),
        )
    };
    let seen = asked(slow, json!({ "first_content_ms": SOON }), STREAM).await;
    assert_eq!(trail(&seen), [("a".to_owned(), "roundrobin", "complete")]);
}

/// In a runtime of its own: its clock is ahead afterwards.
async fn one_attempt_has_all_the_time(body: &str) {
    let timeouts = json!({ "total_ms": LATE });
    let (stage, seen) = asked_in_vain(stall(Place::Head), timeouts, body).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    let expected = [("a".to_owned(), "roundrobin", "total_timeout")];
    assert_eq!(trail(&seen), expected);
    assert_eq!(seen.ctx.attempts[0].fault, "provider");
    assert_eq!(stage.counts()["b"], 0);
}

#[tokio::test]
async fn all_attempts_together_have_their_time() {
    one_attempt_has_all_the_time(CHAT).await;
}

#[tokio::test]
async fn all_attempts_together_have_their_time_of_a_stream_too() {
    one_attempt_has_all_the_time(STREAM).await;
}

#[tokio::test]
async fn a_stream_ends_with_the_time_of_its_exchange() {
    let begun = stalled(&[OPENING, CONTENT]);
    let seen = asked(begun, json!({ "total_ms": SOON }), STREAM).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text().contains("Ah") && !seen.text().contains("[DONE]"));
    let expected = [("a".to_owned(), "roundrobin", "total_timeout")];
    assert_eq!(trail(&seen), expected);
    assert_eq!(seen.ctx.attempts[0].fault, "");
    // The client's connection is cut, so that no client takes what it has for the whole.
    assert_eq!(seen.broken, Some(RelayError::OutOfTime));
    assert_eq!(seen.ctx.exchange_end(), Some("total_timeout"));
}

#[tokio::test]
async fn a_shorter_bound_of_the_stream_itself_keeps_its_own_word() {
    let mut config = config(&json!({ "total_ms": LATE }));
    config["max_stream_duration_ms"] = json!(SOON);
    let members = [
        Member::behaving("a", stalled(&[OPENING, CONTENT])).priority(1),
        Member::new("b"),
    ];
    let seen = Stage::new(members, config).await.chat(STREAM).await;
    let expected = [("a".to_owned(), "roundrobin", "max_stream_duration_ms")];
    assert_eq!(trail(&seen), expected);
    assert_eq!(seen.broken, None);
}

/// In a runtime of its own: its clock is ahead afterwards.
async fn two_attempts_share_the_time(body: &str) {
    let slow_failure = Behaviour {
        delay: Duration::from_millis(300),
        ..Behaviour::status(StatusCode::SERVICE_UNAVAILABLE)
    };
    let members = [
        Member::behaving("a", slow_failure).priority(2),
        Member::behaving("b", stall(Place::Head)).priority(1),
        Member::new("c"),
    ];
    let stage = Stage::new(members, config(&json!({ "total_ms": LATE }))).await;
    let seen = stage.chat_through(body, "b", LONG).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(seen.source, ReplySource::Gateway);
    let expected = [
        ("a".to_owned(), "roundrobin", "status"),
        ("b".to_owned(), "fallback", "total_timeout"),
    ];
    assert_eq!(trail(&seen), expected);
    // What `a` has used of the time is not held against `b`.
    let faults: Vec<_> = seen.ctx.attempts.iter().map(|one| one.fault).collect();
    assert_eq!(faults, ["provider", ""]);
    let last = seen.ctx.attempts.last().expect("an attempt");
    let since = last.start.map(|start| start.elapsed());
    assert!(last.response.is_some() && last.response <= since);
    assert_eq!(seen.ctx.exchange_end(), Some("total_timeout"));
    assert_eq!(stage.counts()["c"], 0);
}

#[tokio::test]
async fn the_time_of_all_attempts_goes_on_through_a_fallback() {
    two_attempts_share_the_time(CHAT).await;
}

#[tokio::test]
async fn the_time_of_all_attempts_goes_on_through_a_fallback_of_a_stream_too() {
    two_attempts_share_the_time(STREAM).await;
}

#[tokio::test]
async fn the_time_of_all_attempts_bounds_a_body_that_is_read_whole() {
    for status in [200, 503] {
        let stalls = Behaviour {
            status: StatusCode::from_u16(status).ok(),
            ..stall(Place::Bytes(10))
        };
        let seen = asked(stalls, json!({ "total_ms": SOON }), CHAT).await;
        assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
        let expected = [("a".to_owned(), "roundrobin", "total_timeout")];
        assert_eq!(trail(&seen), expected);
        // The head had come.
        assert_eq!(seen.ctx.attempts[0].status, Some(status));
        assert!(seen.ctx.attempts[0].header.is_some());
    }
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_given_up() {
    let (address, _hole) = black_hole().await;
    let hole = json!({ "override": { "endpoint": format!("http://{address}") } });
    for (timeouts, word) in [
        (json!({ "connect_ms": SOON }), "connect_timeout"),
        // Without a bound of its own, connecting has that of all steps.
        (json!({ "first_content_ms": LATE }), "timeout"),
        (
            json!({ "connect_ms": LATE, "first_byte_ms": SOON }),
            "first_byte_timeout",
        ),
    ] {
        let members = [
            Member::new("a").priority(1).with(hole.clone()),
            Member::new("b"),
        ];
        let mut config = config(&timeouts);
        config["timeout"] = json!(SOON + 200);
        let seen = Stage::new(members, config).await.chat(CHAT).await;
        answered_by_b(&seen, word);
        let attempt = &seen.ctx.attempts[0];
        assert_eq!(attempt.status, Some(504));
        assert_eq!((attempt.peer, attempt.pooled), (Some(address), false));
        assert_eq!((attempt.connect, attempt.header), (None, None));
        assert!(attempt.response.is_some());
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_no_matter_of_the_first_byte_or_content() {
    let early = json!({ "first_byte_ms": SOON, "first_content_ms": SOON });
    let mut config = config(&early);
    config["timeout"] = json!(SOON + 200);
    let members = || {
        [
            Member::behaving("a", stall(Place::Bytes(10))).priority(1),
            Member::new("b"),
        ]
    };
    let seen = Stage::new(members(), config).await.chat(CHAT).await;
    answered_by_b(&seen, "timeout");
}

#[tokio::test]
async fn an_answer_in_one_piece_has_no_deadline_for_its_content() {
    let slow = Behaviour {
        delay: Duration::from_millis(80),
        ..Behaviour::default()
    };
    let seen = asked(slow, json!({ "first_content_ms": 20 }), CHAT).await;
    assert_eq!(trail(&seen), [("a".to_owned(), "roundrobin", "complete")]);
}

#[tokio::test]
async fn a_stream_that_the_configuration_asks_for_has_a_deadline_for_its_content() {
    let hows = [
        json!({ "options": { "stream": true } }),
        json!({ "override": { "request_body": { "openai-chat": { "stream": true } },
                              "request_body_force_override": true } }),
    ];
    let answered = async |a: Behaviour, how: &Value| {
        let a = Member::behaving("a", a).priority(1).with(how.clone());
        let config = config(&json!({ "first_content_ms": SOON }));
        let stage = Stage::new([a, Member::new("b")], config).await;
        stage.chat(CHAT).await
    };
    let answers = hows
        .iter()
        .flat_map(|how| [stall(Place::Head), stalled(&[OPENING])].map(|a| answered(a, how)));
    for seen in join_all(answers).await {
        answered_by_b(&seen, "first_content_timeout");
    }
}

#[tokio::test]
async fn a_stream_that_nobody_asked_for_has_a_deadline_for_its_content() {
    let timeouts = json!({ "first_content_ms": SOON });
    let seen = asked(stalled(&[OPENING]), timeouts, CHAT).await;
    answered_by_b(&seen, "first_content_timeout");
}

#[tokio::test]
async fn comments_are_no_content_however_many_come() {
    let chatty = Behaviour {
        interval: Duration::from_millis(1),
        ..Behaviour::events([OPENING].into_iter().chain(repeat_n(": a\n\n", 2000)))
    };
    let seen = asked(chatty, json!({ "first_content_ms": SOON }), STREAM).await;
    answered_by_b(&seen, "first_content_timeout");
}

#[tokio::test]
async fn a_refusal_as_a_stream_is_relayed_under_a_deadline_for_content() {
    let report = "data: {\"error\":{\"message\":\"no\"}}\n\n";
    let refusal = Behaviour {
        status: Some(StatusCode::BAD_REQUEST),
        ..Behaviour::events([report])
    };
    let seen = asked(refusal, json!({ "first_content_ms": LATE }), STREAM).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert_eq!(seen.text(), report);
}

/// A plugin that never tells whether `b` may be asked.
struct Pondering;

impl Plugin for Pondering {
    const NAME: &'static str = "pondering";
    const PRIORITY: i32 = 1;
    const PHASES: Phases = Phases::ROOM;
    type Config = Nothing;

    fn compile(_: Nothing, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn room<'a>(&'a self, _: &'a mut Ctx, instance: &'a str) -> Room<'a> {
        match instance {
            "b" => Room::wait(std::future::pending()),
            _ => Room::FREE,
        }
    }
}

#[tokio::test]
async fn choosing_whom_to_ask_next_is_part_of_the_time_of_all_attempts() {
    let failure = Behaviour::status(StatusCode::SERVICE_UNAVAILABLE);
    let members = [Member::behaving("a", failure).priority(1), Member::new("b")];
    let stage = Stage::new(members, config(&json!({ "total_ms": SOON }))).await;
    let seen = stage.bench.send(watched::<Pondering>(&stage)).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(trail(&seen), [("a".to_owned(), "roundrobin", "status")]);
    assert_eq!(seen.ctx.exchange_end(), Some("total_timeout"));
    assert_eq!(stage.counts()["b"], 0);
}

/// A chat whose route has the plugin `P` too.
fn watched<P: Plugin>(stage: &Stage) -> Ctx {
    let host = Host {
        living: stage.bench.living(),
        metrics: &Metrics::default(),
        environment: &Environment::default(),
        attributes: None,
        metadata: None,
        resource: "/routes/1",
    };
    let plugin = (plugin::entry::<P>().compile)(&json!({}), &host).expect("a plugin");
    let mut ctx = post("/v1/chat/completions", CHAT, &[]);
    let links = vec![Link::new(plugin, P::PRIORITY, Meta::default())];
    ctx.chains.push(Arc::new(Chain::new(links)));
    ctx
}

/// A plugin that holds the thread up when an attempt begins.
struct Late;

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

impl Plugin for Late {
    const NAME: &'static str = "late";
    const PRIORITY: i32 = 1;
    const PHASES: Phases = Phases::ATTEMPT;
    type Config = Nothing;

    fn compile(_: Nothing, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn attempt(&self, _: &Ctx) -> Option<AttemptGuard> {
        // The deadline is one of the system's clock, which no test can move.
        std::thread::sleep(Duration::from_millis(SOON * 6 / 5));
        None
    }
}

#[tokio::test]
async fn an_attempt_that_ended_by_itself_keeps_its_word_when_the_time_is_over() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let gone = json!({ "override": { "endpoint": format!("http://{address}") } });
    let members = [Member::new("a").priority(1).with(gone), Member::new("b")];
    let stage = Stage::new(members, config(&json!({ "total_ms": SOON }))).await;
    // The connection is refused at once, at a moment that is too late already.
    let seen = stage.bench.send(watched::<Late>(&stage)).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(trail(&seen), [("a".to_owned(), "roundrobin", "connect")]);
    assert_eq!(seen.ctx.exchange_end(), Some("total_timeout"));
    assert!(seen.ctx.upstream_time().is_some());
    assert_eq!(stage.counts()["b"], 0);
}
