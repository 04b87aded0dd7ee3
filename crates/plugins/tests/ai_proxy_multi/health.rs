//! Instances that are asked how they are.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use net::dns::System;
use net::health::{Checker, Prober};
use serde_json::{Value, json};
use simulator::Behaviour;

use crate::stage::{CHAT, Member, Stage, instance_of, statuses};

/// Checks that judge after one answer.
pub(crate) fn checks() -> Value {
    json!({ "active": {
        "http_path": "/health",
        "healthy": { "successes": 1 },
        "unhealthy": { "http_failures": 1, "tcp_failures": 1 },
    } })
}

fn checked(name: &'static str) -> Member {
    Member::new(name).with(json!({ "checks": checks() }))
}

/// Lets an instance's health path answer so from here on; everything else goes on as before.
pub(crate) fn answer_health(stage: &Stage, name: &'static str, status: StatusCode) {
    stage
        .upstream(name)
        .script()
        .choose(move |received| (received.path() == "/health").then(|| Behaviour::status(status)));
}

/// One turn of every prober, as if its interval had passed.
pub(crate) async fn turn(stage: &Stage) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
    for prober in stage.bench.living().all::<Prober>() {
        assert!(prober.is_due());
        prober.turn(&System).await;
    }
}

/// How many requests each provider got that are no probes.
fn asked(stage: &Stage, name: &str) -> usize {
    let entries = stage.upstream(name).journal().entries();
    let asked = entries
        .iter()
        .filter(|entry| entry.request.path() != "/health");
    asked.count()
}

#[tokio::test]
async fn an_instance_that_is_not_well_gets_no_request_until_it_is_again() {
    let stage = Stage::new([checked("a").weight(9), checked("b")], json!({})).await;
    answer_health(&stage, "a", StatusCode::SERVICE_UNAVAILABLE);
    turn(&stage).await;
    assert_eq!(stage.sequence(5).await, ["b"; 5]);
    answer_health(&stage, "a", StatusCode::OK);
    turn(&stage).await;
    stage.sequence(10).await;
    assert_eq!(asked(&stage, "a"), 9);
}

#[tokio::test]
async fn an_instance_without_checks_counts_as_well() {
    let members = [checked("a").priority(1), Member::new("b")];
    let stage = Stage::new(members, json!({})).await;
    answer_health(&stage, "a", StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(stage.sequence(1).await, ["a"]);
    turn(&stage).await;
    assert_eq!(stage.sequence(2).await, ["b"; 2]);
}

#[tokio::test]
async fn when_none_is_well_all_are_asked() {
    let stage = Stage::new([checked("a"), checked("b")], json!({})).await;
    for name in ["a", "b"] {
        answer_health(&stage, name, StatusCode::SERVICE_UNAVAILABLE);
    }
    turn(&stage).await;
    stage.sequence(4).await;
    assert_eq!((asked(&stage, "a"), asked(&stage, "b")), (2, 2));
}

#[tokio::test]
async fn an_instance_that_is_never_chosen_does_not_count_as_well() {
    for algorithm in ["roundrobin", "least_busy", "ewma", "prefix"] {
        let config = json!({ "balancer": { "algorithm": algorithm } });
        let stage = Stage::new(
            [Member::new("drained").weight(0), checked("b").weight(5)],
            config,
        )
        .await;
        answer_health(&stage, "b", StatusCode::SERVICE_UNAVAILABLE);
        turn(&stage).await;
        assert_eq!(stage.sequence(3).await, ["b"; 3], "{algorithm}");
        assert_eq!(asked(&stage, "drained"), 0);
    }
}

#[tokio::test]
async fn no_key_of_a_well_instance_moves() {
    let members = [
        checked("a").weight(3),
        checked("b").weight(6),
        checked("c").weight(10),
    ];
    let config = json!({ "balancer": { "algorithm": "chash", "key": "query_string" } });
    let stage = Stage::new(members, config).await;
    let owner = async |index: usize| {
        let uri = format!("/v1/chat/completions?k={index}");
        instance_of(&stage.ask(&uri, CHAT, &[]).await)
    };
    let mut before = Vec::new();
    for index in 0..40 {
        before.push(owner(index).await);
    }
    answer_health(&stage, "b", StatusCode::SERVICE_UNAVAILABLE);
    turn(&stage).await;
    for (index, known) in before.iter().enumerate() {
        let now = owner(index).await;
        assert!(now != "b" && (known == "b" || now == *known), "{index}");
    }
}

#[tokio::test]
async fn a_fallback_leaves_out_who_is_not_well() {
    let failing = Behaviour::json(StatusCode::INTERNAL_SERVER_ERROR, r#"{"said":"a"}"#);
    let members = [
        Member::behaving("a", failing).priority(2),
        checked("b").priority(1),
        Member::new("c"),
    ];
    let config = json!({ "fallback_strategy": "instance_health_and_rate_limiting" });
    let stage = Stage::new(members, config).await;
    answer_health(&stage, "b", StatusCode::SERVICE_UNAVAILABLE);
    turn(&stage).await;
    let seen = stage.chat(CHAT).await;
    assert_eq!(
        (instance_of(&seen).as_str(), statuses(&seen)),
        ("c", vec![500, 200])
    );
    assert_eq!(asked(&stage, "b"), 0);
}

#[tokio::test]
async fn one_target_is_asked_once_and_only_while_a_configuration_names_it() {
    let stage = Stage::new([checked("a"), checked("b")], json!({})).await;
    let living = Arc::clone(stage.bench.living());
    let other = stage
        .bench
        .next("/routes/2", "ai-proxy-multi", &stage.config);
    assert_eq!(living.all::<Prober>().len(), 2);
    let mut names: Vec<_> = living
        .all::<Checker>()
        .iter()
        .map(|checker| checker.name().to_owned())
        .collect();
    names.sort_unstable();
    let expected = [
        "upstream#/routes/1#plugins['ai-proxy-multi'].instances[0]",
        "upstream#/routes/1#plugins['ai-proxy-multi'].instances[1]",
        "upstream#/routes/2#plugins['ai-proxy-multi'].instances[0]",
        "upstream#/routes/2#plugins['ai-proxy-multi'].instances[1]",
    ];
    assert_eq!(names, expected);

    drop(stage);
    assert_eq!(
        (living.all::<Prober>().len(), living.all::<Checker>().len()),
        (2, 2)
    );
    drop(other);
    assert_eq!(
        (living.all::<Prober>().len(), living.all::<Checker>().len()),
        (0, 0)
    );
}

#[tokio::test]
async fn changed_checks_begin_with_what_was_known() {
    let stage = Stage::new([checked("a").priority(1), checked("b")], json!({})).await;
    answer_health(&stage, "a", StatusCode::SERVICE_UNAVAILABLE);
    turn(&stage).await;
    let mut changed = stage.config.clone();
    changed["instances"][0]["checks"]["active"]["healthy"]["interval"] = json!(60);
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &changed);
    let ctx = crate::support::post("/v1/chat/completions", CHAT, &[]);
    assert_eq!(instance_of(&next.send(ctx).await), "b");
}

#[tokio::test]
async fn probes_carry_the_instances_credentials() {
    let mut checks = checks();
    checks["active"]["http_path"] = json!("/health?a=b");
    checks["active"]["req_headers"] = json!(["X-Probe: 1", "Authorization: Bearer k"]);
    let auth = json!({
        "header": { "Authorization": "Bearer k", "X-Key": "s" },
        "query": { "key": "c d" },
    });
    let member = Member::new("a").with(json!({ "checks": checks, "auth": auth }));
    let stage = Stage::new([member, Member::new("b")], json!({})).await;
    turn(&stage).await;
    let entry = stage.upstream("a").journal().last().expect("a probe");
    let received = entry.request;
    assert_eq!(received.uri.to_string(), "/health?a=b&key=c%20d");
    assert_eq!(received.header("x-probe"), Some("1"));
    assert_eq!(received.header("x-key"), Some("s"));
    let authorizations = received.headers.get_all("authorization");
    assert_eq!(authorizations.iter().collect::<Vec<_>>(), ["Bearer k"]);
}

#[tokio::test]
async fn a_single_instance_is_not_probed() {
    let stage = Stage::new([checked("a")], json!({})).await;
    assert!(stage.bench.living().all::<Prober>().is_empty());
}

#[tokio::test]
async fn nothing_is_left_of_a_thousand_configurations() {
    let stage = Stage::new([checked("a"), checked("b")], json!({})).await;
    let living = Arc::clone(stage.bench.living());
    let before = living.len();
    let mut config = stage.config.clone();
    let mut last = None;
    for interval in 1..=1000 {
        config["instances"][0]["checks"]["active"]["healthy"]["interval"] = json!(interval);
        config["instances"][1]["weight"] = json!(interval);
        last = Some(stage.bench.next("/routes/1", "ai-proxy-multi", &config));
    }
    assert_eq!(living.all::<Prober>().len(), 3);
    drop(last);
    assert_eq!((living.all::<Prober>().len(), living.len()), (2, before));
}
