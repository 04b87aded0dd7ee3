//! Changing parts of resources.

use serde_json::{Value, json};

use crate::support::{House, put};

async fn a_route() -> House {
    let house = House::new().await;
    let route = json!({
        "uri": "/a", "methods": ["GET", "POST"], "desc": "x", "labels": { "a": "1", "b": "2" },
        "plugins": { "shine": { "level": 3 } },
    });
    put(&house.client, "/routes/1", route).await;
    house
}

async fn patched(house: &House, path: &str, body: &str) -> Value {
    let answer = house.client.send("PATCH", path, body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let stored = house.client.get("/routes/1").await.json()["value"].clone();
    assert_eq!(answer.json()["value"], stored);
    stored
}

#[tokio::test]
async fn a_whole_patch_is_merged() {
    let house = a_route().await;
    let body = r#"{"labels":{"a":null,"c":"3"},"methods":["PUT"],"desc":null}"#;
    let route = patched(&house, "/routes/1", body).await;
    assert_eq!(route["labels"], json!({ "b": "2", "c": "3" }));
    assert_eq!(route["methods"], json!(["PUT"]));
    assert!(route.get("desc").is_none());
    assert_eq!(route["uri"], "/a");
}

#[tokio::test]
async fn a_patch_of_a_place_replaces_it() {
    let house = a_route().await;
    let route = patched(&house, "/routes/1/labels", r#"{"z":"9"}"#).await;
    assert_eq!(route["labels"], json!({ "z": "9" }));
    let route = patched(&house, "/routes/1/methods", r#"["DELETE"]"#).await;
    assert_eq!(route["methods"], json!(["DELETE"]));
    let route = patched(&house, "/routes/1/plugins/shine/level", "9").await;
    assert_eq!(route["plugins"]["shine"]["level"], 9);
    let route = patched(&house, "/routes/1/upstream/nodes", r#"{"127.0.0.1:1":1}"#).await;
    assert_eq!(route["upstream"], json!({ "nodes": { "127.0.0.1:1": 1 } }));
    let route = patched(&house, "/routes/1/desc", "null").await;
    assert!(route.get("desc").is_none());
}

#[tokio::test]
async fn a_place_that_cannot_be_reached_is_refused() {
    let house = a_route().await;
    for (path, named) in [
        ("/routes/1/uri/x", "/uri"),
        ("/routes/1/plugins/shine/level/a/b", "/plugins/shine/level"),
        ("/routes/1/methods/0", "/methods"),
    ] {
        let answer = house.client.send("PATCH", path, "1").await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error(), format!("invalid sub-path: {named}"));
    }
}

#[tokio::test]
async fn what_a_patch_makes_is_checked() {
    let house = a_route().await;
    for (path, body, expected) in [
        ("/routes/1", r#"{"id":"2"}"#, "wrong route id"),
        (
            "/routes/1",
            r#"{"colour":1}"#,
            "invalid configuration: additional properties forbidden, found colour",
        ),
        (
            "/routes/1/plugins/shine/level",
            "7",
            "failed to check the configuration of plugin shine err: level: expected no 7, found 7",
        ),
        (
            "/routes/1",
            r#"{"service_id":"5"}"#,
            "failed to fetch service info by service id [5], response code: 404",
        ),
    ] {
        let answer = house.client.send("PATCH", path, body).await;
        assert_eq!(
            (answer.status, answer.error()),
            (400, expected.to_owned()),
            "{path} {body}"
        );
    }
    let route = house.client.get("/routes/1").await.json();
    assert_eq!(route["modifiedIndex"], route["createdIndex"]);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_patched() {
    let house = House::new().await;
    let answer = house.client.send("PATCH", "/routes/1", "{}").await;
    assert_eq!(
        (answer.status, answer.json()),
        (404, json!({ "message": "Key not found" }))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn patches_at_the_same_time_are_all_kept() {
    let house = a_route().await;
    let patches: Vec<_> = (0..20)
        .map(|number| {
            let client = house.client.clone();
            tokio::spawn(async move {
                let body = format!(r#"{{"labels":{{"l{number}":"{number}"}}}}"#);
                client.send("PATCH", "/routes/1", &body).await.status
            })
        })
        .collect();
    for patch in patches {
        assert_eq!(patch.await.unwrap(), 200);
    }
    let labels = house.client.get("/routes/1").await.json()["value"]["labels"].clone();
    assert_eq!(labels.as_object().unwrap().len(), 22);
}

#[tokio::test]
async fn the_times_are_the_servers() {
    let house = House::new().await;
    let old = json!({ "uri": "/a", "plugins": {}, "id": "1", "create_time": 5, "update_time": 6 });
    house.store.put("/apisix/routes/1", &old, None).unwrap();
    let route = patched(&house, "/routes/1", r#"{"desc":"x"}"#).await;
    assert_eq!(route["create_time"], 5);
    assert!(route["update_time"].as_u64().unwrap() > 1_700_000_000);
    let put = put(
        &house.client,
        "/routes/1",
        json!({ "uri": "/b", "plugins": {} }),
    )
    .await
    .json();
    assert_eq!(put["value"]["create_time"], 5);
}
