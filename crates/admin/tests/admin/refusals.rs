//! Writes that are refused, and why: one row for each rule.

use serde_json::{Value, json};

use crate::support::{House, put};

/// A body is refused with this text.
async fn refused(house: &House, path: &str, body: Value, expected: &str) {
    let answer = house.client.send("PUT", path, &body.to_string()).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (400, expected),
        "{path} {body}"
    );
    let details = answer.json()["details"].clone();
    let places = details.as_array().map_or(0, Vec::len);
    assert!(
        places > 0 || !NEED_PLACES.iter().any(|text| expected.contains(text)),
        "{}",
        answer.body
    );
}

/// Texts that come with the place of the fault.
const NEED_PLACES: [&str; 4] = [
    "invalid configuration: ",
    "plugin [",
    "check the configuration",
    "fetch",
];

#[tokio::test]
async fn fields_are_checked() {
    let house = House::new().await;
    for (path, body, expected) in [
        (
            "/routes/1",
            json!({ "uri": "", "plugins": {} }),
            r#"invalid configuration: property "uri" validation failed: string too short, expected at least 1, got 0"#,
        ),
        (
            "/routes/1",
            json!({ "plugins": {}, "uri": "/a", "create_time": 1 }),
            "the property is forbidden:  create_time",
        ),
        (
            "/services/1",
            json!({ "update_time": 1 }),
            "the property is forbidden:  update_time",
        ),
        (
            "/routes/1",
            json!({ "plugins": {}, "uri": "/a", "host": "a", "hosts": ["b"] }),
            "only one of host or hosts is allowed",
        ),
        (
            "/routes/1",
            json!({ "plugins": {}, "uri": "/a", "remote_addr": "127.0.0.1", "remote_addrs": ["::1"] }),
            "only one of remote_addr or remote_addrs is allowed",
        ),
        (
            "/routes/1",
            json!({ "plugins": {}, "uri": "/a", "vars": ["arg_a", "==", "1"] }),
            "failed to validate the 'vars' expression: rule should be wrapped inside brackets",
        ),
        (
            "/routes/1",
            json!({ "plugins": {}, "uri": "/a", "vars": [["arg_a", "is", "1"]] }),
            "failed to validate the 'vars' expression: invalid operator 'is'",
        ),
    ] {
        refused(&house, path, body, expected).await;
    }
}

#[tokio::test]
async fn fields_of_other_kinds_are_checked() {
    let house = House::new().await;
    for (path, body, expected) in [
        (
            "/consumers",
            json!({ "username": "jack", "colour": 1 }),
            "invalid configuration: additional properties forbidden, found colour",
        ),
        (
            "/consumers",
            json!({}),
            r#"invalid configuration: property "username" is required"#,
        ),
        (
            "/secrets/vault/1",
            json!({ "uri": "http://a", "token": "b" }),
            r#"invalid configuration: property "prefix" is required"#,
        ),
        (
            "/plugin_metadata/shine",
            json!({ "colour": 1 }),
            r#"invalid configuration: property "colour" validation failed: wrong type: expected string, got number"#,
        ),
        (
            "/plugin_metadata/shine",
            json!({}),
            r#"invalid configuration: property "colour" is required"#,
        ),
    ] {
        refused(&house, path, body, expected).await;
    }
}

#[tokio::test]
async fn plugins_are_checked() {
    let house = House::new().await;
    put(&house.client, "/consumers", json!({ "username": "jack" })).await;
    let bare = [
        (json!({ "shone": {} }), "unknown plugin [shone]"),
        (
            json!({ "shine": { "level": 0 } }),
            r#"failed to check the configuration of plugin shine err: property "level" validation failed: expected 0 to be at least 1"#,
        ),
        (
            json!({ "shine": { "level": 7 } }),
            "failed to check the configuration of plugin shine err: level: expected no 7, found 7",
        ),
    ];
    for (plugins, expected) in &bare {
        for path in [
            "/services/1",
            "/plugin_configs/1",
            "/global_rules/1",
            "/consumer_groups/1",
        ] {
            refused(&house, path, json!({ "plugins": plugins }), expected).await;
        }
        refused(
            &house,
            "/routes/1",
            json!({ "uri": "/a", "plugins": plugins }),
            expected,
        )
        .await;
        let consumer = json!({ "username": "jack", "plugins": plugins });
        let expected = format!("invalid plugins configuration: {expected}");
        refused(&house, "/consumers", consumer, &expected).await;
    }
    let filter = json!({ "shine": { "level": 1, "_meta": { "filter": ["a", "==", "b"] } } });
    let answer = house
        .client
        .send(
            "PUT",
            "/services/1",
            &json!({ "plugins": filter }).to_string(),
        )
        .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .error()
            .contains("rule should be wrapped inside brackets"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_disabled_plugin_need_not_be_valid() {
    let house = House::new().await;
    let plugins = json!({ "shine": { "level": 99, "_meta": { "disable": true } } });
    put(
        &house.client,
        "/routes/1",
        json!({ "uri": "/a", "plugins": plugins }),
    )
    .await;
}

#[tokio::test]
async fn a_credential_holds_an_auth_plugin() {
    let house = House::new().await;
    put(&house.client, "/consumers", json!({ "username": "jack" })).await;
    let path = "/consumers/jack/credentials/a";
    refused(
        &house,
        path,
        json!({ "plugins": { "shine": { "level": 1 } } }),
        "only supports auth type plugins in consumer credential",
    )
    .await;
    refused(
        &house,
        path,
        json!({ "plugins": { "door-key": {} } }),
        r#"invalid plugins configuration: failed to check the configuration of plugin door-key err: property "key" is required"#,
    )
    .await;
    refused(
        &house,
        path,
        json!({ "plugins": { "shone": {} } }),
        "invalid plugins configuration: unknown plugin [shone]",
    )
    .await;
    refused(
        &house,
        path,
        json!({ "plugins": { "door-key": { "key": "a" }, "shine": { "level": 1 } } }),
        r#"invalid configuration: property "plugins" validation failed: expect object to have at most 1 properties"#,
    )
    .await;
}

#[tokio::test]
async fn what_is_named_must_be_there() {
    let house = House::new().await;
    for (path, body, named) in [
        (
            "/routes/1",
            json!({ "uri": "/a", "upstream_id": "x" }),
            "upstream",
        ),
        (
            "/routes/1",
            json!({ "uri": "/a", "service_id": "x" }),
            "service",
        ),
        (
            "/routes/1",
            json!({ "uri": "/a", "plugins": {}, "plugin_config_id": "x" }),
            "plugin config",
        ),
        ("/services/1", json!({ "upstream_id": "x" }), "upstream"),
        (
            "/consumers",
            json!({ "username": "jack", "group_id": "x" }),
            "consumer group",
        ),
        (
            "/upstreams/1",
            json!({ "nodes": {}, "tls": { "client_cert_id": "x" } }),
            "ssl",
        ),
    ] {
        let expected =
            format!("failed to fetch {named} info by {named} id [x], response code: 404");
        refused(&house, path, body, &expected).await;
    }
}

/// Everything names something else.
async fn a_web() -> House {
    let house = House::new().await;
    for (path, body) in [
        ("/upstreams/up", json!({ "nodes": {} })),
        ("/upstreams/split", json!({ "nodes": {} })),
        ("/services/service", json!({ "upstream_id": "up" })),
        ("/plugin_configs/set", json!({ "plugins": {} })),
        ("/consumer_groups/group", json!({ "plugins": {} })),
        (
            "/consumers",
            json!({ "username": "jack", "group_id": "group" }),
        ),
        (
            "/routes/1",
            json!({
                "uri": "/a", "service_id": "service", "plugin_config_id": "set",
                "plugins": { "traffic-split": { "rules": [
                    { "weighted_upstreams": [{ "weight": 1 }, { "upstream_id": "split" }] },
                ] } },
            }),
        ),
    ] {
        put(&house.client, path, body).await;
    }
    house
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let house = a_web().await;
    for (path, expected) in [
        (
            "/upstreams/up",
            "can not delete this upstream, service [service] is still using it now",
        ),
        (
            "/upstreams/split",
            "can not delete this upstream, plugin in route [1] is still using it now",
        ),
        (
            "/services/service",
            "can not delete this service directly, route [1] is still using it now",
        ),
        (
            "/plugin_configs/set",
            "can not delete this plugin config, route [1] is still using it now",
        ),
        (
            "/consumer_groups/group",
            "can not delete this consumer group, consumer [jack] is still using it now",
        ),
    ] {
        for query in ["", "?force=1", "?force=yes"] {
            let answer = house
                .client
                .send("DELETE", &format!("{path}{query}"), "")
                .await;
            assert_eq!(
                (answer.status, answer.error().as_str()),
                (400, expected),
                "{path}"
            );
        }
        let answer = house
            .client
            .send("DELETE", &format!("{path}?force=true"), "")
            .await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_consumer_can_use_an_upstream_by_a_plugin() {
    let house = House::new().await;
    put(&house.client, "/upstreams/1", json!({ "nodes": {} })).await;
    let plugins = json!({ "traffic-split": { "rules": [
        { "weighted_upstreams": [{ "upstream_id": 1 }] },
    ] } });
    put(
        &house.client,
        "/consumers",
        json!({ "username": "jack", "plugins": plugins }),
    )
    .await;
    let answer = house.client.send("DELETE", "/upstreams/1", "").await;
    let expected = "can not delete this upstream, plugin in consumer [jack] is still using it now";
    assert_eq!((answer.status, answer.error().as_str()), (400, expected));
}

#[tokio::test]
async fn what_nobody_uses_any_more_can_go() {
    let house = a_web().await;
    put(
        &house.client,
        "/routes/1",
        json!({ "uri": "/a", "plugins": {} }),
    )
    .await;
    for path in [
        "/services/service",
        "/upstreams/up",
        "/upstreams/split",
        "/plugin_configs/set",
    ] {
        assert_eq!(
            house.client.send("DELETE", path, "").await.status,
            200,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_credential_makes_one_consumer_known() {
    let house = House::new().await;
    let plugins = |key: &str| json!({ "door-key": { "key": key } });
    let consumer = |name: &str, key: &str| json!({ "username": name, "plugins": plugins(key) });
    put(&house.client, "/consumers", consumer("jack", "a")).await;
    put(&house.client, "/consumers", json!({ "username": "jill" })).await;
    put(
        &house.client,
        "/consumers/jill/credentials/x",
        json!({ "plugins": plugins("b") }),
    )
    .await;
    let taken =
        |name: &str| format!("duplicate key of plugin door-key found with consumer: {name}");
    refused(&house, "/consumers", consumer("joe", "a"), &taken("jack")).await;
    refused(&house, "/consumers", consumer("joe", "b"), &taken("jill")).await;
    let credential = json!({ "plugins": plugins("a") });
    refused(
        &house,
        "/consumers/jill/credentials/y",
        credential,
        &taken("jack"),
    )
    .await;
    put(&house.client, "/consumers", consumer("jack", "a")).await;
    let reference = "$env://KEY";
    put(&house.client, "/consumers", consumer("joe", reference)).await;
    put(&house.client, "/consumers", consumer("jim", reference)).await;
}

#[tokio::test]
async fn a_credential_is_free_again_once_its_holder_is_gone_or_has_another() {
    let house = House::new().await;
    let plugins = |key: &str| json!({ "door-key": { "key": key } });
    let consumer = |name: &str, key: &str| json!({ "username": name, "plugins": plugins(key) });
    let taken =
        |name: &str| format!("duplicate key of plugin door-key found with consumer: {name}");
    put(&house.client, "/consumers", consumer("jack", "a")).await;
    put(
        &house.client,
        "/consumers/jack/credentials/x",
        json!({ "plugins": plugins("b") }),
    )
    .await;
    put(&house.client, "/consumers", consumer("jack", "c")).await;
    put(&house.client, "/consumers", consumer("jill", "a")).await;
    refused(&house, "/consumers", consumer("joe", "b"), &taken("jack")).await;
    refused(&house, "/consumers", consumer("joe", "c"), &taken("jack")).await;
    house.client.send("DELETE", "/consumers/jack", "").await;
    put(&house.client, "/consumers", consumer("joe", "b")).await;
    put(&house.client, "/consumers", consumer("jim", "c")).await;
    refused(&house, "/consumers", consumer("jack", "a"), &taken("jill")).await;
    // written by somebody else, such as the end of a life
    house.store.delete("/apisix/consumers/jill").unwrap();
    put(&house.client, "/consumers", consumer("jack", "a")).await;
    house
        .store
        .put("/apisix/consumers/ann", &consumer("ann", "d"), None)
        .unwrap();
    refused(&house, "/consumers", consumer("bob", "d"), &taken("ann")).await;
    let disabled = json!({ "door-key": { "key": "d", "_meta": { "disable": true } } });
    put(
        &house.client,
        "/consumers",
        json!({ "username": "bob", "plugins": disabled }),
    )
    .await;
}

#[tokio::test]
async fn a_plugin_is_in_one_global_rule() {
    let house = House::new().await;
    let rule = json!({ "plugins": { "shine": { "level": 1 } } });
    put(&house.client, "/global_rules/1", rule.clone()).await;
    put(&house.client, "/global_rules/1", rule.clone()).await;
    refused(
        &house,
        "/global_rules/2",
        rule,
        "plugin 'shine' already exists in global rule with id '1'",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_writers_wins_where_only_one_can() {
    let house = House::new().await;
    let rules: Vec<_> = (0..8)
        .map(|number| {
            let client = house.client.clone();
            tokio::spawn(async move {
                let rule = r#"{"plugins":{"shine":{"level":1}}}"#;
                client
                    .send("PUT", &format!("/global_rules/{number}"), rule)
                    .await
                    .status
            })
        })
        .collect();
    let mut created = 0;
    for rule in rules {
        created += usize::from(rule.await.unwrap() == 201);
    }
    assert_eq!(created, 1);
}
