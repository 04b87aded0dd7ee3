//! References to secrets that have no value: here they stand as they were written.

use http::StatusCode;
use net::health::{Checker, Prober};
use serde_json::{Value, json};
use simulator::{Running, Simulator};

use crate::health;
use crate::stage::{CHAT, Member, Stage, instance_of, statuses, trail};
use crate::support::{Bench, post};

const GONE: &str = "$env://GONE";
const AT_VAULT: &str = "$secret://vault/main/openai/key";

/// The ways to give an instance a credential, each with one that has no value.
fn credentials() -> [Value; 6] {
    [
        json!({ "header": { "authorization": GONE } }),
        json!({ "header": { "x-other": "k", "authorization": AT_VAULT } }),
        json!({ "query": { "key": AT_VAULT } }),
        json!({ "gcp": { "service_account_json": GONE } }),
        json!({ "aws": { "access_key_id": "a", "secret_access_key": GONE } }),
        json!({ "aws": { "access_key_id": "a", "secret_access_key": "s", "session_token": GONE } }),
    ]
}

/// What is no credential and would reach the upstream.
fn settings() -> [Value; 5] {
    [
        json!({ "options": { "model": AT_VAULT } }),
        json!({ "options": { "metadata": { "tags": ["x", GONE] } } }),
        json!({ "override": { "endpoint": GONE } }),
        json!({ "override": { "request_body": { "openai-chat": { "user": GONE } } } }),
        json!({ "override": { "request_body": { "passthrough": { "a": { "b": GONE } } } } }),
    ]
}

/// A preferred instance with these settings, and one that answers.
async fn pair(more: Value, config: Value) -> Stage {
    let members = [Member::new("a").priority(1).with(more), Member::new("b")];
    Stage::new(members, config).await
}

#[tokio::test]
async fn an_instance_without_its_credential_fails_alone_and_another_one_answers() {
    for strategy in ["http_5xx", "instance_health_and_rate_limiting"] {
        for auth in credentials() {
            let config = json!({ "fallback_strategy": strategy });
            let stage = pair(json!({ "auth": auth }), config).await;
            let seen = stage.chat(CHAT).await;
            assert_eq!(
                (seen.status, instance_of(&seen)),
                (StatusCode::OK, "b".to_owned())
            );
            let expected = [
                ("a", "roundrobin", "credential"),
                ("b", "fallback", "complete"),
            ];
            let expected = expected.map(|(name, why, how)| (name.to_owned(), why, how));
            assert_eq!(trail(&seen), expected, "{auth}");
            assert_eq!(statuses(&seen), [500, 200]);
            assert_eq!(seen.ctx.attempts[0].fault, "key");
            assert_eq!(stage.counts()["a"], 0, "{auth}");
        }
    }
}

#[tokio::test]
async fn what_else_would_reach_the_upstream_fails_the_attempt_too() {
    for more in settings() {
        let config = json!({ "fallback_strategy": "http_5xx" });
        let stage = pair(more.clone(), config).await;
        let seen = stage.chat(CHAT).await;
        assert_eq!(seen.status, StatusCode::OK, "{more}");
        assert_eq!(seen.ctx.attempts[0].ended, "reference", "{more}");
        assert_eq!(statuses(&seen), [500, 200]);
        assert_eq!(stage.counts()["a"], 0, "{more}");
    }
}

#[tokio::test]
async fn without_a_fallback_the_client_is_told_and_learns_no_reference() {
    for more in credentials()
        .map(|auth| json!({ "auth": auth }))
        .into_iter()
        .chain(settings())
    {
        let seen = pair(more.clone(), json!({})).await.chat(CHAT).await;
        assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR, "{more}");
        let told = seen.json()["error_msg"]
            .as_str()
            .expect("a message")
            .to_owned();
        assert!(told.starts_with("the gateway "), "{told}");
        assert!(!told.contains("GONE") && !told.contains("vault"), "{told}");
    }
}

#[tokio::test]
async fn a_single_model_without_its_credential_is_answered_with_500() {
    let upstream = Simulator::bind("127.0.0.1:0").await.expect("a free port");
    for auth in credentials() {
        let config = json!({
            "provider": "openai", "auth": auth, "override": { "endpoint": upstream.url("") },
        });
        let bench = Bench::new("ai-proxy", &config);
        let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
        assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(seen.ctx.attempts[0].ended, "credential");
    }
    assert_eq!(upstream.journal().stats().requests, 0);
}

#[tokio::test]
async fn after_some_attempts_others_are_asked_first() {
    let auth = json!({ "auth": { "header": { "authorization": GONE } } });
    let more = json!({ "auth": auth["auth"], "breaker": { "key_faults": 2 } });
    let stage = pair(more, json!({ "fallback_strategy": "http_5xx" })).await;
    for _ in 0..2 {
        assert_eq!(statuses(&stage.chat(CHAT).await), [500, 200]);
    }
    assert_eq!(statuses(&stage.chat(CHAT).await), [200]);
}

#[tokio::test]
async fn probes_leave_out_what_has_no_value() {
    let mut checks = health::checks();
    checks["active"]["req_headers"] = json!([GONE, "X-Probe: 1"]);
    let auth = json!({
        "header": { "authorization": GONE, "x-own": "own" },
        "query": { "key": AT_VAULT, "other": "1" },
    });
    let stage = pair(json!({ "checks": checks, "auth": auth }), json!({})).await;
    health::turn(&stage).await;
    let probe = last(stage.upstream("a"));
    assert!(probe.contains("/health?other=1"), "{probe}");
    assert!(
        probe.contains("x-own") && probe.contains("x-probe"),
        "{probe}"
    );
    assert!(
        !probe.contains('$') && !probe.contains("authorization"),
        "{probe}"
    );
}

#[tokio::test]
async fn where_the_probe_itself_has_no_value_nobody_is_probed() {
    for (name, value) in [
        ("http_path", GONE),
        ("http_req_body", AT_VAULT),
        ("host", GONE),
    ] {
        let mut checks = health::checks();
        checks["active"][name] = json!(value);
        let stage = pair(json!({ "checks": checks }), json!({})).await;
        health::turn(&stage).await;
        assert_eq!(stage.counts()["a"], 0, "{name}");
        assert_eq!(instance_of(&stage.chat(CHAT).await), "a");
    }
}

#[tokio::test]
async fn without_the_key_of_the_embeddings_server_the_fallback_answers() {
    let server = Simulator::bind("127.0.0.1:0").await.expect("a free port");
    let embeddings = |more: Value| {
        let mut embeddings = json!({
            "provider": "openai", "model": "m-embed", "endpoint": server.url(""),
            "auth": { "header": { "authorization": "Bearer e" } },
        });
        for (name, value) in more.as_object().expect("an object") {
            embeddings[name] = value.clone();
        }
        json!({
            "balancer": { "algorithm": "semantic" },
            "semantic_opts": { "embeddings": embeddings, "fallback": "b" },
        })
    };
    for more in [
        json!({ "auth": { "header": { "authorization": GONE } } }),
        json!({ "auth": { "query": { "key": AT_VAULT } } }),
        json!({ "model": GONE }),
        json!({ "endpoint": GONE }),
    ] {
        let examples = json!({ "examples": ["write code"] });
        let members = ["a", "b"].map(|name| Member::new(name).with(examples.clone()));
        let stage = Stage::new(members, embeddings(more.clone())).await;
        let seen = stage.chat(CHAT).await;
        assert_eq!(
            (seen.status, instance_of(&seen)),
            (StatusCode::OK, "b".to_owned()),
            "{more}"
        );
    }
    assert_eq!(server.journal().stats().requests, 0);
}

#[tokio::test]
async fn nothing_that_lives_on_prints_a_credential() {
    const CANARY: &str = "sk-canary-85";
    let mut checks = health::checks();
    checks["active"]["req_headers"] = json!([format!("X-Probe: {CANARY}")]);
    checks["active"]["http_req_body"] = json!(CANARY);
    let auth = json!({ "header": { "authorization": CANARY }, "query": { "key": CANARY } });
    let stage = pair(json!({ "checks": checks, "auth": auth }), json!({})).await;
    health::turn(&stage).await;
    assert!(last(stage.upstream("a")).contains(CANARY), "probes have it");
    let theirs = [("authorization", CANARY), ("x-api-key", CANARY)];
    let uri = format!("/v1/chat/completions?apikey={CANARY}");
    let seen = stage.ask(&uri, CHAT, &theirs).await;
    assert_eq!(seen.status, StatusCode::OK);
    let living = stage.bench.living();
    let printed = format!(
        "{living:?} {:?} {:?} {:?}",
        living.all::<Prober>(),
        living.all::<Checker>(),
        seen.ctx
    );
    assert!(printed.contains("Probe {"), "{printed}");
    assert!(!printed.contains(CANARY), "{printed}");
}

/// Target and headers of the last request, as one text.
fn last(upstream: &Running) -> String {
    let entry = upstream.journal().last().expect("a request");
    format!("{:?}", entry.request).to_lowercase()
}
