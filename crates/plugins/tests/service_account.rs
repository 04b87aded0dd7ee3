//! `auth.gcp`: requests carry a token of a Google service account.

#[expect(dead_code, reason = "the tests of whole plugins use the rest")]
mod support;

use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use net::dns::System;
use net::health::Prober;
use plugin::Environment;
use serde_json::{Value, json};
use simulator::{Behaviour, Place, Running, Simulator};
use support::{Bench, post};

const CHAT: &str = r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}"#;

static PEM: LazyLock<String> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("its encoding");
    let text = STANDARD.encode(der.as_ref());
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
});

async fn simulator() -> Running {
    Simulator::bind("127.0.0.1:0").await.expect("a free port")
}

/// A token endpoint that gives `token`.
async fn endpoint(token: &str) -> Running {
    let endpoint = simulator().await;
    let answer = json!({ "access_token": token, "expires_in": 3600, "token_type": "Bearer" });
    let body = Some(vec![Bytes::from(answer.to_string())]);
    endpoint.script().set_default(Behaviour {
        body,
        ..Behaviour::default()
    });
    endpoint
}

fn key_file(endpoint: &Running) -> String {
    let uri = endpoint.url("/token");
    json!({ "client_email": "robot@p.example", "private_key": *PEM, "token_uri": uri }).to_string()
}

/// The value of `Authorization` that the last request had.
fn authorization(upstream: &Running) -> Option<String> {
    let entry = upstream.journal().last().expect("a request");
    entry.request.header("authorization").map(str::to_owned)
}

fn proxy(upstream: &Running, auth: &Value) -> Value {
    json!({ "provider": "openai", "auth": auth, "override": { "endpoint": upstream.url("") } })
}

#[tokio::test]
async fn the_token_wins_over_the_clients_and_the_configured_authorization() {
    let (upstream, endpoint) = (simulator().await, endpoint("t-1").await);
    let auth = json!({
        "header": { "Authorization": "Bearer configured" },
        "gcp": { "service_account_json": key_file(&endpoint) },
    });
    let bench = Bench::new("ai-proxy", &proxy(&upstream, &auth));
    for _ in 0..3 {
        let theirs = [("authorization", "Bearer theirs")];
        let seen = bench
            .send(post("/v1/chat/completions", CHAT, &theirs))
            .await;
        assert_eq!(seen.status, StatusCode::OK);
        assert_eq!(authorization(&upstream).as_deref(), Some("Bearer t-1"));
    }
    assert_eq!(endpoint.journal().stats().requests, 1);
}

#[tokio::test]
async fn the_next_snapshot_takes_the_token_over() {
    let (upstream, endpoint) = (simulator().await, endpoint("t-1").await);
    let auth = json!({ "gcp": { "service_account_json": key_file(&endpoint) } });
    let config = proxy(&upstream, &auth);
    let bench = Bench::new("ai-proxy", &config);
    bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    let next = bench.next("/routes/2", "ai-proxy", &config);
    next.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(authorization(&upstream).as_deref(), Some("Bearer t-1"));
    assert_eq!(endpoint.journal().stats().requests, 1);
}

#[tokio::test]
async fn without_a_key_file_the_environment_has_it() {
    let (upstream, endpoint) = (simulator().await, endpoint("t-1").await);
    let config = proxy(&upstream, &json!({ "gcp": {} }));
    let variable = ("GCP_SERVICE_ACCOUNT".to_owned(), key_file(&endpoint));
    let environment = Environment::from_iter([variable]);
    let bench = Bench::within(&environment, "ai-proxy", &config);
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(authorization(&upstream).as_deref(), Some("Bearer t-1"));

    let bench = Bench::new("ai-proxy", &config);
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    let told = "failed to get gcp access token: no service account, expected \
                auth.gcp.service_account_json or the environment variable GCP_SERVICE_ACCOUNT";
    assert_eq!(seen.json(), json!({ "error_msg": told }));
    assert_eq!(upstream.journal().stats().requests, 1);
}

#[tokio::test]
async fn another_account_is_a_new_beginning() {
    let (upstream, other) = (simulator().await, simulator().await);
    let (refusing, giving) = (simulator().await, endpoint("t-2").await);
    refusing
        .script()
        .set_default(Behaviour::status(StatusCode::UNAUTHORIZED));
    let config = |account: &str| {
        let gcp = json!({ "gcp": { "service_account_json": account } });
        let mut cloud = proxy(&upstream, &gcp);
        let mut spare = proxy(&other, &json!({}));
        for (instance, name, priority) in [(&mut cloud, "cloud", 1), (&mut spare, "spare", 0)] {
            instance["name"] = name.into();
            instance["weight"] = 1.into();
            instance["priority"] = priority.into();
            instance["breaker"] = json!({ "key_faults": 1 });
        }
        json!({ "instances": [cloud, spare], "fallback_strategy": ["http_5xx"] })
    };
    let first = Bench::new("ai-proxy-multi", &config(&key_file(&refusing)));
    let asked = async |bench: &Bench| {
        let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
        seen.ctx.attempts.len()
    };
    assert_eq!((asked(&first).await, asked(&first).await), (2, 1));
    let same = first.next("/routes/1", "ai-proxy-multi", &config(&key_file(&refusing)));
    assert_eq!(
        asked(&same).await,
        1,
        "what is known of the account stays known"
    );
    assert_eq!(upstream.journal().stats().requests, 0);

    let next = first.next("/routes/1", "ai-proxy-multi", &config(&key_file(&giving)));
    assert_eq!(asked(&next).await, 1);
    assert_eq!(authorization(&upstream).as_deref(), Some("Bearer t-2"));
}

#[tokio::test]
async fn without_a_token_another_instance_is_asked() {
    let (upstream, other, endpoint) = (simulator().await, simulator().await, simulator().await);
    let refusal = Behaviour::status(StatusCode::UNAUTHORIZED);
    endpoint.script().set_default(refusal);
    let gcp = json!({ "gcp": { "service_account_json": key_file(&endpoint) } });
    let instance = |name: &str, upstream: &Running, auth: &Value, priority: i64| {
        let mut instance = proxy(upstream, auth);
        instance["name"] = name.into();
        instance["weight"] = 1.into();
        instance["priority"] = priority.into();
        instance
    };
    let config = json!({
        "instances": [
            instance("cloud", &upstream, &gcp, 1),
            instance("spare", &other, &json!({}), 0),
        ],
        "fallback_strategy": ["http_5xx"],
    });
    let bench = Bench::new("ai-proxy-multi", &config);
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::OK);
    let attempts = seen.ctx.attempts.iter();
    let trail: Vec<_> = attempts.map(|one| (one.status, one.ended)).collect();
    assert_eq!(trail, [(Some(500), "credential"), (Some(200), "complete")]);
    assert_eq!(upstream.journal().stats().requests, 0);

    let alone = json!({ "instances": [instance("cloud", &upstream, &gcp, 1)] });
    let bench = Bench::new("ai-proxy-multi", &alone);
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    let told = "failed to get gcp access token: the token endpoint answered 401";
    assert_eq!(seen.json(), json!({ "error_msg": told }));
}

#[tokio::test]
async fn waiting_for_a_token_is_part_of_the_time_of_all_attempts() {
    let (upstream, silent) = (simulator().await, simulator().await);
    silent.script().set_default(Behaviour {
        stall_after: Some(Place::Head),
        ..Behaviour::default()
    });
    let auth = json!({ "gcp": { "service_account_json": key_file(&silent) } });
    let mut config = proxy(&upstream, &auth);
    config["timeouts"] = json!({ "total_ms": 1000 });
    let bench = Bench::new("ai-proxy", &config);
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::GATEWAY_TIMEOUT);
    let [attempt] = &seen.ctx.attempts[..] else {
        panic!("one attempt");
    };
    assert_eq!(
        (attempt.ended, attempt.status),
        ("total_timeout", Some(504))
    );
    assert!(attempt.response.is_some() && attempt.peer.is_none());
    assert_eq!(upstream.journal().stats().requests, 0);
}

#[tokio::test]
async fn a_probe_carries_no_token() {
    let (upstream, endpoint) = (simulator().await, endpoint("t-1").await);
    let auth = json!({ "gcp": { "service_account_json": key_file(&endpoint) } });
    let mut one = proxy(&upstream, &auth);
    one["name"] = json!("one");
    one["weight"] = json!(1);
    one["checks"] = json!({ "active": {} });
    let other = json!({
        "name": "other", "weight": 1, "provider": "openai", "auth": {},
    });
    let bench = Bench::new("ai-proxy-multi", &json!({ "instances": [one, other] }));
    let probers = bench.living().all::<Prober>();
    let prober = probers.first().expect("a prober");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    prober.turn(&System).await;
    assert_eq!(authorization(&upstream), None);
    assert_eq!(endpoint.journal().stats().requests, 0);
}

#[tokio::test]
async fn vertex_ai_is_asked_at_the_path_of_its_project_and_region() {
    let (upstream, endpoint) = (simulator().await, endpoint("t-1").await);
    let mut config = proxy(
        &upstream,
        &json!({ "gcp": { "service_account_json": key_file(&endpoint) } }),
    );
    config["provider"] = json!("vertex-ai");
    config["override"]["llm_options"] = json!({ "max_tokens": 9 });
    config["provider_conf"] = json!({ "project_id": "p-1", "region": "europe-west4" });
    let bench = Bench::new("ai-proxy", &config);
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::OK);
    let entry = upstream.journal().last().expect("a request");
    assert_eq!(
        entry.request.uri.path(),
        "/v1beta1/projects/p-1/locations/europe-west4/endpoints/openapi/chat/completions"
    );
    assert_eq!(authorization(&upstream).as_deref(), Some("Bearer t-1"));
    let body: Value = serde_json::from_slice(&entry.request.body).expect("JSON");
    assert_eq!(body["max_completion_tokens"], 9);
}

#[tokio::test]
async fn without_a_place_the_endpoint_has_to_name_the_path() {
    let upstream = simulator().await;
    let mut config = proxy(
        &upstream,
        &json!({ "header": { "authorization": "Bearer t" } }),
    );
    config["provider"] = json!("vertex-ai");
    let bench = Bench::new("ai-proxy", &config);
    let seen = bench.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    let told = seen.json()["error_msg"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        told.starts_with("could not resolve upstream path: "),
        "{told}"
    );
    config["override"]["endpoint"] = json!(upstream.url("/here/chat/completions"));
    let seen = bench.next("/routes/2", "ai-proxy", &config);
    let seen = seen.send(post("/v1/chat/completions", CHAT, &[])).await;
    assert_eq!(seen.status, StatusCode::OK);
}
