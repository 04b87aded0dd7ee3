//! Whole replies of the Admin API, as they are on the wire.

use crate::support::{ADMIN, Client, House};

/// What was asked and what was answered, to be compared as one text.
struct Transcript {
    client: Client,
    text: String,
}

// === impl Transcript ===

impl Transcript {
    async fn new() -> Self {
        Self {
            client: House::new().await.client,
            text: String::new(),
        }
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) {
        let answer = self.client.send(method, path, body).await;
        let blank = if body.is_empty() { "" } else { " " };
        let asked = format!(">>> {method} {path}{blank}{body}\n");
        self.text.push_str(&asked);
        self.text.push_str(&answer.whole());
        self.text.push('\n');
    }

    fn compare(&self, name: &str) {
        let filters = vec![
            (r#""(create|update)_time":\d+"#, r#""${1}_time":<time>"#),
            (r"Tollgate/\S+", "Tollgate/<version>"),
        ];
        insta::with_settings!({ filters => filters, omit_expression => true }, {
            insta::assert_snapshot!(name, self.text);
        });
    }
}

#[tokio::test]
async fn a_route_lives_and_ends() {
    let mut transcript = Transcript::new().await;
    let route = r#"{"uri":"/a","plugins":{"shine":{"level":3}},"desc":"x"}"#;
    transcript.ask("GET", "/routes", "").await;
    transcript.ask("PUT", "/routes/1", route).await;
    transcript.ask("PUT", "/routes/1", route).await;
    transcript
        .ask("POST", "/routes", r#"{"uri":"/b","plugins":{}}"#)
        .await;
    transcript
        .ask("PATCH", "/routes/1", r#"{"uri":"/c","desc":null}"#)
        .await;
    transcript
        .ask("PATCH", "/routes/1/plugins/shine/level", "4")
        .await;
    transcript.ask("GET", "/routes/1", "").await;
    transcript.ask("GET", "/routes", "").await;
    transcript.ask("DELETE", "/routes/1", "").await;
    transcript.ask("DELETE", "/routes/1", "").await;
    transcript.ask("GET", "/routes/1", "").await;
    transcript.compare("route");
}

#[tokio::test]
async fn faults_are_told_with_their_place() {
    let mut transcript = Transcript::new().await;
    for route in [
        r#"{"uri":5,"priority":"high","plugins":{}}"#,
        r#"{"uri":"/a","plugins":{"shine":{"level":11}}}"#,
        r#"{"uri":"/a","plugins":{"shone":{}}}"#,
        r#"{"uri":"/a","upstream_id":"nowhere"}"#,
        r#"{"uri":"#,
    ] {
        transcript.ask("PUT", "/routes/1", route).await;
    }
    transcript.compare("faults");
}

#[tokio::test]
async fn the_other_kinds_are_kept_as_apisix_keeps_them() {
    let mut transcript = Transcript::new().await;
    for (path, body) in [
        ("/consumers", r#"{"username":"jack"}"#),
        (
            "/consumers/jack/credentials/one",
            r#"{"plugins":{"door-key":{"key":"a"}}}"#,
        ),
        (
            "/secrets/vault/main",
            r#"{"uri":"http://127.0.0.1","prefix":"kv","token":"t"}"#,
        ),
        ("/plugin_metadata/shine", r#"{"colour":"red"}"#),
        ("/global_rules/1", r#"{"plugins":{"shine":{"level":1}}}"#),
        ("/consumer_groups/1", r#"{"plugins":{}}"#),
        ("/plugin_configs/1", r#"{"plugins":{}}"#),
        ("/upstreams/1", r#"{"nodes":{"127.0.0.1:80":1}}"#),
        ("/services/1", r#"{"upstream_id":1}"#),
    ] {
        transcript.ask("PUT", path, body).await;
    }
    transcript.ask("GET", "/consumers", "").await;
    transcript
        .ask("GET", "/consumers/jack/credentials", "")
        .await;
    transcript.ask("GET", "/secrets", "").await;
    transcript.compare("kinds");
}

#[tokio::test]
async fn the_key_of_a_certificate_is_never_sent_out() {
    let house = House::new().await;
    let (cert, key) = ("c".repeat(128), "k".repeat(64));
    let ssl = serde_json::json!({ "sni": "a.test", "cert": cert, "key": key });
    let put = crate::support::put(&house.client, "/ssls/1", ssl).await;
    assert!(put.json()["value"].get("key").is_none());
    assert!(!house.client.get("/ssls/1").await.body.contains(&key));
    assert!(!house.client.get("/ssls").await.body.contains(&key));
    let stored = house.store.get("/apisix/ssls/1").unwrap().unwrap();
    assert_eq!(stored.value["key"], key);
}

#[tokio::test]
async fn pages_of_other_origins_may_read_answers_when_a_key_is_needed() {
    let house = House::new().await;
    let preflight = house.client.clone().without_key();
    let answer = preflight.send("OPTIONS", "/routes/1", "").await;
    assert_eq!((answer.status, &*answer.body), (200, ""));
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    let closed = House::with(|wiring| wiring.cors = false).await;
    assert!(
        !closed
            .client
            .get("/routes")
            .await
            .headers
            .contains_key("access-control-allow-origin")
    );
    let open = House::with(|wiring| wiring.access = admin::Access::Open).await;
    let answer = open.client.get("/routes").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_probe_needs_no_key() {
    let house = House::new().await;
    let probe = house.client.clone().without_key();
    for path in ["/apisix/admin", "/apisix/admin/"] {
        assert_eq!(
            probe.request("HEAD", path, &[], "").await.status,
            200,
            "{path}"
        );
    }
    let keyed = probe.key(ADMIN);
    assert_eq!(keyed.send("HEAD", "/routes/1", "").await.status, 404);
    assert_eq!(
        keyed
            .request("GET", "/apisix/adminx/routes", &[], "")
            .await
            .status,
        404
    );
    assert_eq!(keyed.request("GET", "/", &[], "").await.status, 404);
}
