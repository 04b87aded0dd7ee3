//! What is recorded of every attempt.

use http::StatusCode;
use plugin::{Logged, log_entry};
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::stage::{CHAT, Member, STREAM, Stage, trail};

fn all() -> Value {
    json!({ "timeout": 80, "fallback_strategy": "instance_health_and_rate_limiting" })
}

/// How the attempt at `a` ended, as told beside the answer of `b`.
async fn ended(fault: Behaviour, body: &str) -> &'static str {
    let members = [Member::behaving("a", fault).priority(1), Member::new("b")];
    let seen = Stage::new(members, all()).await.chat(body).await;
    let trail = trail(&seen);
    assert_eq!(trail.len(), 2, "{trail:?}");
    assert_eq!(trail[1], ("b".to_owned(), "fallback", "complete"));
    trail[0].2
}

fn cut(place: Place) -> Behaviour {
    Behaviour {
        cut_after: Some(place),
        ..Behaviour::default()
    }
}

fn stall(place: Place) -> Behaviour {
    Behaviour {
        stall_after: Some(place),
        ..Behaviour::default()
    }
}

#[tokio::test]
async fn every_end_of_an_attempt_has_its_word() {
    let garbage = || Behaviour {
        garbage: true,
        ..Behaviour::default()
    };
    let error = Behaviour {
        error_after: Some(0),
        ..Behaviour::default()
    };
    for (fault, body, word) in [
        (
            Behaviour::status(StatusCode::TOO_MANY_REQUESTS),
            CHAT,
            "status",
        ),
        (cut(Place::Head), CHAT, "cut"),
        (stall(Place::Head), CHAT, "timeout"),
        (cut(Place::Bytes(20)), CHAT, "cut"),
        (stall(Place::Bytes(20)), CHAT, "timeout"),
        (garbage(), CHAT, "not_json"),
        (garbage(), STREAM, "no_content"),
        (error, STREAM, "error_event"),
        (cut(Place::Bytes(0)), STREAM, "cut"),
        (stall(Place::Bytes(0)), STREAM, "timeout"),
    ] {
        let shown = format!("{fault:?}");
        assert_eq!(ended(fault, body).await, word, "{shown}");
    }
}

#[tokio::test]
async fn the_first_instance_is_told_with_the_algorithm_that_chose_it() {
    let members = || [Member::new("a").priority(1), Member::new("b")];
    for (balancer, word) in [
        (json!({}), "roundrobin"),
        (json!({ "algorithm": "chash", "key": "uri" }), "chash"),
    ] {
        let stage = Stage::new(members(), json!({ "balancer": balancer })).await;
        let seen = stage.chat(CHAT).await;
        assert_eq!(trail(&seen), [("a".to_owned(), word, "complete")]);
    }
    let stage = Stage::new([Member::new("a")], json!({})).await;
    assert_eq!(
        trail(&stage.chat(CHAT).await),
        [("a".to_owned(), "single", "complete")]
    );
}

#[tokio::test]
async fn log_entries_tell_all_attempts() {
    let failure = Behaviour::status(StatusCode::SERVICE_UNAVAILABLE);
    let nowhere = json!({ "provider": "openai-compatible", "override": null });
    let members = || {
        [
            Member::new("nowhere").priority(2).with(nowhere.clone()),
            Member::behaving("a", failure.clone()).priority(1),
            Member::new("b"),
        ]
    };
    let mut config = all();
    config["logging"] = json!({ "summaries": true });
    let seen = Stage::new(members(), config).await.chat(CHAT).await;
    let entry: Value =
        serde_json::from_str(&log_entry(&seen.ctx, &Logged::default())).expect("JSON");
    let mut attempts = entry["llm_attempts"].clone();
    for attempt in attempts.as_array_mut().expect("an array") {
        assert!(attempt["duration"].is_u64(), "{attempt}");
        attempt
            .as_object_mut()
            .expect("an object")
            .remove("duration");
    }
    let expected = json!([
        { "instance": "nowhere", "chosen": "roundrobin", "status": 500, "ended": "no_host" },
        { "instance": "a", "chosen": "fallback", "status": 503, "ended": "status",
          "fault": "provider" },
        { "instance": "b", "chosen": "fallback", "status": 200, "ended": "complete" },
    ]);
    assert_eq!(attempts, expected);

    let seen = Stage::new(members(), all()).await.chat(CHAT).await;
    let entry: Value =
        serde_json::from_str(&log_entry(&seen.ctx, &Logged::default())).expect("JSON");
    assert_eq!(entry.get("llm_attempts"), None);
}

#[tokio::test]
async fn variables_list_all_attempts() {
    let failure = Behaviour::status(StatusCode::TOO_MANY_REQUESTS);
    let members = [Member::behaving("a", failure).priority(1), Member::new("b")];
    let stage = Stage::new(members, all()).await;
    let seen = stage.chat(STREAM).await;
    let read = |name: &str| {
        let value = plugin::Var::named(name).value(&seen.ctx).expect("a value");
        value.into_text().into_owned()
    };
    let addresses = ["a", "b"].map(|name| stage.upstream(name).address().to_string());
    assert_eq!(read("upstream_addr"), addresses.join(", "));
    assert_eq!(read("upstream_status"), "429, 200");
    assert_eq!(read("balancer_ip"), "b");
    assert_eq!(read("upstream_response_time").matches(", ").count(), 1);
}
