//! The control API, the status and the metrics.

use std::sync::Arc;

use admin::control::{Checked, CheckedNode, Checks, Counter};
use admin::{Control, Export, Facts, Listener, Live};
use config::document::{Draft, Entry};
use config::{Kind, Loaded};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use crate::support::{Client, listen, live, plugin_host};

/// A control API, and what it hears of.
struct Panel {
    client: Client,
    loaded: watch::Sender<Option<Arc<Loaded>>>,
    draining: watch::Sender<bool>,
    reload: Arc<Notify>,
}

impl Panel {
    async fn new(first: Option<Loaded>) -> Self {
        Self::with_checks(first, Checks::default()).await
    }

    async fn with_checks(first: Option<Loaded>, checks: Checks) -> Self {
        let (loaded, live) = live(first);
        let (draining, drains) = watch::channel(false);
        let reload = Arc::new(Notify::new());
        let facts = Facts {
            version: "1.2.3".to_owned(),
            source: "file".to_owned(),
            listeners: vec![Listener {
                name: "proxy".to_owned(),
                address: "127.0.0.1:9080".to_owned(),
            }],
        };
        let registry = plugin_host().registry;
        let control =
            Control::new(live, registry, facts, drains, Arc::clone(&reload)).with_checks(checks);
        Self {
            client: Client::new(listen(control).await),
            loaded,
            draining,
            reload,
        }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.client.request("GET", path, &[], "").await;
        (answer.status, answer.json())
    }
}

fn loaded() -> Loaded {
    let mut draft = Draft::new(None, None);
    for (kind, id, value) in [
        (
            Kind::Route,
            "1",
            json!({ "id": "1", "uri": "/a", "plugins": {} }),
        ),
        (
            Kind::Route,
            "2",
            json!({ "id": "2", "uri": 5, "plugins": {} }),
        ),
        (Kind::Service, "1", json!({ "id": "1" })),
        (Kind::Upstream, "1", json!({ "id": "1", "nodes": {} })),
        (
            Kind::PluginMetadata,
            "shine",
            json!({ "id": "shine", "colour": "red" }),
        ),
    ] {
        draft.take(Entry {
            kind,
            id: id.to_owned(),
            key: format!("/{}", kind.path(id)),
            created: 4,
            modified: 5,
            value,
        });
    }
    draft.finish(5)
}

#[tokio::test]
async fn a_gateway_is_ready_from_its_first_configuration_until_it_drains() {
    let panel = Panel::new(None).await;
    let (status, body) = panel.get("/status/ready").await;
    assert_eq!(status, 503);
    assert_eq!(
        body,
        json!({ "status": "error", "error": "the gateway has not received configuration" })
    );
    assert_eq!(panel.get("/status").await.0, 200);
    panel.loaded.send(Some(Arc::new(loaded()))).unwrap();
    assert_eq!(
        panel.get("/status/ready").await,
        (200, json!({ "status": "ok" }))
    );
    panel.draining.send(true).unwrap();
    let (status, body) = panel.get("/status/ready").await;
    assert_eq!(
        (status, &body["error"]),
        (503, &json!("the gateway is draining"))
    );
}

#[tokio::test]
async fn the_status_tells_what_is_served_and_what_was_refused() {
    let panel = Panel::new(Some(loaded())).await;
    let (status, body) = panel.get("/status").await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "status": "ok",
            "version": "1.2.3",
            "ready": true,
            "draining": false,
            "source": "file",
            "revision": 5,
            "resources": 4,
            "rejected": [{
                "key": "/routes/2",
                "reason": "/routes/2: uri: expected a string, found 5",
                "pointer": "/uri",
                "previous_version_in_use": false,
            }],
            "listeners": [{ "name": "proxy", "address": "127.0.0.1:9080" }],
        })
    );
}

#[tokio::test]
async fn what_is_served_can_be_looked_at() {
    let panel = Panel::new(Some(loaded())).await;
    let route = json!({
        "key": "/routes/1",
        "value": { "id": "1", "uri": "/a", "plugins": {} },
        "createdIndex": 4,
        "modifiedIndex": 5,
    });
    assert_eq!(panel.get("/v1/routes").await, (200, json!([route])));
    assert_eq!(panel.get("/v1/route/1").await, (200, route));
    assert_eq!(
        panel.get("/v1/services").await.1.as_array().unwrap().len(),
        1
    );
    assert_eq!(panel.get("/v1/service/1").await.0, 200);
    assert_eq!(
        panel.get("/v1/upstreams").await.1.as_array().unwrap().len(),
        1
    );
    assert_eq!(panel.get("/v1/upstream/1").await.0, 200);
    let metadata = json!({ "id": "shine", "colour": "red" });
    assert_eq!(
        panel.get("/v1/plugin_metadatas").await,
        (200, json!([metadata]))
    );
    assert_eq!(
        panel.get("/v1/plugin_metadata/shine").await,
        (200, metadata)
    );
    for (path, expected) in [
        ("/v1/route/2", "route[2] not found"),
        ("/v1/service/2", "service[2] not found"),
        (
            "/v1/plugin_metadata/shone",
            "plugin_metadata[shone] not found",
        ),
        ("/v1/nothing", "not found"),
        ("/nothing", "not found"),
    ] {
        let answer = (404, json!({ "error_msg": expected }));
        assert_eq!(panel.get(path).await, answer, "{path}");
    }
}

#[tokio::test]
async fn schemas_are_told() {
    let panel = Panel::new(None).await;
    let (_, body) = panel.get("/v1/schema").await;
    assert_eq!(body["main"]["route"]["type"], "object");
    assert_eq!(body["plugins"]["door-key"]["type"], "auth");
    assert_eq!(body["stream_plugins"], json!({}));
}

#[tokio::test]
async fn health_checks_are_told() {
    let panel = Panel::new(Some(loaded())).await;
    assert_eq!(panel.get("/v1/healthcheck").await, (200, json!([])));
    let html = [("accept", "text/html")];
    let page = panel
        .client
        .request("GET", "/v1/healthcheck", &html, "")
        .await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    for (path, status, expected) in [
        ("/v1/healthcheck/routes/1", 404, "no checker for routes[1]"),
        ("/v1/healthcheck/routes/7", 404, "routes[7] not found"),
        ("/v1/healthcheck/others/1", 400, "invalid src type others"),
    ] {
        assert_eq!(
            panel.get(path).await,
            (status, json!({ "error_msg": expected })),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_reload_is_passed_on() {
    let panel = Panel::new(None).await;
    let answer = panel
        .client
        .request("PUT", "/v1/plugins/reload", &[], "")
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    panel.reload.notified().await;
    let answer = panel.client.request("POST", "/v1/routes", &[], "").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn metrics_are_given_at_their_path_only() {
    let metrics = plugin_host().metrics;
    metrics.set_node_info("host", "1.2.3");
    let client = Client::new(listen(Export::new(metrics, "/apisix/prometheus/metrics")).await);
    let answer = client
        .request("GET", "/apisix/prometheus/metrics?x=1", &[], "")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.headers["content-type"],
        telemetry::metrics::CONTENT_TYPE
    );
    assert!(
        answer
            .body
            .contains(r#"apisix_node_info{hostname="host",version="1.2.3"} 1"#),
        "{}",
        answer.body
    );
    let elsewhere = client.request("GET", "/metrics", &[], "").await;
    assert_eq!(elsewhere.status, 404);
    assert_eq!(
        elsewhere.error(),
        "not found, metrics are at /apisix/prometheus/metrics"
    );
    let post = client
        .request("POST", "/apisix/prometheus/metrics", &[], "")
        .await;
    assert_eq!(post.status, 405);
}

#[test]
fn nothing_is_served_before_the_first_configuration() {
    let (_, receiver) = watch::channel(None);
    let live = Live::new(receiver);
    assert!(live.loaded().is_none());
    assert!(live.document().is_empty());
}

fn node(ip: &str, status: &'static str) -> CheckedNode {
    CheckedNode {
        ip: ip.to_owned(),
        port: 443,
        hostname: "models.example".to_owned(),
        status,
        counter: Counter {
            success: 0,
            http_failure: 2,
            tcp_failure: 0,
            timeout_failure: 1,
        },
    }
}

/// An instance of a resource, with its nodes.
fn checked(resource: &str, index: usize, nodes: Vec<CheckedNode>) -> Checked {
    Checked {
        name: format!("upstream#{resource}#plugins['ai-proxy-multi'].instances[{index}]"),
        instance: format!("i{index}"),
        r#type: "https",
        nodes,
    }
}

#[tokio::test]
async fn what_is_probed_is_told_as_a_whole_and_by_resource() {
    let checks = Checks::new(move || {
        vec![
            checked("/routes/1", 1, vec![node("10.0.0.2", "healthy")]),
            checked("/routes/1", 0, vec![node("10.0.0.1", "unhealthy")]),
            // As a store has the key.
            checked("/apisix/services/1", 0, vec![node("10.0.0.3", "healthy")]),
        ]
    });
    let panel = Panel::with_checks(Some(loaded()), checks).await;
    let told = |ip: &str, status: &str| {
        json!({
            "ip": ip, "port": 443, "hostname": "models.example", "status": status,
            "counter": { "success": 0, "http_failure": 2, "tcp_failure": 0, "timeout_failure": 1 },
        })
    };
    let (_, all) = panel.get("/v1/healthcheck").await;
    let expected = json!({
        "name": "upstream#/routes/1#plugins['ai-proxy-multi'].instances[0]",
        "instance": "i0",
        "type": "https",
        "nodes": [told("10.0.0.1", "unhealthy")],
    });
    assert_eq!((&all[1], &all[2]["instance"]), (&expected, &json!("i1")));
    let (_, one) = panel.get("/v1/healthcheck/routes/1").await;
    let nodes = [told("10.0.0.1", "unhealthy"), told("10.0.0.2", "healthy")];
    assert_eq!(
        one,
        json!({ "name": "/routes/1", "type": "https", "nodes": nodes })
    );
    let (_, one) = panel.get("/v1/healthcheck/services/1").await;
    let nodes = [told("10.0.0.3", "healthy")];
    assert_eq!(
        one,
        json!({ "name": "/apisix/services/1", "type": "https", "nodes": nodes })
    );
    assert_eq!(panel.get("/v1/healthcheck/routes/7").await.0, 404);
    let html = [("accept", "text/html")];
    let page = panel
        .client
        .request("GET", "/v1/healthcheck", &html, "")
        .await;
    assert!(
        page.body
            .contains("<td>10.0.0.1:443</td><td>unhealthy</td>")
    );
}
