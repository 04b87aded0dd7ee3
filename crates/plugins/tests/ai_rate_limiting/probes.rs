//! Whom `ai-proxy-multi` passes over, since nothing is left of a limit.

use std::net::TcpListener;
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use simulator::Behaviour;

use crate::stage::{CHAT, Stage, answer, chosen, header, instance_of, later};

fn limits(limits: &[(&str, u64)]) -> (&'static str, Value) {
    let limits = limits
        .iter()
        .map(|(name, limit)| json!({ "name": name, "limit": limit, "time_window": 60 }));
    (
        "ai-rate-limiting",
        json!({ "instances": limits.collect::<Vec<_>>() }),
    )
}

fn all_kinds() -> Value {
    json!({ "fallback_strategy": "instance_health_and_rate_limiting" })
}

#[tokio::test]
async fn an_instance_of_which_nothing_is_left_is_passed_over() {
    let stage = Stage::new(&["a", "b"]).await;
    let route = stage.route(
        "/routes/1",
        &[stage.multi(&all_kinds()), limits(&[("a", 10)])],
    );
    let first = route.chat().await;
    assert_eq!(chosen(&first), [("a".to_owned(), "roundrobin")]);
    let second = route.chat().await;
    assert_eq!(second.status, 200);
    assert_eq!(chosen(&second), [("b".to_owned(), "rate_limiting")]);
    assert_eq!(
        header(&second, "x-ai-ratelimit-remaining-a"),
        "0",
        "its limit is told"
    );
    later(60).await;
    assert_eq!(instance_of(&route.chat().await), "a");
}

#[tokio::test]
async fn when_nothing_is_left_of_any_the_answer_says_so() {
    let stage = Stage::new(&["a", "b"]).await;
    let limits = limits(&[("a", 10), ("b", 10)]);
    let route = stage.route("/routes/1", &[stage.multi(&all_kinds()), limits]);
    assert_eq!(route.statuses(2).await, [200, 200]);
    let refused = route.chat().await;
    assert_eq!(refused.status, 503);
    assert!(
        refused.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert!(
        refused.text().contains("all upstream servers tried"),
        "{}",
        refused.text()
    );
    for name in ["a", "b"] {
        let remaining = format!("x-ai-ratelimit-remaining-{name}");
        assert_eq!(header(&refused, &remaining), "0");
    }
    assert_eq!((stage.asked("a"), stage.asked("b")), (1, 1));
}

#[tokio::test]
async fn the_answer_says_when_the_first_budget_is_renewed() {
    let stage = Stage::new(&["a", "b"]).await;
    let limits = json!({
        "instances": [
            { "name": "a", "limit": 10, "time_window": 50 },
            { "name": "b", "limit": 10, "time_window": 100 },
        ],
        "show_limit_quota_header": false,
    });
    let plugins = [stage.multi(&all_kinds()), ("ai-rate-limiting", limits)];
    let route = stage.route("/routes/1", &plugins);
    tokio::time::pause();
    assert_eq!(route.statuses(2).await, [200, 200]);
    let refused = route.chat().await;
    assert_eq!(
        (refused.status.as_u16(), header(&refused, "retry-after")),
        (503, "50")
    );
    tokio::time::advance(std::time::Duration::from_millis(9_500)).await;
    assert_eq!(
        header(&route.chat().await, "retry-after"),
        "41",
        "rounded up"
    );
    tokio::time::advance(std::time::Duration::from_secs(41)).await;
    assert_eq!(instance_of(&route.chat().await), "a");
}

#[tokio::test]
async fn a_failure_is_not_followed_by_an_instance_of_which_nothing_is_left() {
    let stage = Stage::new(&["a", "b"]).await;
    let plugins = [stage.multi(&all_kinds()), limits(&[("b", 10)])];
    let route = stage.route("/routes/1", &plugins);
    let failure = || {
        Behaviour::json(
            StatusCode::TOO_MANY_REQUESTS,
            r#"{"error":"slower, please"}"#,
        )
    };
    stage.upstream("a").script().push(failure());
    let followed = route.chat().await;
    assert_eq!(followed.status, 200);
    assert_eq!(instance_of(&followed), "b");

    stage.upstream("a").script().push(failure());
    let exhausted = route.chat().await;
    assert_eq!(exhausted.status, 502);
    assert_eq!(exhausted.json(), json!({ "error": "slower, please" }));
    assert_eq!(chosen(&exhausted), [("a".to_owned(), "roundrobin")]);
}

/// Whoever has nothing left of its limit is not asked, so nothing need be known of its recovery.
#[tokio::test]
async fn the_wait_of_the_others_is_told_beside_an_instance_of_which_nothing_is_left() {
    let stage = Stage::new(&["a", "b"]).await;
    let route = stage.route(
        "/routes/1",
        &[stage.multi(&all_kinds()), limits(&[("a", 10)])],
    );
    assert_eq!(instance_of(&route.chat().await), "a");
    stage.upstream("b").script().push(Behaviour {
        retry_after: Some("7".parse().expect("a header value")),
        ..Behaviour::json(StatusCode::SERVICE_UNAVAILABLE, "{}")
    });
    let failed = route.chat().await;
    assert_eq!(chosen(&failed), [("b".to_owned(), "rate_limiting")]);
    assert_eq!(
        (failed.status.as_u16(), header(&failed, "retry-after")),
        (502, "7")
    );
}

#[tokio::test]
async fn a_fallback_passes_over_too() {
    let stage = Stage::new(&["a", "b", "c"]).await;
    let route = stage.route(
        "/routes/1",
        &[stage.multi(&all_kinds()), limits(&[("b", 10)])],
    );
    let failure = Behaviour::json(StatusCode::INTERNAL_SERVER_ERROR, "{}");
    stage.upstream("a").script().set_default(failure);
    assert_eq!(instance_of(&route.chat().await), "b");
    let seen = route.chat().await;
    let expected = [
        ("a".to_owned(), "roundrobin"),
        ("c".to_owned(), "rate_limiting"),
    ];
    assert_eq!(chosen(&seen), expected);
}

#[tokio::test]
async fn without_the_strategy_the_preferred_instance_is_chosen_and_refused() {
    for strategy in [
        json!({}),
        json!({ "fallback_strategy": ["http_429", "http_5xx"] }),
    ] {
        let stage = Stage::new(&["a", "b"]).await;
        let route = stage.route("/routes/1", &[stage.multi(&strategy), limits(&[("a", 10)])]);
        assert_eq!(route.statuses(3).await, [200, 503, 503], "{strategy}");
        assert_eq!(stage.asked("b"), 0);
    }
}

#[tokio::test]
async fn the_kind_alone_passes_over_and_follows_no_failure() {
    let stage = Stage::new(&["a", "b"]).await;
    let strategy = json!({ "fallback_strategy": ["rate_limiting"] });
    let route = stage.route("/routes/1", &[stage.multi(&strategy), limits(&[("a", 20)])]);
    assert_eq!(instance_of(&route.chat().await), "a");
    let failure = Behaviour::json(StatusCode::INTERNAL_SERVER_ERROR, "{}");
    stage.upstream("a").script().push(failure);
    assert_eq!(route.chat().await.status, 500);
    assert_eq!(route.sequence(2).await, ["a", "b"]);
}

#[tokio::test]
async fn every_algorithm_passes_over() {
    let unreachable = json!({
        "embeddings": {
            "provider": "openai", "model": "m", "auth": {}, "endpoint": "http://127.0.0.1:1",
        },
        "fallback": "a",
    });
    for balancer in [
        json!({ "algorithm": "roundrobin" }),
        json!({ "algorithm": "chash", "hash_on": "header", "key": "x-user" }),
        json!({ "algorithm": "least_busy" }),
        json!({ "algorithm": "ewma" }),
        json!({ "algorithm": "prefix" }),
        json!({ "algorithm": "semantic" }),
    ] {
        let stage = Stage::new(&["a", "b"]).await;
        let (name, mut config) = stage.multi(&all_kinds());
        config["balancer"] = balancer.clone();
        if balancer["algorithm"] == "semantic" {
            config["semantic_opts"] = unreachable.clone();
            for instance in config["instances"].as_array_mut().expect("instances") {
                instance["examples"] = json!(["hello"]);
            }
        }
        let route = stage.route("/routes/1", &[(name, config), limits(&[("a", 10)])]);
        assert_eq!(route.sequence(3).await, ["a", "b", "b"], "{balancer}");
        assert_eq!(
            route.ask(CHAT, &[("x-user", "x")]).await.status,
            200,
            "{balancer}"
        );
    }
}

#[tokio::test]
async fn a_limit_of_any_resource_of_the_request_is_asked() {
    for holder in [
        "/global_rules/1",
        "/services/1",
        "/plugin_configs/1",
        "/consumers/jack",
    ] {
        let stage = Stage::new(&["a", "b"]).await;
        let (proxy, (name, config)) = (stage.multi(&all_kinds()), limits(&[("a", 10)]));
        let limit = (holder, name, config);
        let proxy = ("/routes/1", proxy.0, proxy.1);
        let plugins = if holder.starts_with("/global") {
            stage.chains(&[&[limit], &[proxy]])
        } else {
            stage.chains(&[&[], &[proxy, limit]])
        };
        assert_eq!(plugins.sequence(3).await, ["a", "b", "b"], "{holder}");
    }
}

#[tokio::test]
async fn a_limit_that_is_filtered_out_is_not_asked() {
    let stage = Stage::new(&["a", "b"]).await;
    let (name, mut config) = limits(&[("a", 10)]);
    config["_meta"] = json!({ "filter": [["http_x_limited", "==", "yes"]] });
    let route = stage.route("/routes/1", &[stage.multi(&all_kinds()), (name, config)]);
    route.ask(CHAT, &[("x-limited", "yes")]).await;
    let limited = route.ask(CHAT, &[("x-limited", "yes")]).await;
    assert_eq!(instance_of(&limited), "b");
    assert_eq!(instance_of(&route.chat().await), "a");
}

#[tokio::test]
async fn a_single_instance_is_asked_and_refused() {
    let stage = Stage::new(&["a"]).await;
    let route = stage.route(
        "/routes/1",
        &[stage.multi(&all_kinds()), limits(&[("a", 10)])],
    );
    assert_eq!(route.statuses(1).await, [200]);
    let refused = route.chat().await;
    assert!(
        refused.text().contains("the limit of tokens is reached"),
        "{}",
        refused.text()
    );
}

/// The preferred instance has failed and may be probed, but nothing is left of its limit: nobody
/// takes the probe, so whoever comes when there is something left makes it.
#[tokio::test]
async fn nobody_takes_the_probe_of_an_instance_that_is_passed_over() {
    let stage = Stage::new(&["a", "b"]).await;
    let (name, mut config) = stage.multi(&all_kinds());
    config["instances"][0]["breaker"] = json!({ "faults": 1, "open_ms": 1000 });
    let limit = json!({
        "instances": [{ "name": "a", "limit": "${http_x_limit ?? 10}", "time_window": 60 }],
    });
    let route = stage.route("/routes/1", &[(name, config), ("ai-rate-limiting", limit)]);
    assert_eq!(instance_of(&route.chat().await), "a");
    stage
        .upstream("a")
        .script()
        .push(Behaviour::json(StatusCode::BAD_GATEWAY, "{}"));
    let failed = route.ask(CHAT, &[("x-limit", "1000")]).await;
    assert_eq!(instance_of(&failed), "b");
    later(1).await;
    for _ in 0..3 {
        assert_eq!(
            chosen(&route.chat().await),
            [("b".to_owned(), "rate_limiting")]
        );
    }
    let probed = route.ask(CHAT, &[("x-limit", "1000")]).await;
    assert_eq!(chosen(&probed), [("a".to_owned(), "probe")]);
}

/// The same after a failure.
#[tokio::test]
async fn a_fallback_leaves_the_probe_of_an_instance_that_is_passed_over() {
    let stage = Stage::new(&["a", "b", "c"]).await;
    let (name, mut config) = stage.multi(&all_kinds());
    config["instances"][0]["breaker"] = json!({ "enabled": false });
    config["instances"][1]["breaker"] = json!({ "faults": 1, "open_ms": 1000 });
    let limit = json!({
        "instances": [{ "name": "b", "limit": "${http_x_limit ?? 10}", "time_window": 60 }],
    });
    let route = stage.route("/routes/1", &[(name, config), ("ai-rate-limiting", limit)]);
    let failure = || Behaviour::json(StatusCode::BAD_GATEWAY, "{}");
    stage.upstream("a").script().set_default(failure());
    assert_eq!(instance_of(&route.chat().await), "b");
    stage.upstream("b").script().push(failure());
    let more = [("x-limit", "1000")];
    assert_eq!(instance_of(&route.ask(CHAT, &more).await), "c");
    later(1).await;
    for _ in 0..3 {
        let seen = route.chat().await;
        assert_eq!(
            chosen(&seen).last(),
            Some(&("c".to_owned(), "rate_limiting"))
        );
    }
    let seen = route.ask(CHAT, &more).await;
    assert_eq!(chosen(&seen).last(), Some(&("b".to_owned(), "probe")));
}

/// Whoever has something left is behind an open breaker: it is asked all the same.
#[tokio::test]
async fn an_open_breaker_is_better_than_a_limit_of_which_nothing_is_left() {
    let stage = Stage::new(&["a", "b"]).await;
    let (name, mut config) = stage.multi(&all_kinds());
    config["instances"][1]["breaker"] = json!({ "faults": 1, "open_ms": 60_000 });
    let route = stage.route("/routes/1", &[(name, config), limits(&[("a", 10)])]);
    stage
        .upstream("a")
        .script()
        .push(Behaviour::json(StatusCode::BAD_GATEWAY, "{}"));
    stage
        .upstream("b")
        .script()
        .push(Behaviour::json(StatusCode::BAD_GATEWAY, "{}"));
    assert_eq!(route.chat().await.status, 502);
    assert_eq!(route.sequence(1).await, ["a"]);
    let forced = route.chat().await;
    assert_eq!(chosen(&forced), [("b".to_owned(), "soonest")]);
    assert_eq!(forced.status, 200);
}

#[tokio::test]
async fn requests_at_once_are_let_in_while_something_is_left() {
    let stage = Stage::new(&["a", "b"]).await;
    let plugins = [stage.multi(&all_kinds()), limits(&[("a", 10), ("b", 10)])];
    let route = Arc::new(stage.route("/routes/1", &plugins));
    let asked = (0..8).map(|_| {
        let route = Arc::clone(&route);
        tokio::spawn(async move { route.chat().await.status.as_u16() })
    });
    let asked: Vec<_> = asked.collect();
    for one in asked {
        one.await.expect("an answer");
    }
    // All of them were let in by the first one, which was charged too late to stop them.
    assert_eq!((stage.asked("a"), stage.asked("b")), (8, 0));
    assert_eq!(route.sequence(3).await, ["b", "-", "-"]);
}

/// Whatever is looked at for a request, a store that does not answer is asked for the first thing only:
/// each question to it would be a connection of its own.
#[tokio::test]
async fn a_store_that_is_silent_is_waited_for_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("an open socket");
    let port = listener.local_addr().expect("an address").port();
    // Those that the kernel has made, whoever had time to take them.
    let connections = || std::iter::from_fn(|| listener.accept().ok()).count();
    let stage = Stage::new(&["a", "b", "c"]).await;
    for name in ["a", "b", "c"] {
        // Without usage nothing is charged, so nobody else asks.
        stage
            .upstream(name)
            .script()
            .set_default(answer(&json!({})));
    }
    let mut limit = json!({
        "limit": 10, "time_window": 60,
        "policy": "redis", "redis_host": "127.0.0.1", "redis_port": port, "redis_timeout": 50,
    });
    let strict = [
        stage.multi(&all_kinds()),
        ("ai-rate-limiting", limit.clone()),
    ];
    let refused = stage.route("/routes/1", &strict).chat().await;
    assert_eq!(refused.status, 500);
    assert_eq!(
        refused.json(),
        json!({ "error_msg": "failed to limit count" })
    );
    assert_eq!(connections(), 1);

    limit["allow_degradation"] = true.into();
    let lenient = [stage.multi(&all_kinds()), ("ai-rate-limiting", limit)];
    let passed = stage.route("/routes/2", &lenient).chat().await;
    assert_eq!((passed.status.as_u16(), &*instance_of(&passed)), (200, "a"));
    assert_eq!(connections(), 1);
}
