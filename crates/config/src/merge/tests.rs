use serde_json::{Value, json};

use super::*;
use crate::check::check;

fn plugins(value: Value) -> Plugins {
    serde_json::from_value(value).expect("plugins")
}

fn text(plugins: &Plugins) -> String {
    serde_json::to_string(plugins).expect("JSON")
}

#[test]
fn the_winner_of_each_name_is_taken_whole() {
    type Merge = fn(&Plugins, &Plugins) -> Plugins;
    let consumer: Merge = |route, consumer| with_consumer(route, None, consumer);
    let table: [(Merge, Value, Value, &str); 7] = [
        (
            with_plugin_config,
            json!({}),
            json!({ "a": 1 }),
            r#"{"a":1}"#,
        ),
        (
            with_plugin_config,
            json!({ "a": 2 }),
            json!({ "a": 1 }),
            r#"{"a":2}"#,
        ),
        (
            with_plugin_config,
            json!({ "b": 2 }),
            json!({ "a": 1 }),
            r#"{"a":1,"b":2}"#,
        ),
        (
            with_service,
            json!({ "a": { "x": 1 } }),
            json!({ "a": { "y": 1 } }),
            r#"{"a":{"x":1}}"#,
        ),
        (with_service, json!({}), json!({ "a": 1 }), r#"{"a":1}"#),
        (consumer, json!({ "a": 1 }), json!({ "a": 2 }), r#"{"a":2}"#),
        (
            consumer,
            json!({ "a": 1 }),
            json!({ "b": 2 }),
            r#"{"a":1,"b":2}"#,
        ),
    ];
    for (merge, first, second, expected) in table {
        assert_eq!(text(&merge(&plugins(first), &plugins(second))), expected);
    }
}

#[test]
fn a_consumer_wins_over_its_group_and_the_group_over_the_route() {
    let route = plugins(json!({ "a": "route", "b": "route", "c": "route" }));
    let group = plugins(json!({ "b": "group", "c": "group" }));
    let consumer = plugins(json!({ "c": "consumer" }));
    assert_eq!(
        text(&with_consumer(&route, Some(&group), &consumer)),
        r#"{"a":"route","b":"group","c":"consumer"}"#
    );
}

#[test]
fn a_merge_shares_the_configurations() {
    let route = plugins(json!({ "a": { "x": 1 } }));
    let merged = with_service(&route, &plugins(json!({ "b": 1 })));
    let (before, after) = (route.get("a").expect("a"), merged.get("a").expect("a"));
    assert!(std::sync::Arc::ptr_eq(before, after));
}

#[test]
fn a_route_wins_over_its_plugin_configuration_and_that_over_its_service() {
    let route: Route =
        check(&json!({ "uri": "/", "service_id": 1, "plugins": { "a": "r" } })).expect("a route");
    let service: Service =
        check(&json!({ "plugins": { "a": "s", "b": "s", "c": "s" } })).expect("a service");
    let configuration = plugins(json!({ "a": "c", "b": "c" }));
    let effective = effective(&route, Some(&configuration), Some(&service));
    assert_eq!(text(&effective.plugins), r#"{"a":"r","b":"c","c":"s"}"#);
}

#[test]
fn what_a_route_lacks_comes_from_its_service() {
    let service: Service = check(&json!({
        "name": "s", "hosts": ["s.example"], "upstream_id": "s", "enable_websocket": true,
    }))
    .expect("a service");
    let bare: Route = check(&json!({ "uri": "/", "service_id": 1 })).expect("a route");
    let filled = effective(&bare, None, Some(&service));
    assert_eq!(filled.name, Some("s"));
    assert_eq!(filled.hosts, ["s.example"]);
    assert_eq!(filled.upstream_id, Some("s"));
    assert!(filled.enable_websocket);

    let own: Route = check(&json!({
        "uri": "/", "service_id": 1, "name": "r", "host": "r.example",
        "upstream": { "nodes": {} }, "enable_websocket": false,
        "timeout": { "connect": 1, "send": 2, "read": 3 },
    }))
    .expect("a route");
    let kept = effective(&own, None, Some(&service));
    assert_eq!(kept.name, Some("r"));
    assert_eq!(kept.hosts, ["r.example"]);
    assert!(kept.upstream.is_some());
    assert_eq!(
        kept.upstream_id, None,
        "an upstream of the route's own hides the service's"
    );
    assert!(!kept.enable_websocket);
    assert!(kept.timeout.is_some());
}
