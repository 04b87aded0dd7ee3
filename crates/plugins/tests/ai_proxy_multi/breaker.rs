//! Instances that real requests have found wanting.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::heard::Heard;
use crate::stage::{
    CHAT, CONTENT, Member, STREAM, Stage, broken_off, cut, instance_of, join_all, pass, stall,
    status, statuses, trail,
};
use crate::support::{Seen, post};

pub(crate) fn asking_for(code: u16, header: &'static str, wait: &str) -> Behaviour {
    let mut behaviour = status(code);
    let name = header.parse().expect("a header name");
    let wait = wait.parse().expect("a header value");
    behaviour.headers.push((name, wait));
    behaviour
}

pub(crate) fn keyed(member: Member, mut more: Value) -> Member {
    more["auth"] = json!({ "header": { "Authorization": "Bearer k" } });
    member.with(more)
}

pub(crate) fn all() -> Value {
    json!({ "fallback_strategy": "instance_health_and_rate_limiting" })
}

/// A preferred `a` that behaves so, and a `b` that answers.
async fn pair(behaviour: Behaviour, config: Value) -> Stage {
    let a = keyed(Member::behaving("a", behaviour).priority(1), json!({}));
    Stage::new([a, Member::new("b")], config).await
}

/// The instances asked by `count` requests.
async fn asked(stage: &Stage, count: usize) -> Vec<Vec<String>> {
    let mut asked = Vec::with_capacity(count);
    for _ in 0..count {
        let seen = stage.chat(CHAT).await;
        asked.push(trail(&seen).into_iter().map(|(name, ..)| name).collect());
    }
    asked
}

/// When the client is told to come back.
pub(crate) fn retry_after(seen: &Seen) -> Option<&str> {
    seen.headers.get("retry-after")?.to_str().ok()
}

/// Whose fault each attempt was.
fn faults(seen: &Seen) -> Vec<&'static str> {
    let attempts = seen.ctx.attempts.iter();
    attempts.map(|attempt| attempt.fault).collect()
}

#[tokio::test]
async fn five_faults_in_a_row_move_requests_elsewhere() {
    let stage = pair(status(500), all()).await;
    let both = ["a", "b"].map(str::to_owned).to_vec();
    assert_eq!(asked(&stage, 5).await, vec![both; 5]);
    assert_eq!(asked(&stage, 3).await, vec![vec!["b".to_owned()]; 3]);
}

#[tokio::test]
async fn whatever_stands_for_5xx_counts_as_one() {
    let (silent, cut) = (stall(Place::Head), cut(Place::Head));
    let garbage = Behaviour {
        garbage: true,
        ..Behaviour::default()
    };
    for faults in [
        [&silent; 5],
        [&cut; 5],
        [&garbage; 5],
        [&silent, &cut, &status(503), &garbage, &status(500)],
    ] {
        let patient = json!({ "breaker": { "window_ms": 3_600_000 } });
        let a = keyed(Member::new("a").priority(1), patient);
        let stage = Stage::new([a, Member::new("b")], all()).await;
        for fault in faults {
            stage.upstream("a").script().push(fault.clone());
            let seen = if *fault == silent {
                // Longer than the default `timeout`.
                stage.chat_through(CHAT, "a", Duration::from_secs(31)).await
            } else {
                stage.chat(CHAT).await
            };
            assert_eq!(trail(&seen).len(), 2);
        }
        assert_eq!(asked(&stage, 1).await, [["b"]], "{faults:?}");
    }
}

#[tokio::test]
async fn faults_count_only_in_a_row_and_within_ten_seconds() {
    let stage = pair(status(500), all()).await;
    asked(&stage, 4).await;
    stage.upstream("a").script().push(Behaviour::text("well"));
    asked(&stage, 1 + 4).await;
    assert_eq!(stage.counts()["a"], 9);
    // The first of the four is too old when the fifth comes.
    pass(Duration::from_secs(11)).await;
    asked(&stage, 4).await;
    assert_eq!(stage.counts()["a"], 13);
    asked(&stage, 2).await;
    assert_eq!(stage.counts()["a"], 14);
}

#[tokio::test]
async fn streams_that_break_off_count_as_faults() {
    let broken = broken_off(&[CONTENT], cut);
    let stage = pair(broken, json!({})).await;
    for _ in 0..5 {
        let seen = stage.chat(STREAM).await;
        assert_eq!(instance_of(&seen), "a");
        assert_eq!(faults(&seen), ["provider"]);
    }
    assert_eq!(instance_of(&stage.chat(STREAM).await), "b");
}

#[tokio::test]
async fn a_key_that_is_refused_moves_requests_elsewhere() {
    for code in [401, 402, 403, 429] {
        let stage = pair(status(code), json!({})).await;
        for _ in 0..3 {
            let seen = stage.chat(CHAT).await;
            assert_eq!((seen.status.as_u16(), faults(&seen)), (code, vec!["key"]));
        }
        assert_eq!(instance_of(&stage.chat(CHAT).await), "b", "{code}");
    }
}

#[tokio::test]
async fn what_clients_cause_moves_nobody() {
    let too_long = || {
        let body = r#"{"error":{"code":"context_length_exceeded"}}"#;
        Behaviour::json(StatusCode::BAD_REQUEST, body)
    };
    for (behaviour, fault) in [
        (status(400), "client"),
        (status(404), "client"),
        (too_long(), "context_length"),
    ] {
        let stage = pair(behaviour, json!({})).await;
        for _ in 0..12 {
            let seen = stage.chat(CHAT).await;
            assert_eq!(
                (instance_of(&seen), faults(&seen)),
                ("a".to_owned(), vec![fault])
            );
        }
    }
    // The key that was refused is the client's own.
    let a = Member::behaving("a", status(401)).priority(1);
    let stage = Stage::new([a, Member::new("b")], json!({})).await;
    for _ in 0..12 {
        assert_eq!(faults(&stage.chat(CHAT).await), ["client"]);
    }
}

#[tokio::test]
async fn a_disabled_one_changes_nothing() {
    let disabled = json!({ "breaker": { "enabled": false } });
    let a = Member::behaving("a", asking_for(429, "retry-after", "9")).priority(1);
    let b = Member::behaving("b", status(500));
    let members = [keyed(a, disabled.clone()), b.with(disabled)];
    let stage = Stage::new(members, all()).await;
    for _ in 0..12 {
        let seen = stage.chat(CHAT).await;
        assert_eq!(
            (statuses(&seen), retry_after(&seen)),
            (vec![429, 500], None)
        );
    }
}

#[tokio::test]
async fn one_request_finds_out_whether_it_has_recovered() {
    let stage = pair(status(500), all()).await;
    asked(&stage, 5).await;
    pass(Duration::from_secs(5)).await;
    // The probe is let go only when the others have been served.
    stage.upstream("a").script().set_default(stall(Place::Head));
    let mut probe = Box::pin(stage.chat(CHAT));
    loop {
        let tick = async { tokio::task::yield_now().await };
        tokio::select! {
            biased;
            _ = &mut probe => panic!("the probe was answered"),
            () = tick => {}
        }
        if stage.counts()["a"] == 6 {
            break;
        }
    }
    assert_eq!(asked(&stage, 3).await, vec![vec!["b".to_owned()]; 3]);
    // A client that leaves gives its probe back.
    drop(probe);
    stage
        .upstream("a")
        .script()
        .set_default(Behaviour::text("well"));
    let seen = stage.chat(CHAT).await;
    assert_eq!(trail(&seen), [("a".to_owned(), "probe", "complete")]);
    let seen = stage.chat(CHAT).await;
    assert_eq!(trail(&seen), [("a".to_owned(), "roundrobin", "complete")]);
}

#[tokio::test]
async fn of_many_requests_at_once_one_probes() {
    let stage = pair(status(500), all()).await;
    asked(&stage, 5).await;
    for (attempt, wait) in [(6, 5), (7, 10)] {
        pass(Duration::from_secs(wait)).await;
        let crowd = join_all((0..20).map(|_| stage.chat(CHAT))).await;
        assert!(crowd.iter().all(|seen| seen.status == StatusCode::OK));
        let probes = crowd.iter().filter(|seen| trail(seen)[0].1 == "probe");
        assert_eq!((probes.count(), stage.counts()["a"]), (1, attempt));
    }
}

#[tokio::test]
async fn what_the_upstream_asks_for_is_waited_for() {
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(31));
    for (header, wait) in [
        ("retry-after", "30"),
        ("retry-after-ms", "30000"),
        ("retry-after", &date),
    ] {
        let stage = pair(asking_for(429, header, wait), all()).await;
        asked(&stage, 3).await;
        pass(Duration::from_secs(28)).await;
        assert_eq!(asked(&stage, 1).await, [["b"]], "{header}");
        pass(Duration::from_secs(4)).await;
        assert_eq!(asked(&stage, 1).await, [["a", "b"]], "{header}");
    }
}

#[tokio::test]
async fn when_all_are_open_whoever_recovers_soonest_is_asked_all_the_same() {
    let slow = keyed(
        Member::behaving("a", asking_for(429, "retry-after", "60")).priority(1),
        json!({}),
    );
    let stage = Stage::new([slow, Member::behaving("b", status(500))], all()).await;
    asked(&stage, 5).await;
    let seen = stage.chat(CHAT).await;
    assert_eq!(
        trail(&seen),
        [
            ("b".to_owned(), "soonest", "status"),
            ("a".to_owned(), "soonest", "status"),
        ]
    );
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    stage
        .upstream("b")
        .script()
        .set_default(Behaviour::text("well"));
    let seen = stage.chat(CHAT).await;
    assert_eq!(trail(&seen), [("b".to_owned(), "soonest", "complete")]);
    assert_eq!(asked(&stage, 1).await, [["b"]]);
}

#[tokio::test]
async fn what_is_known_survives_other_changes_and_ends_with_the_key() {
    let stage = pair(status(500), all()).await;
    asked(&stage, 5).await;
    let chat = || post("/v1/chat/completions", CHAT, &[]);
    let mut changed = stage.config.clone();
    changed["timeout"] = json!(20_000);
    changed["instances"][1]["weight"] = json!(7);
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &changed);
    assert_eq!(trail(&next.send(chat()).await)[0].0, "b");
    changed["instances"][0]["auth"]["header"]["Authorization"] = json!("Bearer new");
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &changed);
    assert_eq!(trail(&next.send(chat()).await)[0].0, "a");
}

#[tokio::test]
async fn another_service_account_is_a_new_beginning() {
    // Neither is one that could have a token.
    let account = |text: &str| json!({ "gcp": { "service_account_json": text } });
    let a = Member::new("a").priority(1);
    let a = a.with(json!({ "auth": account(r#"{"a":1}"#) }));
    let stage = Stage::new([a, Member::new("b")], all()).await;
    for _ in 0..3 {
        let seen = stage.chat(CHAT).await;
        assert_eq!(trail(&seen)[0], ("a".into(), "roundrobin", "credential"));
        assert_eq!(faults(&seen), ["key", ""]);
    }
    assert_eq!(asked(&stage, 1).await, [["b"]]);
    let mut changed = stage.config.clone();
    changed["instances"][0]["auth"] = account(r#"{"a":2}"#);
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &changed);
    let seen = next.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(trail(&seen)[0].0, "a");
    assert_eq!(asked(&stage, 1).await, [["b"]]);
}

#[tokio::test]
async fn every_algorithm_asks_around_an_open_one_and_the_soonest_when_all_are() {
    for balancer in [
        json!({ "algorithm": "roundrobin" }),
        json!({ "algorithm": "chash", "key": "uri" }),
        json!({ "algorithm": "least_busy" }),
        json!({ "algorithm": "ewma" }),
        json!({ "algorithm": "prefix" }),
    ] {
        let breaker = |open: u64| json!({ "breaker": { "faults": 1, "open_ms": open } });
        let members = [
            Member::behaving("a", status(500)).with(breaker(20_000)),
            Member::behaving("b", status(500)).with(breaker(10_000)),
            Member::new("spare").weight(0),
        ];
        let mut config = all();
        config["balancer"] = balancer.clone();
        let stage = Stage::new(members, config).await;
        assert_eq!(stage.chat(CHAT).await.status, StatusCode::BAD_GATEWAY);
        for name in ["a", "b"] {
            let well = Behaviour::text(format!("from {name}"));
            stage.upstream(name).script().set_default(well);
        }
        let seen = stage.chat(CHAT).await;
        assert_eq!(
            trail(&seen),
            [("b".into(), "soonest", "complete")],
            "{balancer}"
        );
        // It is known to be well again, and `a` is not.
        assert_eq!(asked(&stage, 4).await, [["b"]; 4], "{balancer}");
        assert_eq!(stage.counts()["spare"], 0, "{balancer}");
    }
}

#[tokio::test]
async fn streams_that_report_a_failure_after_content_count_as_faults_and_whole_ones_end_the_row() {
    let content = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ah\"}}]}\n\n";
    let report = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    let stage = pair(Behaviour::events([content, report]), json!({})).await;
    let ask = async |count: usize| {
        for _ in 0..count {
            let seen = stage.chat(STREAM).await;
            let told = (trail(&seen)[0].2, faults(&seen)[0]);
            assert_eq!(told, ("error_event", "provider"));
        }
    };
    ask(4).await;
    let whole = Behaviour::events([content, "data: [DONE]\n\n"]);
    stage.upstream("a").script().push(whole);
    assert_eq!(faults(&stage.chat(STREAM).await), [""]);
    ask(4).await;
    assert_eq!(stage.counts()["b"], 0);
    ask(1).await;
    assert_eq!(instance_of(&stage.chat(STREAM).await), "b");
}

#[tokio::test]
async fn refused_keys_are_seen_whatever_is_asked_for() {
    for (uri, body) in [
        ("/v1/images/generations", r#"{"prompt":"a cat"}"#),
        ("/v1/embeddings", r#"{"model":"m","input":"hi"}"#),
    ] {
        let stage = pair(status(401), json!({})).await;
        for _ in 0..3 {
            let seen = stage.ask(uri, body, &[]).await;
            assert_eq!(
                (instance_of(&seen), faults(&seen)),
                ("a".into(), vec!["key"])
            );
        }
        assert_eq!(instance_of(&stage.ask(uri, body, &[]).await), "b", "{uri}");
    }
}

#[tokio::test]
async fn time_that_others_used_up_is_not_held_against_the_last() {
    let mut config = all();
    config["timeouts"] = json!({ "total_ms": 20_000 });
    let a = Member::behaving("a", status(500)).priority(1);
    let b = Member::behaving("b", stall(Place::Head));
    let stage = Stage::new([a, b], config).await;
    let seen = stage.chat_through(CHAT, "b", Duration::from_secs(21)).await;
    assert_eq!(trail(&seen)[1].2, "total_timeout");
    assert_eq!(faults(&seen), ["provider", ""]);
}

#[tokio::test]
async fn the_log_tells_when_one_opens_and_when_it_closes() {
    let heard = Heard::listening();
    let stage = pair(status(401), json!({})).await;
    asked(&stage, 2).await;
    let opened = "others are asked first for a while";
    assert!(!heard.has("WARN", opened), "{}", heard.lines());
    asked(&stage, 1).await;
    assert!(heard.has("WARN", opened), "{}", heard.lines());
    for field in [
        "resource=\"/routes/1\"",
        "instance=\"a\"",
        "fault=\"key\"",
        "for_ms=5000",
    ] {
        assert!(heard.has("WARN", field), "{field}: {}", heard.lines());
    }
    let well = Behaviour::text("well");
    stage.upstream("a").script().set_default(well);
    pass(Duration::from_secs(5)).await;
    asked(&stage, 1).await;
    assert!(heard.has("INFO", "answers again"), "{}", heard.lines());
}

#[tokio::test]
async fn a_single_instance_has_none() {
    let a = keyed(Member::behaving("a", status(401)), json!({}));
    let stage = Stage::new([a], json!({})).await;
    for _ in 0..8 {
        let seen = stage.chat(CHAT).await;
        assert_eq!(trail(&seen), [("a".into(), "single", "complete")]);
    }
}

#[tokio::test]
async fn each_of_its_bounds_does_something() {
    let stage = async |fault: u16, breaker: Value| {
        let a = Member::behaving("a", status(fault)).priority(1);
        let a = keyed(a, json!({ "breaker": breaker }));
        Stage::new([a, Member::new("b")], all()).await
    };
    // Seconds of a busy machine make no difference.
    let window = stage(500, json!({ "faults": 2, "window_ms": 60_000 })).await;
    asked(&window, 1).await;
    pass(Duration::from_secs(61)).await;
    assert_eq!(asked(&window, 2).await, [["a", "b"], ["a", "b"]]);
    assert_eq!(asked(&window, 1).await, [["b"]]);

    let wide = stage(500, json!({ "faults": 2, "window_ms": 60_000 })).await;
    asked(&wide, 1).await;
    pass(Duration::from_secs(30)).await;
    asked(&wide, 1).await;
    assert_eq!(asked(&wide, 1).await, [["b"]]);

    let key = stage(401, json!({ "key_faults": 1, "open_ms": 60_000 })).await;
    asked(&key, 1).await;
    assert_eq!(asked(&key, 1).await, [["b"]]);

    let bounds = json!({ "faults": 1, "open_ms": 200_000, "max_open_ms": 300_000 });
    let longest = stage(500, bounds).await;
    asked(&longest, 1).await;
    for wait in [200, 300, 300] {
        pass(Duration::from_secs(wait - 60)).await;
        assert_eq!(asked(&longest, 1).await, [["b"]], "{wait}");
        pass(Duration::from_mins(1)).await;
        assert_eq!(asked(&longest, 1).await, [["a", "b"]], "{wait}");
    }
}

#[tokio::test]
async fn its_bounds_are_the_configured_ones() {
    let breaker = json!({ "breaker": { "faults": 2, "open_ms": 1000 } });
    let a = Member::behaving("a", status(500)).priority(1).with(breaker);
    let stage = Stage::new([a, Member::new("b")], all()).await;
    asked(&stage, 2).await;
    assert_eq!(asked(&stage, 1).await, [["b"]]);
    pass(Duration::from_secs(1)).await;
    assert_eq!(asked(&stage, 2).await, [vec!["a", "b"], vec!["b"]]);
}
