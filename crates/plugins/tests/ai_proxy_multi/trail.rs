//! What is recorded of every attempt.

use std::time::Duration;

use plugin::{Logged, log_entry};
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::stage::{CHAT, Member, STREAM, Stage, cut, stall, status, trail};
use crate::support::Seen;

fn all() -> Value {
    json!({ "fallback_strategy": "instance_health_and_rate_limiting" })
}

/// How the attempt at `a` ended, as told beside the answer of `b`.
async fn ended(fault: Behaviour, body: &str) -> &'static str {
    let mut config = all();
    if fault.stall_after.is_some() {
        config["timeout"] = json!(600);
    }
    let members = [Member::behaving("a", fault).priority(1), Member::new("b")];
    let seen = Stage::new(members, config).await.chat(body).await;
    let trail = trail(&seen);
    assert_eq!(trail.len(), 2, "{trail:?}");
    assert_eq!(trail[1], ("b".to_owned(), "fallback", "complete"));
    trail[0].2
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
        (status(429), CHAT, "status"),
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
    let failure = status(503);
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
        let attempt = attempt.as_object_mut().expect("an object");
        let was_asked = attempt["ended"] != "no_host";
        for name in [
            "start_time",
            "header_time",
            "response_time",
            "address",
            "pooled",
        ] {
            assert_eq!(attempt.remove(name).is_some(), was_asked, "{name}");
        }
        assert_eq!(attempt.remove("connect_time").is_some(), was_asked);
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

/// The attempts as a logger sees them.
fn logged(seen: &Seen) -> Vec<Value> {
    let line = log_entry(&seen.ctx, &Logged::default());
    let entry: Value = serde_json::from_str(&line).expect("JSON");
    entry["llm_attempts"].as_array().expect("an array").clone()
}

fn times(attempt: &Value) -> Vec<Option<u64>> {
    let names = [
        "connect_time",
        "header_time",
        "first_content_time",
        "response_time",
    ];
    let times = names.iter().map(|name| attempt[name].as_u64());
    times.collect()
}

#[tokio::test]
async fn the_steps_of_an_attempt_are_told_in_their_order() {
    let paced = Behaviour {
        delay: Duration::from_millis(20),
        // Long, so that no two steps fall into one, however late this thread is.
        interval: Duration::from_millis(300),
        chunks: Some(2),
        ..Behaviour::text("one two")
    };
    let members = [
        Member::behaving("a", status(502)).priority(1),
        Member::behaving("b", paced),
    ];
    let mut config = all();
    config["logging"] = json!({ "summaries": true });
    let stage = Stage::new(members, config).await;
    let (first, second) = (stage.chat(STREAM).await, stage.chat(STREAM).await);
    let (a, b) = (&logged(&first)[0], &logged(&first)[1]);
    assert_eq!(a["address"], stage.upstream("a").address().to_string());
    assert_eq!(b["address"], stage.upstream("b").address().to_string());
    assert_eq!((&a["pooled"], &b["pooled"]), (&json!(false), &json!(false)));
    let [connect, header, content, end] = times(b)[..] else {
        panic!("four times");
    };
    assert!(connect.is_some() && connect <= header, "{b}");
    assert!(
        Some(20) <= header && header < content && content < end,
        "{b}"
    );
    let [_, header, content, end] = times(a)[..] else {
        panic!("four times");
    };
    assert!(
        header.is_some() && content.is_none() && header <= end,
        "{a}"
    );
    // The second attempt began when the first had ended.
    let ended = a["start_time"]
        .as_u64()
        .zip(end)
        .map(|(start, end)| start + end);
    assert!(ended <= b["start_time"].as_u64(), "{a} {b}");

    // The connection to `b` was kept; that of a failure is not.
    let (a, b) = (&logged(&second)[0], &logged(&second)[1]);
    assert_eq!((&a["pooled"], &b["pooled"]), (&json!(false), &json!(true)));
    assert!(b.get("connect_time").is_none() && a["connect_time"].is_u64());
    let entry: Value =
        serde_json::from_str(&log_entry(&second.ctx, &Logged::default())).expect("JSON");
    // The summary is that of the last attempt.
    let summary = &entry["llm_summary"];
    assert_eq!(summary["upstream_response_time"], b["response_time"]);
    assert!(summary["duration"].as_u64() <= b["first_content_time"].as_u64());
}

#[tokio::test]
async fn an_attempt_that_reached_nobody_tells_where_it_wanted_to_go() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    for (endpoint, told, pooled, word) in [
        (
            format!("http://{address}"),
            address.to_string(),
            json!(false),
            "connect",
        ),
        (
            "http://no-such-host.invalid".to_owned(),
            "no-such-host.invalid:80".to_owned(),
            Value::Null,
            "resolve",
        ),
    ] {
        let gone = json!({ "override": { "endpoint": endpoint } });
        let members = [Member::new("a").priority(1).with(gone), Member::new("b")];
        let mut config = all();
        config["logging"] = json!({ "summaries": true });
        let seen = Stage::new(members, config).await.chat(CHAT).await;
        let a = &logged(&seen)[0];
        assert_eq!((&a["address"], &a["pooled"]), (&json!(told), &pooled));
        assert_eq!((&a["ended"], &a["status"]), (&json!(word), &json!(500)));
        let [connect, header, content, end] = times(a)[..] else {
            panic!("four times");
        };
        assert_eq!((connect, header, content), (None, None, None));
        assert!(end.is_some() && a["start_time"].is_u64());
    }
}

#[tokio::test]
async fn variables_list_all_attempts() {
    let failure = status(429);
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
    assert_eq!(read("upstream_instance"), "a, b");
    assert_eq!(read("upstream_chosen"), "roundrobin, fallback");
    assert_eq!(read("upstream_ended"), "status, complete");
    assert!(read("upstream_first_content_time").starts_with("-, 0."));
    assert_eq!(read("upstream_header_time").matches('.').count(), 2);
    let lengths = read("upstream_response_length");
    let (one, other) = lengths.split_once(", ").expect("two lengths");
    assert!(one != "0" && other != "0", "{lengths}");
}

#[tokio::test]
async fn variables_of_attempts_without_an_answer_have_dashes() {
    let silent = stall(Place::Head);
    let nowhere = json!({ "provider": "openai-compatible", "override": null });
    let members = [
        Member::new("nowhere").priority(2).with(nowhere),
        Member::behaving("a", silent).priority(1),
        Member::new("b"),
    ];
    let stage = Stage::new(members, all()).await;
    // The default `timeout` is half of that.
    let seen = stage.chat_through(CHAT, "a", Duration::from_mins(1)).await;
    let read = |name: &str| {
        let value = plugin::Var::named(name).value(&seen.ctx).expect("a value");
        value.into_text().into_owned()
    };
    assert_eq!(read("upstream_status"), "500, 504, 200");
    assert!(read("upstream_addr").starts_with("-, 127.0.0.1:"));
    assert!(read("upstream_header_time").starts_with("-, -, 0."));
    assert!(read("upstream_connect_time").starts_with("-, 0."));
    assert!(read("upstream_response_time").starts_with("-, 0."));
    assert!(read("upstream_response_length").starts_with("0, 0, "));
    assert_eq!(read("upstream_ended"), "no_host, timeout, complete");
}
