//! What a failure leads to.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use llm::Ended;
use plugin::{ReplySource, RouteFacts};
use serde_json::{Value, json};
use simulator::{Behaviour, Place};

use crate::heard::Heard;
use crate::stage::{CHAT, Member, STREAM, Stage, cut, instance_of, stall, statuses, trail};

fn failing(name: &'static str, status: u16) -> Member {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = format!(r#"{{"said":"{name}"}}"#);
    Member::behaving(name, Behaviour::json(status, body))
}

/// A failing instance that is preferred to one that answers.
async fn pair(status: u16, config: Value) -> Stage {
    Stage::new([failing("a", status).priority(1), Member::new("b")], config).await
}

#[tokio::test]
async fn each_strategy_takes_its_own_statuses() {
    for (strategy, on_429, on_5xx) in [
        (json!("instance_health_and_rate_limiting"), true, true),
        (json!("http_429"), true, false),
        (json!("http_5xx"), false, true),
        (json!(["http_429"]), true, false),
        (json!(["http_5xx", "rate_limiting"]), false, true),
        (json!(["http_429", "http_5xx"]), true, true),
        (json!(["rate_limiting"]), false, false),
        (json!([]), false, false),
    ] {
        for (status, is_taken) in [(429, on_429), (500, on_5xx), (503, on_5xx), (404, false)] {
            let stage = pair(status, json!({ "fallback_strategy": strategy })).await;
            let seen = stage.chat(CHAT).await;
            let expected = if is_taken {
                vec![status, 200]
            } else {
                vec![status]
            };
            assert_eq!(statuses(&seen), expected, "{strategy} {status}");
            assert_eq!(instance_of(&seen), if is_taken { "b" } else { "a" });
            if !is_taken {
                assert_eq!(seen.status.as_u16(), status);
                assert_eq!(seen.json(), json!({ "said": "a" }), "{strategy} {status}");
            }
        }
    }
}

#[tokio::test]
async fn without_a_strategy_the_first_answer_stands() {
    let seen = pair(503, json!({})).await.chat(CHAT).await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.text(), r#"{"said":"a"}"#);
}

#[tokio::test]
async fn listed_statuses_are_taken_without_any_strategy() {
    let members = || {
        [
            failing("a", 401).priority(2),
            failing("b", 402).priority(1),
            Member::new("c"),
        ]
    };
    let config = json!({ "fallback_http_statuses": [401, 402] });
    let seen = Stage::new(members(), config.clone()).await.chat(CHAT).await;
    assert_eq!(statuses(&seen), [401, 402, 200]);
    assert_eq!(instance_of(&seen), "c");

    let mut capped = config;
    capped["max_retries"] = json!(0);
    let seen = Stage::new(members(), capped).await.chat(CHAT).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert_eq!(seen.text(), r#"{"said":"a"}"#);

    let seen = Stage::new(members(), json!({ "fallback_strategy": "http_5xx" }))
        .await
        .chat(CHAT)
        .await;
    assert_eq!((seen.status.as_u16(), statuses(&seen)), (401, vec![401]));
}

#[tokio::test]
async fn the_reference_configuration_moves_on_after_429_and_5xx() {
    for status in [429, 500, 503] {
        let members = [
            Member::new("openai-primary").weight(10),
            failing("deepseek-backup", status).weight(5).priority(1),
        ];
        let config = json!({
            "balancer": { "algorithm": "roundrobin" },
            "fallback_strategy": "instance_health_and_rate_limiting",
        });
        let stage = Stage::new(members, config).await;
        let seen = stage.chat(CHAT).await;
        assert_eq!(statuses(&seen), [status, 200]);
        assert_eq!(instance_of(&seen), "openai-primary");
    }
}

#[tokio::test]
async fn retries_end_at_their_number_with_the_upstreams_own_answer() {
    let members = [
        failing("a", 500).priority(3),
        failing("b", 500).priority(2),
        failing("c", 500).priority(1),
    ];
    let config = json!({ "fallback_strategy": "http_5xx", "max_retries": 1 });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    assert_eq!(statuses(&seen), [500, 500]);
    assert_eq!(seen.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(seen.text(), r#"{"said":"b"}"#);
}

#[tokio::test]
async fn any_number_of_retries_is_kept_to() {
    let members = || {
        let names = [("a", 4), ("b", 3), ("c", 2), ("d", 1)];
        names.map(|(name, priority)| failing(name, 503).priority(priority))
    };
    for (most, asked, status, said) in [
        (0, 1, 503, "a"),
        (1, 2, 503, "b"),
        (2, 3, 503, "c"),
        // Nobody is left, which is another answer.
        (4, 4, 502, "d"),
        (1_000_000, 4, 502, "d"),
    ] {
        let config = json!({ "fallback_strategy": ["http_5xx"], "max_retries": most });
        let seen = Stage::new(members(), config).await.chat(CHAT).await;
        assert_eq!(statuses(&seen), vec![503; asked], "{most}");
        assert_eq!(seen.status.as_u16(), status, "{most}");
        assert_eq!(seen.json(), json!({ "said": said }), "{most}");
    }
    // With nothing that may be retried it has no effect.
    let seen = Stage::new(members(), json!({ "max_retries": 3 }))
        .await
        .chat(CHAT)
        .await;
    assert_eq!((seen.status.as_u16(), statuses(&seen)), (503, vec![503]));
}

#[tokio::test]
async fn retries_that_end_without_an_upstreams_answer_end_with_its_status() {
    for (fault, status) in [(cut(Place::Head), 500), (stall(Place::Head), 504)] {
        let is_silent = fault.stall_after.is_some();
        let members = [
            failing("a", 503).priority(2),
            Member::behaving("b", fault).priority(1),
            Member::new("c"),
        ];
        let config = json!({ "fallback_strategy": "http_5xx", "max_retries": 1 });
        let stage = Stage::new(members, config).await;
        let seen = if is_silent {
            // Longer than the default `timeout`.
            stage.chat_through(CHAT, "b", Duration::from_secs(31)).await
        } else {
            stage.chat(CHAT).await
        };
        assert_eq!(
            (seen.status.as_u16(), statuses(&seen)),
            (status, vec![503, status])
        );
        assert_eq!(seen.source, ReplySource::Gateway);
    }
}

#[tokio::test]
async fn a_400_is_retried_only_when_it_is_listed() {
    for (config, expected) in [
        (
            json!({ "fallback_strategy": ["http_5xx", "http_429"] }),
            vec![400],
        ),
        (json!({ "fallback_http_statuses": [400] }), vec![400, 200]),
        (
            json!({ "fallback_strategy": [], "fallback_http_statuses": [400] }),
            vec![400, 200],
        ),
        (
            json!({ "fallback_strategy": [], "fallback_http_statuses": [401] }),
            vec![400],
        ),
    ] {
        let seen = pair(400, config.clone()).await.chat(CHAT).await;
        assert_eq!(statuses(&seen), expected, "{config}");
    }
}

#[tokio::test]
async fn a_strategy_and_listed_statuses_go_together() {
    let members = [
        failing("a", 402).priority(3),
        failing("b", 429).priority(2),
        failing("c", 500).priority(1),
        Member::new("d"),
    ];
    let config = json!({
        "fallback_strategy": "instance_health_and_rate_limiting",
        "fallback_http_statuses": [402],
    });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    assert_eq!(statuses(&seen), [402, 429, 500, 200]);
    assert_eq!(instance_of(&seen), "d");
}

#[tokio::test]
async fn nothing_of_a_failed_answer_is_in_the_heads_of_the_next() {
    let failure = Behaviour {
        content_type: Some("text/x-error".parse().expect("a value")),
        ..Behaviour::json(StatusCode::BAD_GATEWAY, "from a")
    };
    let members = [Member::behaving("a", failure).priority(1), Member::new("b")];
    let config = json!({ "fallback_strategy": "http_5xx" });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    let kinds = seen.headers.get_all("content-type");
    assert_eq!(kinds.iter().collect::<Vec<_>>(), ["application/json"]);
}

#[tokio::test]
async fn when_all_have_failed_the_answer_is_502_with_the_last_body() {
    let members = [
        failing("a", 500).priority(1),
        Member::behaving(
            "b",
            Behaviour {
                content_type: Some("text/x-error".parse().expect("a value")),
                ..Behaviour::json(StatusCode::TOO_MANY_REQUESTS, "from b")
            },
        ),
    ];
    let config = json!({ "fallback_strategy": ["http_5xx", "http_429"] });
    let stage = Stage::new(members, config).await;
    for _ in 0..2 {
        let seen = stage.chat(CHAT).await;
        assert_eq!(statuses(&seen), [500, 429]);
        assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
        assert_eq!(seen.source, ReplySource::Upstream);
        assert_eq!(seen.text(), "from b");
        assert_eq!(seen.headers["content-type"], "text/x-error");
        assert_eq!(seen.ctx.exchange.expect("an exchange").ended, Ended::Failed);
    }
}

#[tokio::test]
async fn the_body_of_an_earlier_upstream_is_kept_when_the_last_one_gave_none() {
    let members = [
        failing("a", 503).priority(1),
        Member::behaving("b", cut(Place::Head)),
    ];
    let config = json!({ "fallback_strategy": "http_5xx" });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    assert_eq!(statuses(&seen), [503, 500]);
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    assert_eq!(seen.text(), r#"{"said":"a"}"#);
}

#[tokio::test]
async fn a_single_instance_answers_for_itself() {
    let config = json!({ "fallback_strategy": "http_5xx" });
    let seen = Stage::new([failing("a", 500)], config)
        .await
        .chat(CHAT)
        .await;
    assert_eq!((seen.status.as_u16(), statuses(&seen)), (500, vec![500]));
    assert_eq!(seen.text(), r#"{"said":"a"}"#);
}

#[tokio::test]
async fn a_failure_that_took_too_long_is_the_answer() {
    let slow = |delay| {
        let body = r#"{"said":"a"}"#;
        let behaviour = Behaviour {
            delay: Duration::from_millis(delay),
            ..Behaviour::json(StatusCode::INTERNAL_SERVER_ERROR, body)
        };
        [
            Member::behaving("a", behaviour).priority(1),
            Member::new("b"),
        ]
    };
    let config = |within: u64| json!({ "fallback_strategy": "http_5xx", "retry_on_failure_within_ms": within });
    let seen = Stage::new(slow(60), config(20)).await.chat(CHAT).await;
    assert_eq!((seen.status.as_u16(), statuses(&seen)), (500, vec![500]));
    assert_eq!(seen.text(), r#"{"said":"a"}"#);

    let seen = Stage::new(slow(0), config(30_000)).await.chat(CHAT).await;
    assert_eq!(statuses(&seen), [500, 200]);
}

#[tokio::test]
async fn each_attempt_has_its_own_time_to_fail_in() {
    let slow = |name| {
        let mut member = failing(name, 500);
        member.behaviour.delay = Duration::from_millis(900);
        member
    };
    let members = [
        slow("a").priority(2),
        slow("b").priority(1),
        Member::new("c"),
    ];
    // Together the two take longer than either may.
    let config = json!({ "fallback_strategy": "http_5xx", "retry_on_failure_within_ms": 1500 });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    assert_eq!(statuses(&seen), [500, 500, 200]);
}

#[tokio::test]
async fn each_attempt_starts_from_the_clients_body() {
    let members = [
        failing("a", 500).priority(1).with(json!({
            "options": { "model": "model-a", "temperature": 0.1, "user": "u-a",
                         "tools": [{ "type": "function" }] },
        })),
        Member::new("b").with(json!({ "options": { "model": "model-b" } })),
    ];
    let config = json!({ "fallback_strategy": "http_5xx" });
    let stage = Stage::new(members, config).await;
    let body =
        r#"{"model": "client", "messages": [ {"role":"user","content":"hi"} ], "user": "u-c"}"#;
    let seen = stage.chat(body).await;
    let received = stage.upstream("b").journal().last().expect("a request");
    assert_eq!(
        received.request.text(),
        r#"{"model": "model-b", "messages": [ {"role":"user","content":"hi"} ], "user": "u-c"}"#
    );
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!(exchange.request_model, "client");
    assert_eq!(exchange.model, "model-b");
    assert_eq!(
        (exchange.tool_count, exchange.end_user.as_str()),
        (0, "u-c")
    );
}

#[tokio::test]
async fn a_model_of_a_failed_instance_is_not_taken_for_the_next_ones() {
    let members = [
        failing("a", 500)
            .priority(1)
            .with(json!({ "options": { "model": "model-a" } })),
        Member::new("b"),
    ];
    let config = json!({ "fallback_strategy": "http_5xx" });
    let stage = Stage::new(members, config).await;
    let seen = stage
        .chat(r#"{"messages": [{"role":"user","content":"hi"}]}"#)
        .await;
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!((&*exchange.instance, exchange.model.as_str()), ("b", ""));
}

#[tokio::test]
async fn nothing_of_a_failed_attempt_is_counted_for_the_next() {
    // An answer with usage, and then too large to be relayed.
    let opening = r#"data: {"choices":[],"usage":{"prompt_tokens":77,"completion_tokens":7}}"#;
    let behaviour = Behaviour::events([format!("{opening}\n\n"), "data: x".to_owned()]);
    let members = [
        Member::behaving("a", behaviour).priority(1),
        Member::behaving("b", Behaviour::json(StatusCode::OK, r#"{"choices":[]}"#)),
    ];
    let config = json!({ "fallback_strategy": "http_5xx" });
    let seen = Stage::new(members, config).await.chat(CHAT).await;
    assert_eq!(instance_of(&seen), "b");
    let exchange = seen.ctx.exchange.expect("an exchange");
    assert_eq!(exchange.usage.prompt_tokens, 0);
    assert_eq!(exchange.ended, Ended::Complete);
}

#[tokio::test]
async fn a_retry_in_the_same_group_skips_those_that_were_tried() {
    let members = [
        failing("a", 500).weight(5),
        failing("b", 500).weight(3),
        Member::new("c").weight(1),
        Member::new("spare").weight(0),
    ];
    let config = json!({ "fallback_strategy": "http_5xx" });
    let stage = Stage::new(members, config).await;
    for _ in 0..9 {
        let seen = stage.chat(CHAT).await;
        assert_eq!(seen.status, StatusCode::OK);
        assert_eq!(instance_of(&seen), "c");
        assert!(seen.ctx.attempts.len() <= 3);
    }
    assert_eq!(stage.counts()["spare"], 0);
}

#[tokio::test]
async fn a_hash_key_moves_along_the_ring_and_comes_back() {
    // A breaker would keep its keys away from `b` for a while longer.
    let patient = json!({ "breaker": { "enabled": false } });
    let members = [
        Member::new("a").weight(3),
        Member::new("b").weight(6).with(patient),
        Member::new("c").weight(10),
    ];
    let config = json!({
        "balancer": { "algorithm": "chash", "key": "query_string" },
        "fallback_strategy": "http_5xx",
    });
    let stage = Stage::new(members, config).await;
    let ask = async |index: usize| {
        let uri = format!("/v1/chat/completions?k={index}");
        instance_of(&stage.ask(&uri, CHAT, &[]).await)
    };
    let mut before = Vec::new();
    for index in 0..40 {
        before.push(ask(index).await);
    }
    let broken = Behaviour::status(StatusCode::BAD_GATEWAY);
    stage.upstream("b").script().set_default(broken);
    for (index, owner) in before.iter().enumerate() {
        let now = ask(index).await;
        if owner == "b" {
            assert_ne!(now, "b", "{index}");
        } else {
            assert_eq!(now, *owner, "{index}");
        }
    }
    stage.upstream("b").script().clear();
    for (index, owner) in before.iter().enumerate() {
        assert_eq!(ask(index).await, *owner, "{index}");
    }
}

#[tokio::test]
async fn a_dialect_that_nobody_speaks_is_not_tried_elsewhere() {
    let deepseek = json!({ "provider": "deepseek" });
    let members = [
        Member::new("a").priority(1).with(deepseek),
        Member::new("b"),
    ];
    let config = json!({ "fallback_strategy": "http_5xx", "fallback_http_statuses": [400] });
    let stage = Stage::new(members, config).await;
    let seen = stage.ask("/v1/responses", r#"{"input":"hi"}"#, &[]).await;
    assert_eq!(seen.status, StatusCode::BAD_REQUEST);
    assert_eq!(stage.counts()["b"], 0);
}

#[tokio::test]
async fn an_instance_without_a_host_is_passed_over() {
    let nowhere = json!({ "provider": "openai-compatible", "override": null });
    let members = [Member::new("a").priority(1).with(nowhere), Member::new("b")];
    let config = json!({ "fallback_strategy": "http_5xx" });
    let seen = Stage::new(members, config).await.chat(STREAM).await;
    assert_eq!(instance_of(&seen), "b");
}

#[tokio::test]
async fn passthrough_falls_back_too() {
    let stage = pair(500, json!({ "fallback_strategy": "http_5xx" })).await;
    let seen = stage
        .ask("/v1/images/generations", r#"{"prompt":"a cat"}"#, &[])
        .await;
    assert_eq!(
        (seen.status, statuses(&seen)),
        (StatusCode::OK, vec![500, 200])
    );
}

#[tokio::test]
async fn a_prompt_that_a_kept_connection_swallowed_is_not_sent_there_again() {
    let work = Duration::from_millis(1500);
    let strategy = json!("http_5xx");
    for (config, status, tried) in [
        (
            json!({ "fallback_strategy": strategy }),
            200,
            vec!["cut", "complete"],
        ),
        (
            json!({ "fallback_strategy": strategy, "max_retries": 0 }),
            500,
            vec!["cut"],
        ),
    ] {
        let stage = Stage::new([Member::new("a").priority(1), Member::new("b")], config).await;
        assert_eq!(instance_of(&stage.chat(CHAT).await), "a");
        stage.upstream("a").script().set_default(Behaviour {
            delay: work,
            ..cut(Place::Head)
        });
        let seen = stage.chat_through(CHAT, "a", work).await;
        assert_eq!(seen.status.as_u16(), status);
        let ended: Vec<_> = trail(&seen)
            .into_iter()
            .map(|(_, _, ended)| ended)
            .collect();
        assert_eq!(ended, tried);
        assert!(seen.ctx.attempts[0].pooled, "the kept connection was used");
        assert_eq!(stage.counts()["a"], 2);
    }
}

#[tokio::test]
async fn the_log_says_of_a_fallback_for_whom_it_was_and_why() {
    let heard = Heard::listening();
    let stage = pair(503, json!({ "fallback_strategy": "http_5xx" })).await;
    let mut ctx = crate::support::post("/v1/chat/completions", CHAT, &[]);
    ctx.request.id = "r-1".into();
    ctx.route = Some(Arc::new(RouteFacts {
        id: "the-route".into(),
        ..RouteFacts::default()
    }));
    stage.bench.send(ctx).await;
    for field in [
        "request_id=\"r-1\"",
        "route=\"the-route\"",
        "instance=\"a\"",
        "status=503",
        "ended=\"status\"",
        "next=\"b\"",
    ] {
        assert!(heard.has("WARN", field), "{field}: {}", heard.lines());
    }
}
