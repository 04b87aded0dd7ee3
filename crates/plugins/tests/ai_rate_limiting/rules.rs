//! Limits by the values of variables.

use serde_json::{Value, json};

use crate::stage::{CHAT, Stage, header};

fn limiting(rules: &Value) -> (&'static str, Value) {
    ("ai-rate-limiting", json!({ "rules": rules }))
}

#[tokio::test]
async fn each_value_of_a_key_has_a_counter() {
    let stage = Stage::new(&["a"]).await;
    let rules = json!([{ "count": 20, "time_window": 60, "key": "${http_x_user}" }]);
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(&rules)]);
    for user in ["jack", "rose"] {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(route.ask(CHAT, &[("x-user", user)]).await.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 503], "{user}");
    }
}

#[tokio::test]
async fn a_rule_without_a_value_does_not_apply_and_all_others_do() {
    let stage = Stage::new(&["a"]).await;
    let rules = json!([
        { "count": 10, "time_window": 60, "key": "$http_x_user" },
        { "count": 100, "time_window": 60, "key": "$http_x_team", "header_prefix": "team" },
    ]);
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(&rules)]);
    let both = [("x-user", "jack"), ("x-team", "red")];
    let seen = route.ask(CHAT, &both).await;
    assert_eq!(header(&seen, "x-ai-1-ratelimit-limit"), "10");
    assert_eq!(header(&seen, "x-ai-1-ratelimit-remaining"), "10");
    assert_eq!(header(&seen, "x-ai-team-ratelimit-limit"), "100");
    let refused = route.ask(CHAT, &both).await;
    assert_eq!(refused.status, 503, "the first rule refuses");
    let team = route.ask(CHAT, &[("x-team", "red")]).await;
    assert_eq!(team.status, 200);
    assert_eq!(
        header(&team, "x-ai-team-ratelimit-remaining"),
        "90",
        "charged once"
    );
    assert_eq!(header(&team, "x-ai-1-ratelimit-limit"), "");
}

#[tokio::test]
async fn a_request_for_which_no_rule_applies_is_an_error() {
    let stage = Stage::new(&["a"]).await;
    let rules = json!([
        { "count": 10, "time_window": 60, "key": "$http_x_user" },
        { "count": 10, "time_window": 60, "key": "constant" },
    ]);
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(&rules)]);
    let refused = route.chat().await;
    assert_eq!((refused.status.as_u16(), &*refused.text()), (500, ""));
    assert_eq!(stage.asked("a"), 0);

    let (name, mut config) = limiting(&rules);
    config["allow_degradation"] = true.into();
    let lenient = stage.route("/routes/1", &[stage.proxy("a"), (name, config)]);
    assert_eq!(lenient.chat().await.status, 200);
}

#[tokio::test]
async fn something_may_stand_for_a_missing_value() {
    let stage = Stage::new(&["a"]).await;
    let rules = json!([{ "count": 10, "time_window": 60, "key": "${http_x_user ?? nobody}" }]);
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(&rules)]);
    assert_eq!(route.statuses(2).await, [200, 503]);
    assert_eq!(route.ask(CHAT, &[("x-user", "jack")]).await.status, 200);
}

#[tokio::test]
async fn rules_with_one_key_share_a_counter() {
    let stage = Stage::new(&["a"]).await;
    let rules = json!([
        { "count": 100, "time_window": 60, "key": "$remote_addr" },
        { "count": 30, "time_window": 60, "key": "$remote_addr" },
    ]);
    let route = stage.route("/routes/1", &[stage.proxy("a"), limiting(&rules)]);
    // Each answer is charged by both rules.
    assert_eq!(route.statuses(3).await, [200, 200, 503]);
}

#[tokio::test]
async fn rules_are_not_asked_while_an_instance_is_chosen() {
    let stage = Stage::new(&["a", "b"]).await;
    let rules = json!([{ "count": 10, "time_window": 60, "key": "$remote_addr" }]);
    let strategy = json!({ "fallback_strategy": "instance_health_and_rate_limiting" });
    let route = stage.route("/routes/1", &[stage.multi(&strategy), limiting(&rules)]);
    assert_eq!(route.statuses(2).await, [200, 503]);
    let refused = route.chat().await;
    assert!(
        refused.text().contains("the limit of tokens is reached"),
        "not by ai-proxy-multi"
    );
}
