//! Answers that are none, or are not what they seem.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use plugin::ReplySource;
use serde_json::json;
use simulator::Behaviour;

use crate::stage::{CHAT, Member, STREAM, Stage, instance_of, trail};

/// An instance of this behaviour that is preferred to a good one.
async fn before_a_good_one(behaviour: Behaviour) -> Stage {
    let config = json!({ "fallback_strategy": ["http_5xx"], "timeout": 30_000 });
    let broken = Member::behaving("a", behaviour).priority(1);
    Stage::new([broken, Member::new("b")], config).await
}

fn json_body(status: StatusCode, body: &'static str) -> Behaviour {
    Behaviour {
        content_type: Some(HeaderValue::from_static("application/json")),
        body: Some(vec![Bytes::from_static(body.as_bytes())]),
        ..Behaviour::status(status)
    }
}

/// The word of the trail for the first attempt, after which `b` answered.
async fn replaced(behaviour: Behaviour, body: &str) -> &'static str {
    let seen = before_a_good_one(behaviour).await.chat(body).await;
    assert_eq!(
        (seen.status, instance_of(&seen).as_str()),
        (StatusCode::OK, "b")
    );
    trail(&seen)[0].2
}

#[tokio::test]
async fn a_status_without_a_body_is_no_answer_to_a_prompt() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let behaviour = Behaviour::status(status);
        assert_eq!(replaced(behaviour.clone(), CHAT).await, "no_body");
        let alone = Stage::new([Member::behaving("a", behaviour)], json!({})).await;
        let seen = alone.chat(CHAT).await;
        assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(seen.text().contains(status.as_str()), "{}", seen.text());
    }
}

#[tokio::test]
async fn a_status_without_a_body_is_an_answer_where_nobody_reads_it() {
    let behaviour = Behaviour::status(StatusCode::NO_CONTENT);
    let stage = before_a_good_one(behaviour).await;
    let seen = stage.ask("/v1/files/f-1", r#"{"purpose": "x"}"#, &[]).await;
    assert_eq!(
        (seen.status, instance_of(&seen).as_str()),
        (StatusCode::NO_CONTENT, "a")
    );
}

#[tokio::test]
async fn an_error_under_a_good_status_is_replaced_or_told_as_one() {
    let error = json_body(
        StatusCode::OK,
        r#"{"error": {"message": "no capacity", "code": 529}}"#,
    );
    assert_eq!(replaced(error.clone(), CHAT).await, "error_answer");
    let members = [
        Member::behaving("a", error.clone()),
        Member::behaving("b", error.clone()),
    ];
    let all = Stage::new(members, json!({ "fallback_strategy": "http_5xx" })).await;
    let seen = all.chat(CHAT).await;
    assert_eq!(
        (seen.status, seen.source),
        (StatusCode::BAD_GATEWAY, ReplySource::Upstream)
    );
    assert_eq!(seen.json()["error"]["message"], "no capacity");
    // Without anybody else to ask, what the upstream said is passed on.
    let alone = Stage::new([Member::behaving("a", error)], json!({})).await;
    assert_eq!(alone.chat(CHAT).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_answer_whose_error_is_null_is_a_good_one() {
    let answer = json_body(StatusCode::OK, r#"{"choices": [], "error": null}"#);
    let seen = before_a_good_one(answer).await.chat(CHAT).await;
    assert_eq!(
        (seen.status, instance_of(&seen).as_str()),
        (StatusCode::OK, "a")
    );
}

#[tokio::test]
async fn a_compressed_answer_is_read_like_any_other() {
    let zipped = |behaviour| Behaviour {
        gzip: true,
        ..behaviour
    };
    for body in [CHAT, STREAM] {
        let stage = before_a_good_one(zipped(Behaviour::text("from a"))).await;
        let seen = stage.chat(body).await;
        assert_eq!(instance_of(&seen), "a");
        assert_eq!(seen.headers.get(header::CONTENT_ENCODING), None);
        let exchange = seen.ctx.exchange.as_ref().expect("an exchange");
        assert!(
            exchange.usage != llm::Usage::default(),
            "{:?}",
            exchange.usage
        );
    }
    let empty = zipped(Behaviour::events(["data: [DONE]\n\n"]));
    assert_eq!(replaced(empty, STREAM).await, "no_content");
}

#[tokio::test]
async fn a_coding_that_nobody_knows_is_passed_on_and_told() {
    let coding = HeaderValue::from_static("snappy");
    let behaviour = Behaviour {
        headers: vec![(header::CONTENT_ENCODING, coding.clone())],
        ..json_body(StatusCode::OK, "\u{1}\u{2}\u{3}")
    };
    let seen = before_a_good_one(behaviour).await.chat(CHAT).await;
    assert_eq!(
        (seen.status, instance_of(&seen).as_str()),
        (StatusCode::OK, "a")
    );
    assert_eq!(seen.headers.get(header::CONTENT_ENCODING), Some(&coding));
    assert_eq!(seen.text(), "\u{1}\u{2}\u{3}");
}

#[tokio::test]
async fn the_coding_of_an_error_that_nobody_knows_is_told_when_all_have_failed() {
    let coding = HeaderValue::from_static("snappy");
    let failure = Behaviour {
        headers: vec![(header::CONTENT_ENCODING, coding.clone())],
        ..json_body(StatusCode::SERVICE_UNAVAILABLE, "\u{1}\u{2}\u{3}")
    };
    let members = ["a", "b"].map(|name| Member::behaving(name, failure.clone()));
    let config = json!({ "fallback_strategy": ["http_5xx"] });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    assert_eq!(seen.headers.get(header::CONTENT_ENCODING), Some(&coding));
    assert_eq!(seen.text(), "\u{1}\u{2}\u{3}");
}

#[tokio::test]
async fn an_error_is_unpacked_for_the_client() {
    let error = Behaviour {
        gzip: true,
        ..json_body(
            StatusCode::SERVICE_UNAVAILABLE,
            r#"{"error": {"message": "later"}}"#,
        )
    };
    let alone = Stage::new([Member::behaving("a", error)], json!({})).await;
    let seen = alone.chat(CHAT).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.headers.get(header::CONTENT_ENCODING), None);
    assert_eq!(seen.json()["error"]["message"], "later");
}

#[tokio::test]
async fn an_event_stream_of_a_declared_length_is_relayed_up_to_the_limit() {
    let events = ["data: {\"choices\":[{\"delta\":{\"content\":\"one\"}}]}\n\n"; 40];
    let length: usize = events.iter().map(|event| event.len()).sum();
    let behaviour = Behaviour {
        body: Some(vec![events.concat().into()]),
        headers: vec![(header::CONTENT_LENGTH, length.into())],
        ..Behaviour::events([""])
    };
    let config = json!({ "max_response_bytes": 64 });
    let seen = Stage::new([Member::behaving("a", behaviour)], config)
        .await
        .chat(STREAM)
        .await;
    assert_eq!(seen.status, StatusCode::OK);
    assert!(seen.text().starts_with(events[0]));
    assert_eq!(trail(&seen)[0].2, "max_response_bytes");
}

#[tokio::test]
async fn an_end_mark_alone_is_no_answer_in_any_dialect() {
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let config = json!({ "fallback_strategy": "http_5xx" });
    let anthropic = json!({ "provider": "anthropic" });
    let members = [
        Member::behaving("a", Behaviour::events([stop]))
            .priority(1)
            .with(anthropic.clone()),
        Member::new("b").with(anthropic),
    ];
    let stage = Stage::new(members, config).await;
    let body = r#"{"model": "m", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]}"#;
    let seen = stage.ask("/v1/messages", body, &[]).await;
    assert_eq!(
        (seen.status, instance_of(&seen).as_str()),
        (StatusCode::OK, "b")
    );
    assert_eq!(trail(&seen)[0].2, "no_content");
}

#[tokio::test]
async fn a_refused_key_is_learnt_from_answers_that_nobody_reads() {
    let key = json!({ "auth": { "header": { "authorization": "Bearer k" } } });
    let refused = Behaviour::status(StatusCode::UNAUTHORIZED);
    let members = [
        Member::behaving("a", refused).priority(1).with(key.clone()),
        Member::new("b").with(key),
    ];
    let stage = Stage::new(members, json!({})).await;
    let mut asked = Vec::new();
    for _ in 0..5 {
        let seen = stage
            .ask("/v1/images/generations", r#"{"prompt": "x"}"#, &[])
            .await;
        asked.push(instance_of(&seen));
    }
    assert_eq!(asked, ["a", "a", "a", "b", "b"]);
}
