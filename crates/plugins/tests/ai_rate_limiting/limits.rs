//! Who is let in, by which limit, and what the client is told.

use http::Method;
use plugin::Var;
use serde_json::{Value, json};

use crate::heard::Heard;
use crate::stage::{CHAT, Stage, header, later};
use crate::support::request;

fn limiting(config: Value) -> (&'static str, Value) {
    ("ai-rate-limiting", config)
}

#[tokio::test]
async fn thirty_tokens_are_three_answers_of_ten() {
    let stage = Stage::new(&["a"]).await;
    let limit = limiting(json!({ "limit": 30, "time_window": 60 }));
    let route = stage.route("/routes/1", &[stage.proxy("a"), limit]);
    for remaining in ["30", "20", "10"] {
        let seen = route.chat().await;
        assert_eq!(seen.status, 200);
        assert_eq!(header(&seen, "x-ai-ratelimit-limit-ai-proxy-openai"), "30");
        assert_eq!(
            header(&seen, "x-ai-ratelimit-remaining-ai-proxy-openai"),
            remaining
        );
    }
    let refused = route.chat().await;
    assert_eq!(refused.status, 503);
    assert_eq!(
        header(&refused, "x-ai-ratelimit-remaining-ai-proxy-openai"),
        "0"
    );
    assert_eq!(refused.headers["content-type"], "application/json");
    assert_eq!(
        refused.json(),
        json!({ "error_msg": "the limit of tokens is reached: nothing is left in this window" })
    );
    assert_eq!(stage.asked("a"), 3);
}

#[tokio::test]
async fn a_window_begins_with_the_first_request_and_is_renewed_after_its_length() {
    let stage = Stage::new(&["a"]).await;
    let limit = limiting(json!({ "limit": 10, "time_window": 60 }));
    let route = stage.route("/routes/1", &[stage.proxy("a"), limit]);
    assert_eq!(route.statuses(2).await, [200, 503]);
    later(50).await;
    let refused = route.chat().await;
    let reset: f64 = header(&refused, "x-ai-ratelimit-reset-ai-proxy-openai")
        .parse()
        .expect("seconds");
    assert!((5.0..=10.0).contains(&reset), "{reset}");
    later(10).await;
    assert_eq!(route.statuses(2).await, [200, 503]);
}

#[tokio::test]
async fn the_answer_of_a_refusal_is_configured() {
    let stage = Stage::new(&["a"]).await;
    let limit = limiting(json!({
        "limit": 1, "time_window": 60, "rejected_code": 403, "rejected_msg": "come \"back\" later",
        "show_limit_quota_header": false,
    }));
    let route = stage.route("/routes/1", &[stage.proxy("a"), limit]);
    route.chat().await;
    let refused = route.chat().await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json(),
        json!({ "error_msg": "come \"back\" later" })
    );
    assert!(refused.text().ends_with('\n'));
    let told = refused
        .headers
        .keys()
        .any(|name| name.as_str().starts_with("x-ai-"));
    assert!(!told, "{:?}", refused.headers);
}

#[tokio::test]
async fn traffic_without_ai_is_not_limited() {
    let stage = Stage::new(&["a"]).await;
    let limit = limiting(json!({ "limit": 1, "time_window": 60 }));
    let limit = stage.route("/routes/1", &[limit]);
    for _ in 0..3 {
        let ctx = request(Method::GET, "/", "", &[]);
        let outcome = limit.access_only(ctx).await;
        assert!(outcome.is_none());
    }
}

#[tokio::test]
async fn one_limit_is_a_budget_of_each_instance() {
    let stage = Stage::new(&["a", "b"]).await;
    let limit = limiting(json!({ "limit": 10, "time_window": 60 }));
    let strategy = json!({ "fallback_strategy": ["rate_limiting"] });
    let route = stage.route("/routes/1", &[stage.multi(&strategy), limit]);
    assert_eq!(route.sequence(3).await, ["a", "b", "-"]);
}

#[tokio::test]
async fn an_instance_with_a_limit_of_its_own_does_not_have_the_common_one() {
    let stage = Stage::new(&["a", "b", "c"]).await;
    let limit = limiting(json!({
        "limit": 10, "time_window": 60,
        "instances": [
            { "name": "a", "limit": 30, "time_window": 60 },
            { "name": "b", "limit": 20, "time_window": 60 },
        ],
    }));
    let strategy = json!({ "fallback_strategy": "instance_health_and_rate_limiting" });
    let route = stage.route("/routes/1", &[stage.multi(&strategy), limit]);
    assert_eq!(route.sequence(7).await, ["a", "a", "a", "b", "b", "c", "-"]);
}

#[tokio::test]
async fn an_instance_without_any_limit_serves_on() {
    let stage = Stage::new(&["a", "b"]).await;
    let limit = limiting(json!({
        "instances": [{ "name": "a", "limit": 20, "time_window": 60 }],
    }));
    let strategy = json!({ "fallback_strategy": "instance_health_and_rate_limiting" });
    let route = stage.route("/routes/1", &[stage.multi(&strategy), limit]);
    assert_eq!(route.statuses(10).await, [200; 10]);
    assert_eq!((stage.asked("a"), stage.asked("b")), (2, 8));
}

#[tokio::test]
async fn of_two_limits_of_one_instance_the_later_one_holds() {
    let stage = Stage::new(&["a"]).await;
    let limit = limiting(json!({
        "instances": [
            { "name": "ai-proxy-openai", "limit": 10, "time_window": 60 },
            { "name": "ai-proxy-openai", "limit": 20, "time_window": 60 },
        ],
    }));
    let route = stage.route("/routes/1", &[stage.proxy("a"), limit]);
    assert_eq!(route.statuses(3).await, [200, 200, 503]);
}

#[tokio::test]
async fn a_limit_may_depend_on_the_request() {
    let stage = Stage::new(&["a"]).await;
    let limit = limiting(json!({
        "limit": "${http_x_limit ?? 10}", "time_window": "${http_x_window ?? 60}",
    }));
    let route = stage.route("/routes/1", &[stage.proxy("a"), limit]);
    assert_eq!(route.statuses(2).await, [200, 503]);
    // The counter is the same one: whoever asks for more gets what is left of that.
    let more = route.ask(CHAT, &[("x-limit", "25")]).await;
    assert_eq!(more.status, 200);
    assert_eq!(
        header(&more, "x-ai-ratelimit-remaining-ai-proxy-openai"),
        "15"
    );
    later(60).await;
    assert_eq!(route.statuses(2).await, [200, 503]);
}

#[tokio::test]
async fn a_limit_that_is_no_number_is_an_error() {
    let stage = Stage::new(&["a"]).await;
    let mut config = json!({ "limit": "$http_x_limit", "time_window": 60 });
    let strict = stage.route("/routes/1", &[stage.proxy("a"), limiting(config.clone())]);
    config["allow_degradation"] = true.into();
    let lenient = stage.route("/routes/1", &[stage.proxy("a"), limiting(config)]);
    for found in ["", "many", "0", "-1", "1.5", "9007199254740992", "1e3"] {
        let headers = [("x-limit", found)];
        let refused = strict.ask(CHAT, &headers).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.text()),
            (500, ""),
            "{found}"
        );
        assert_eq!(lenient.ask(CHAT, &headers).await.status, 200, "{found}");
    }
    assert_eq!(
        strict
            .ask(CHAT, &[("x-limit", "9007199254740991")])
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn names_with_dots_are_names() {
    let stage = Stage::new(&["gpt-4.1.mini"]).await;
    let limit = limiting(json!({
        "instances": [{ "name": "gpt-4.1.mini", "limit": 10, "time_window": 60 }],
    }));
    let route = stage.route("/routes/1", &[stage.multi(&json!({})), limit]);
    let seen = route.chat().await;
    assert_eq!(header(&seen, "x-ai-ratelimit-remaining-gpt-4.1.mini"), "10");
    assert_eq!(route.chat().await.status, 503);
}

#[tokio::test]
async fn resources_never_share_a_counter() {
    let stage = Stage::new(&["a"]).await;
    let limit = || limiting(json!({ "limit": 10, "time_window": 60 }));
    for holder in [
        "/routes/1",
        "/routes/2",
        "/consumers/jack",
        "/consumers/rose",
    ] {
        let (proxy, (name, config)) = (stage.proxy("a"), limit());
        let links = [("/routes/9", proxy.0, proxy.1), (holder, name, config)];
        let plugins = stage.chains(&[&links]);
        assert_eq!(plugins.statuses(2).await, [200, 503], "{holder}");
    }
}

#[tokio::test]
async fn counters_survive_other_changes_and_begin_anew_with_another_limit() {
    let stage = Stage::new(&["a"]).await;
    let mut config = json!({ "limit": 10, "time_window": 60 });
    let route =
        |config: &Value| stage.route("/routes/1", &[stage.proxy("a"), limiting(config.clone())]);
    let first = route(&config);
    assert_eq!(first.statuses(2).await, [200, 503]);
    let again = route(&config);
    drop(first);
    assert_eq!(again.statuses(1).await, [503]);
    config["rejected_msg"] = "no".into();
    let changed = route(&config);
    assert_eq!(changed.statuses(2).await, [200, 503]);
}

#[tokio::test]
async fn the_log_knows_the_limit() {
    let stage = Stage::new(&["a"]).await;
    let limit = limiting(json!({ "limit": 30, "time_window": 60 }));
    let route = stage.route("/routes/1", &[stage.proxy("a"), limit]);
    route.chat().await;
    let seen = route.chat().await;
    let info = Var::named("rate_limiting_info")
        .value(&seen.ctx)
        .expect("a value");
    let info: Value = serde_json::from_str(&info.into_text()).expect("JSON");
    assert_eq!(info["rate_limiting_key"], "ai-rate-limiting#global");
    assert_eq!(info["rate_limiting_limit"], 30);
    assert_eq!(info["rate_limiting_remaining"], 20);
    assert!(
        info["rate_limiting_reset"]
            .as_u64()
            .is_some_and(|reset| reset <= 60)
    );
}

#[tokio::test]
async fn a_text_that_never_is_a_number_is_told_when_it_is_loaded() {
    let stage = Stage::new(&["a"]).await;
    for (limit, told) in [("abc", 1), ("", 1), (" 20 ", 0), ("${http_x ?? 20}", 0)] {
        let heard = Heard::listening();
        let config = json!({ "limit": limit, "time_window": 60 });
        let plugins = [stage.proxy("a"), ("ai-rate-limiting", config)];
        let route = stage.route("/routes/1", &plugins);
        let warned = heard.count("WARN", "and no number: each request is an error");
        assert_eq!(warned, told, "{limit:?}: {}", heard.lines());
        let status = route.chat().await.status;
        assert_eq!(
            status.as_u16(),
            if told == 1 { 500 } else { 200 },
            "{limit:?}"
        );
    }
}
