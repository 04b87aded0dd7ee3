//! What probes ask, and when they are begun.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use net::health::Prober;
use serde_json::{Value, json};
use simulator::{Behaviour, Simulator};

use crate::health::{answer_health, checks, turn};
use crate::stage::{CHAT, Member, Stage, instance_of};
use crate::support::post;

/// A member whose checks have these fields in `active` beside the usual ones.
fn checked(name: &'static str, active: &Value, more: &Value) -> Member {
    let mut checks = checks();
    for (field, value) in active.as_object().expect("an object") {
        checks["active"][field] = value.clone();
    }
    let mut all = json!({ "checks": checks });
    for (field, value) in more.as_object().expect("an object") {
        all[field] = value.clone();
    }
    Member::new(name).with(all)
}

async fn stage(active: Value, more: Value) -> Stage {
    let members = [checked("a", &active, &more), Member::new("b")];
    Stage::new(members, json!({})).await
}

/// The target and the host of the last probe.
fn asked(stage: &Stage) -> (String, String) {
    let received = stage
        .upstream("a")
        .journal()
        .last()
        .expect("a probe")
        .request;
    let host = received.header("host").expect("a host").to_owned();
    (received.uri.to_string(), host)
}

#[tokio::test]
async fn at_a_bare_address_the_configured_host_is_asked_for() {
    let stage = stage(json!({ "host": "models.example" }), json!({})).await;
    turn(&stage).await;
    assert_eq!(asked(&stage).1, "models.example");
}

#[tokio::test]
async fn at_a_name_that_name_is_asked_for() {
    let stage = stage(json!({ "host": "models.example" }), json!({})).await;
    let mut named = stage.config.clone();
    let port = stage.upstream("a").address().port();
    named["instances"][0]["override"]["endpoint"] = json!(format!("http://localhost:{port}"));
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &named);
    turn(&stage).await;
    drop(next);
    let entries = stage.upstream("a").journal().entries();
    let hosts = entries.iter().map(|entry| entry.request.header("host"));
    let mut hosts: Vec<_> = hosts.collect();
    hosts.sort_unstable();
    assert_eq!(hosts, [Some("localhost"), Some("models.example")]);
}

#[tokio::test]
async fn another_port_can_be_probed() {
    let health = Simulator::bind("127.0.0.1:0").await.expect("a free port");
    let well = Behaviour::status(StatusCode::OK);
    health.script().set_default(well);
    let port = health.address().port();
    let stage = stage(json!({ "port": port }), json!({ "priority": 1 })).await;
    turn(&stage).await;
    // Requests still go to the port of the instance.
    assert_eq!(stage.sequence(2).await, ["a"; 2]);
    assert_eq!(health.journal().stats().requests, 1);
    let unwell = Behaviour::status(StatusCode::SERVICE_UNAVAILABLE);
    health.script().set_default(unwell);
    turn(&stage).await;
    assert_eq!(stage.sequence(2).await, ["b"; 2]);
    assert_eq!(stage.counts()["a"], 2);
}

#[tokio::test]
async fn credentials_stay_out_of_the_configured_path() {
    let auth = json!({ "auth": { "query": { "key": "a&b" } } });
    let stage = stage(json!({}), auth).await;
    for _ in 0..2 {
        turn(&stage).await;
        assert_eq!(asked(&stage).0, "/health?key=a%26b");
        // Compiled again, the same configuration asks the same.
        let next = stage
            .bench
            .next("/routes/1", "ai-proxy-multi", &stage.config);
        assert_eq!(stage.bench.living().all::<Prober>().len(), 1);
        drop(next);
    }
}

#[tokio::test]
async fn checks_without_their_halves_probe_every_second() {
    let bare = Member::new("a").with(json!({ "checks": { "active": {} } }));
    let stage = Stage::new([bare, Member::new("b")], json!({})).await;
    let probers = stage.bench.living().all::<Prober>();
    let probe = probers.first().expect("a prober").probe();
    let second = Duration::from_secs(1);
    assert_eq!((probe.rise.interval, probe.fall.interval), (second, second));
    assert_eq!(probe.timeout, second);
}

#[tokio::test]
async fn checks_that_come_later_leave_out_who_was_chosen_before() {
    let members = [Member::new("a").priority(1), Member::new("b")];
    let stage = Stage::new(members, json!({})).await;
    assert_eq!(stage.sequence(2).await, ["a"; 2]);
    answer_health(&stage, "a", StatusCode::SERVICE_UNAVAILABLE);
    let mut later = stage.config.clone();
    later["instances"][0]["checks"] = checks();
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &later);
    let chosen = async || {
        let ctx = post("/v1/chat/completions", CHAT, &[]);
        instance_of(&next.send(ctx).await)
    };
    assert_eq!(chosen().await, "a");
    turn(&stage).await;
    assert_eq!(chosen().await, "b");
}

#[tokio::test]
async fn what_other_checks_of_another_route_know_is_not_taken_over() {
    let stage = stage(json!({}), json!({ "priority": 1 })).await;
    answer_health(&stage, "a", StatusCode::SERVICE_UNAVAILABLE);
    turn(&stage).await;
    assert_eq!(stage.sequence(1).await, ["b"]);
    let mut other = stage.config.clone();
    other["instances"][0]["checks"]["active"]["http_path"] = json!("/elsewhere");
    let next = stage.bench.next("/routes/2", "ai-proxy-multi", &other);
    let ctx = post("/v1/chat/completions", CHAT, &[]);
    assert_eq!(instance_of(&next.send(ctx).await), "a");
}

#[tokio::test]
async fn a_probe_is_framed_by_its_body_and_by_nothing_configured() {
    let lines = [
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "Connection: keep-alive, Upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "TE: trailers",
        "Trailer: X-End",
        "Keep-Alive: timeout=9",
        "Host: from-a-line.example",
        "X-Probe: 1",
    ];
    let active = json!({
        "http_method": "POST", "http_req_body": "{\"a\":1}", "req_headers": lines,
        "host": "models.example",
    });
    let auth = json!({ "header": {
        "content-length": "4", "Host": "from-auth.example", "Authorization": "Bearer k",
    } });
    let stage = stage(active, json!({ "auth": auth })).await;
    turn(&stage).await;
    let received = stage
        .upstream("a")
        .journal()
        .last()
        .expect("a probe")
        .request;
    assert_eq!(received.text(), "{\"a\":1}");
    let mut names: Vec<_> = received.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let sent = [
        "authorization",
        "connection",
        "content-length",
        "host",
        "x-probe",
    ];
    assert_eq!(names, sent);
    assert_eq!(received.header("connection"), Some("close"));
    assert_eq!(received.header("host"), Some("models.example"));
}

#[tokio::test]
async fn a_line_may_say_whom_a_probe_asks_for_where_nothing_else_does() {
    let stage = stage(
        json!({ "req_headers": ["Host: a-line.example"] }),
        json!({}),
    )
    .await;
    turn(&stage).await;
    assert_eq!(asked(&stage).1, "a-line.example");
}
