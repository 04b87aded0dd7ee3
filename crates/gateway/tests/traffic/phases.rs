//! Routing and the order of phases, as a client sees them.

use bytes::Bytes;
use gateway::{RouterKind, Routing};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::support::{Answered, House, Workshop};

fn request(path: &str, key: &str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("authorization", key);
    request.body(Full::default()).expect("a request")
}

#[tokio::test]
async fn a_request_without_a_route_is_told_so() {
    let house = House::open(json!({})).await;
    let answer = house.get("/nowhere").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.body, "{\"error_msg\":\"404 Route Not Found\"}\n");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.header("server"),
        Some(concat!("Tollgate/", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(answer.header("content-length"), Some("36"));
}

#[tokio::test]
async fn global_rules_see_requests_without_a_route() {
    let house = House::open(json!({
        "global_rules": [{ "id": "1", "plugins": { "mark": { "name": "g" } } }],
    }))
    .await;
    let answer = house.get("/nowhere").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("x-marks"), Some("g.rewrite g.access g.head"));
}

#[tokio::test]
async fn phases_run_global_first_and_by_priority() {
    let house = House::open(json!({
        "global_rules": [{ "id": "1", "plugins": { "mark": { "name": "g" } } }],
        "routes": [{
            "id": "1",
            "uri": "/x",
            "plugins": { "mark": { "name": "r" }, "mark-too": { "name": "t" }, "answer": { "text": "hi" } },
        }],
    }))
    .await;
    let answer = house.get("/x").await;
    assert_eq!(answer.body, "hi");
    let expected = "g.rewrite t.rewrite r.rewrite g.access t.access r.access \
                    g.before t.before r.before g.head t.head r.head";
    let marks: Vec<_> = answer.headers.get_all("x-marks").iter().collect();
    assert_eq!(
        marks.last().and_then(|value| value.to_str().ok()),
        Some(expected)
    );
}

#[tokio::test]
async fn the_meta_priority_changes_the_order() {
    let house = House::open(json!({
        "routes": [{
            "id": "1",
            "uri": "/x",
            "plugins": {
                "mark": { "name": "m", "_meta": { "priority": 99 } },
                "mark-too": { "name": "t", "_meta": { "filter": [["arg_t", "==", "1"]] } },
                "refuses": {},
            },
        }],
    }))
    .await;
    let last = |answer: &Answered| {
        let marks = answer.headers.get_all("x-marks").iter().next_back();
        marks.map(|value| value.to_str().expect("text").to_owned())
    };
    let both = house.get("/x?t=1").await;
    assert_eq!(both.status, StatusCode::FORBIDDEN);
    let expected = "m.rewrite t.rewrite m.access t.access m.head t.head";
    assert_eq!(last(&both).as_deref(), Some(expected));
    let one = house.get("/x").await;
    assert_eq!(last(&one).as_deref(), Some("m.rewrite m.access m.head"));
}

#[tokio::test]
async fn plugins_come_from_route_plugin_config_and_service_in_this_order() {
    let house = House::open(json!({
        "services": [{ "id": "s", "plugins": { "answer": { "text": "service" }, "mark": { "name": "s" } } }],
        "plugin_configs": [{ "id": "p", "plugins": { "answer": { "text": "config" } } }],
        "routes": [
            { "id": "1", "uri": "/service", "service_id": "s" },
            { "id": "2", "uri": "/config", "service_id": "s", "plugin_config_id": "p" },
            { "id": "3", "uri": "/route", "service_id": "s", "plugin_config_id": "p", "plugins": { "answer": { "text": "route" } } },
        ],
    }))
    .await;
    for word in ["service", "config", "route"] {
        let answer = house.get(&format!("/{word}")).await;
        assert_eq!(answer.body, word);
        assert!(
            answer.header("x-marks").is_some(),
            "the service's own plugin runs for {word}"
        );
    }
}

#[tokio::test]
async fn what_a_route_refers_to_must_exist() {
    let house = House::open(json!({
        "routes": [
            { "id": "1", "uri": "/service", "service_id": "none" },
            { "id": "2", "uri": "/config", "plugin_config_id": "none", "plugins": { "answer": { "text": "a" } } },
            { "id": "3", "uri": "/upstream", "upstream_id": "none" },
            { "id": "4", "uri": "/nothing", "plugins": {} , "service_id": "empty" },
            { "id": "5", "uri": "/nodes", "upstream": { "nodes": {} } },
        ],
        "services": [{ "id": "empty" }],
    }))
    .await;
    let table = [
        ("/service", 404),
        ("/config", 503),
        ("/upstream", 502),
        ("/nothing", 503),
        ("/nodes", 503),
    ];
    for (path, status) in table {
        assert_eq!(house.get(path).await.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn a_consumer_brings_plugins_over_the_routes() {
    let house = House::open(json!({
        "consumer_groups": [{ "id": "g", "plugins": { "answer": { "text": "group" }, "mark-too": { "name": "g" } } }],
        "consumers": [
            { "username": "plain", "plugins": { "who": { "key": "p" } } },
            { "username": "own", "group_id": "g", "plugins": { "who": { "key": "o" }, "answer": { "text": "own" } } },
            { "username": "lost", "group_id": "none", "plugins": { "who": { "key": "l" } } },
        ],
        "credentials": [{ "id": "own/credentials/second", "plugins": { "who": { "key": "o2" } } }],
        "routes": [{ "id": "1", "uri": "/x", "plugins": { "who": {}, "mark": { "name": "r" }, "answer": { "text": "route" } } }],
    }))
    .await;
    let plain = house.send(request("/x", "p")).await;
    assert_eq!(plain.body, "route");
    for key in ["o", "o2", "o"] {
        let own = house.send(request("/x", key)).await;
        assert_eq!(own.body, "own", "{key}");
        let marks = own
            .headers
            .get_all("x-marks")
            .iter()
            .next_back()
            .expect("marks");
        // The group's plugin is new to the route: its rewrite comes after the route's.
        let expected = "r.rewrite g.rewrite g.access r.access g.before r.before g.head r.head";
        assert_eq!(marks, expected);
    }
    assert_eq!(
        house.send(request("/x", "l")).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        house.send(request("/x", "?")).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn the_global_prometheus_steps_back_for_a_routes_own() {
    let house = House::open(json!({
        "global_rules": [{ "id": "1", "plugins": { "prometheus": { "name": "g" } } }],
        "routes": [
            { "id": "1", "uri": "/own", "plugins": { "prometheus": { "name": "r" }, "answer": { "text": "a" } } },
            { "id": "2", "uri": "/other", "plugins": { "answer": { "text": "a" } } },
        ],
    }))
    .await;
    let own = house.get("/own").await;
    assert_eq!(
        own.header("x-marks"),
        Some("r.rewrite r.access r.before r.head")
    );
    let other = house.get("/other").await;
    assert_eq!(
        other.header("x-marks"),
        Some("g.rewrite g.access g.before g.head")
    );
}

#[tokio::test]
async fn a_condition_on_the_body_reads_it_once_for_all() {
    let house = House::open(json!({
        "routes": [
            { "id": "1", "uri": "/v1/*", "priority": 1, "vars": [["post_arg.model", "~~", "^gpt-"]], "plugins": { "answer": { "text": "gpt" } } },
            { "id": "2", "uri": "/v1/*", "plugins": { "reads-body": {} } },
        ],
    }))
    .await;
    let post = |body: &'static str| {
        let request = Request::post("/v1/chat").header("content-type", "application/json");
        request.body(Full::from(body)).expect("a request")
    };
    assert_eq!(house.send(post(r#"{"model":"gpt-4o"}"#)).await.body, "gpt");
    let other = r#"{"model":"claude"}"#;
    assert_eq!(house.send(post(other)).await.body, other);
}

#[tokio::test]
async fn parameters_and_hosts_reach_the_plugins() {
    let mut workshop = Workshop::new();
    workshop.routing = Routing {
        kind: RouterKind::UriWithParameter,
        ..Routing::default()
    };
    let door = crate::support::door();
    let resources = json!({
        "routes": [{ "id": "1", "uri": "/u/:id/x", "hosts": ["*.example.com"], "plugins": { "answer": { "text": "a" } } }],
    });
    let house = House::behind(door, gateway::Settings::default(), resources, workshop).await;
    let asked = Request::get("/u/%37/x").header("host", "API.example.com:9080");
    let answer = house
        .send(asked.body(Full::default()).expect("a request"))
        .await;
    assert_eq!(answer.header("x-param"), Some("7"));
    assert_eq!(answer.header("x-host"), Some("api.example.com"));
    assert_eq!(house.get("/u/7/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_filter_of_the_body_sees_it_whole_and_its_length_is_told() {
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/x", "plugins": { "suffix": { "name": "!" }, "answer": { "text": "hi" } } }],
    }))
    .await;
    let answer = house.get("/x").await;
    assert_eq!(answer.body, "hi!");
    assert_eq!(answer.header("content-length"), Some("3"));
}
