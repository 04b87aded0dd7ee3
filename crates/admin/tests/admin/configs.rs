//! Whole standalone documents, checked without being used.

use serde_json::json;

use crate::support::House;

const GOOD: &str = r#"{
    "routes_conf_version": 3,
    "routes": [
        { "id": "1", "modifiedIndex": 2, "uri": "/a", "upstream_id": "nowhere" },
        { "id": 2, "uri": "/b", "plugins": { "shine": { "level": 1 } } }
    ],
    "consumers": [
        { "username": "jack" },
        { "id": "jack/credentials/a", "plugins": { "door-key": { "key": "k" } } }
    ],
    "plugin_metadata": [{ "id": "shine", "colour": "red" }],
    "stream_routes": []
}"#;

#[tokio::test]
async fn a_good_document_is_accepted_and_not_used() {
    let house = House::new().await;
    let answer = house.client.send("POST", "/configs/validate", GOOD).await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({})),
        "{}",
        answer.body
    );
    assert_eq!(house.client.get("/routes").await.json()["total"], 0);
}

#[tokio::test]
async fn every_fault_is_told_with_its_item() {
    let house = House::new().await;
    let bad = r#"{
        "routes": [
            { "id": "1", "uri": 5, "plugins": {} },
            { "id": "2", "uri": "/b", "plugins": { "shine": { "level": 7 } } },
            { "id": "2", "uri": "/c", "plugins": {} }
        ],
        "consumers": [{ "username": "jack" }, { "username": "jack" }],
        "services": {},
        "protos": [{ "id": "1" }]
    }"#;
    let answer = house.client.send("POST", "/configs/validate", bad).await;
    assert_eq!(answer.status, 400);
    insta::assert_json_snapshot!("configs", answer.json());
}

#[tokio::test]
async fn yaml_is_read_where_it_is_called_that() {
    let house = House::new().await;
    let yaml = "routes:\n  - id: 1\n    uri: /a\n    plugins: {}\n";
    let answer = house
        .client
        .post_as("/configs/validate", "application/yaml", yaml)
        .await;
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!({})),
        "{}",
        answer.body
    );
    let answer = house
        .client
        .post_as("/configs/validate", "application/json", yaml)
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn what_is_no_document_is_refused() {
    let house = House::new().await;
    for (body, expected) in [
        ("", "missing configurations"),
        ("[]", "invalid request body: expected an object"),
        (
            r#"{"routes_conf_version":"3","routes":[]}"#,
            "routes_conf_version must be a number",
        ),
    ] {
        let answer = house.client.send("POST", "/configs/validate", body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, expected),
            "{body}"
        );
    }
    assert_eq!(house.client.get("/configs").await.status, 404);
}
