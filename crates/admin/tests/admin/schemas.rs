//! Schemas, names of plugins, checks without a write.

use serde_json::json;

use crate::support::House;

#[tokio::test]
async fn kinds_have_schemas() {
    let house = House::new().await;
    for kind in [
        "route",
        "service",
        "upstream",
        "consumer",
        "plugin_config",
        "global_rule",
        "ssl",
    ] {
        let answer = house.client.get(&format!("/schema/{kind}")).await;
        assert_eq!(
            (answer.status, &answer.json()["type"]),
            (200, &json!("object")),
            "{kind}"
        );
    }
    let unknown = house.client.get("/schema/nothing").await;
    assert_eq!(
        (unknown.status, unknown.error().as_str()),
        (400, "not found schema: nothing")
    );
}

#[tokio::test]
async fn plugins_have_schemas() {
    let house = House::new().await;
    for path in [
        "/schema/plugins/shine",
        "/plugins/shine",
        "/plugins/shine?subsystem=http",
    ] {
        let schema = house.client.get(path).await.json();
        assert_eq!(schema["properties"]["level"]["maximum"], 10, "{path}");
        assert!(schema["properties"]["_meta"].is_object(), "{path}");
    }
    let consumer = house
        .client
        .get("/schema/plugins/door-key?schema_type=consumer")
        .await
        .json();
    assert!(consumer["properties"]["key"].is_object());
    let metadata = house
        .client
        .get("/plugins/shine?schema_type=metadata")
        .await
        .json();
    assert!(metadata["properties"]["colour"].is_object());
    for (path, status, expected) in [
        ("/plugins/shone", 404, "plugin not found in subsystem http"),
        ("/plugins", 404, "plugin not found in subsystem http"),
        (
            "/plugins/shine?subsystem=stream",
            404,
            "plugin not found in subsystem stream",
        ),
        (
            "/plugins/shine?subsystem=other",
            400,
            "unsupported subsystem: other",
        ),
        (
            "/plugins/list?subsystem=other",
            400,
            "unsupported subsystem: other",
        ),
        (
            "/plugins/shine?schema_type=consumer",
            400,
            "not found schema",
        ),
    ] {
        let answer = house.client.get(path).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (status, expected),
            "{path}"
        );
    }
}

#[tokio::test]
async fn plugins_are_listed_by_priority() {
    let house = House::new().await;
    let names = house.client.get("/plugins/list").await.json();
    assert_eq!(names, json!(["door-key", "traffic-split", "shine"]));
    assert_eq!(
        house
            .client
            .get("/plugins/list?subsystem=stream")
            .await
            .json(),
        json!([])
    );
    let all = house.client.get("/plugins?all=true").await.json();
    assert_eq!(all["shine"]["priority"], 100);
    assert_eq!(all["shine"]["version"], 0.1);
    assert!(all["shine"]["metadata_schema"].is_object());
    assert!(all["shine"].get("type").is_none());
    assert_eq!(all["door-key"]["type"], "auth");
    assert!(all["door-key"]["consumer_schema"].is_object());
}

#[tokio::test]
async fn a_reload_is_passed_on() {
    let house = House::new().await;
    let answer = house.client.send("PUT", "/plugins/reload", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "done"));
    house.reload.notified().await;
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(
            house
                .client
                .send(method, "/plugins/reload", "")
                .await
                .status,
            405,
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_document_is_checked_by_the_schema_of_its_kind_only() {
    let house = House::new().await;
    let good = r#"{"uri":"/a","plugins":{"shone":{}},"upstream_id":"nowhere"}"#;
    let answer = house
        .client
        .send("POST", "/schema/validate/routes", good)
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    let answer = house
        .client
        .send(
            "POST",
            "/schema/validate/routes",
            r#"{"uri":5,"plugins":{}}"#,
        )
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.error(),
        r#"property "uri" validation failed: wrong type: expected string, got number"#
    );
    assert_eq!(answer.json()["details"][0]["pointer"], "/uri");
    let answer = house
        .client
        .send("POST", "/schema/validate/nothing", "{}")
        .await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (404, "Unsupported resource type: nothing")
    );
    assert_eq!(
        house.client.get("/schema/validate/routes").await.status,
        404
    );
}
