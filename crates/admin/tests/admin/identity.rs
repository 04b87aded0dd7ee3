//! Identifiers, methods and paths: which belong together.

use serde_json::json;

use crate::support::{House, put};

/// Status and error text of a request with a valid body for its kind.
async fn ask(house: &House, method: &str, path: &str, body: &str) -> (u16, String) {
    let answer = house.client.send(method, path, body).await;
    (answer.status, answer.error())
}

const ROUTE: &str = r#"{"uri":"/a","plugins":{}}"#;
const ROUTE_2: &str = r#"{"uri":"/a","plugins":{},"id":2}"#;
const PLUGINS: &str = r#"{"plugins":{}}"#;
const JACK: &str = r#"{"username":"jack"}"#;

#[tokio::test]
async fn ids_must_agree() {
    let house = House::new().await;
    put(&house.client, "/consumers", json!({ "username": "jack" })).await;
    let vault = r#"{"id":"aws/1","uri":"http://a","prefix":"b","token":"c"}"#;
    for (method, path, body, expected) in [
        ("PUT", "/routes/1", ROUTE_2, "wrong route id"),
        ("PUT", "/routes", ROUTE, "missing route id"),
        ("POST", "/routes", ROUTE_2, "wrong route id, do not need it"),
        ("POST", "/routes/1", ROUTE, "wrong route id, do not need it"),
        ("PATCH", "/routes", ROUTE, "missing route id"),
        ("DELETE", "/routes", "", "missing route id"),
        ("PUT", "/consumers/jill", JACK, "wrong username"),
        ("DELETE", "/consumers", "", "missing consumer id"),
        (
            "PUT",
            "/consumer_groups",
            PLUGINS,
            "missing consumer group id",
        ),
        (
            "PUT",
            "/plugin_configs",
            PLUGINS,
            "missing plugin config id",
        ),
        ("PUT", "/global_rules", PLUGINS, "missing global rule id"),
        (
            "PUT",
            "/consumers/jack/credentials",
            PLUGINS,
            "missing credential id",
        ),
        (
            "PUT",
            "/consumers/jack/credentials/a",
            r#"{"id":"b"}"#,
            "wrong credential id",
        ),
        ("PUT", "/plugin_metadata", "{}", "missing plugin name"),
        ("PUT", "/plugin_metadata/shone", "{}", "invalid plugin name"),
        ("PUT", "/secrets/vault/1", vault, "wrong secret id"),
        ("PUT", "/secrets/vault", vault, "missing secret id"),
        (
            "PUT",
            "/secrets/bank/1",
            "{}",
            "invalid secret manager: bank",
        ),
    ] {
        let answer = ask(&house, method, path, body).await;
        assert_eq!(answer, (400, expected.to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn an_id_may_stand_in_the_body_as_text_or_number() {
    let house = House::new().await;
    assert_eq!(
        house.client.send("PUT", "/routes", ROUTE_2).await.status,
        201
    );
    assert_eq!(
        house.client.send("PUT", "/routes/2", ROUTE_2).await.status,
        200
    );
    assert_eq!(
        house.client.get("/routes/2").await.json()["value"]["id"],
        "2"
    );
    assert_eq!(
        house.client.send("PUT", "/consumers", JACK).await.status,
        201
    );
    assert_eq!(
        house
            .client
            .send("PUT", "/consumers/jack", JACK)
            .await
            .status,
        200
    );
    let credential = r#"{"id":"jack/credentials/a"}"#;
    let path = "/consumers/jack/credentials/a";
    assert_eq!(house.client.send("PUT", path, credential).await.status, 201);
    assert_eq!(house.client.get(path).await.json()["value"]["id"], "a");
    let vault = r#"{"id":"1","uri":"http://a","prefix":"b","token":"c"}"#;
    assert_eq!(
        house
            .client
            .send("PUT", "/secrets/vault/1", vault)
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn an_id_of_forbidden_characters_is_refused() {
    let house = House::new().await;
    let long = "x".repeat(65);
    for id in ["a%20b", "a%2Fb", "%C3%A4", &long] {
        let (status, error) = ask(&house, "PUT", &format!("/routes/{id}"), ROUTE).await;
        assert_eq!(status, 400, "{id}");
        assert!(
            error.starts_with(r#"invalid configuration: property "id" validation failed"#),
            "{error}"
        );
    }
}

#[tokio::test]
async fn kinds_refuse_methods_that_they_do_not_have() {
    let house = House::new().await;
    for (method, path, noun) in [
        ("POST", "/consumers", "consumer"),
        ("PATCH", "/consumers/jack", "consumer"),
        ("POST", "/consumers/jack/credentials", "credential"),
        ("PATCH", "/consumers/jack/credentials/a", "credential"),
        ("POST", "/consumer_groups", "consumer group"),
        ("POST", "/plugin_configs", "plugin config"),
        ("POST", "/global_rules", "global rule"),
        ("POST", "/plugin_metadata/shine", "plugin_metadata"),
        ("PATCH", "/plugin_metadata/shine", "plugin_metadata"),
        ("POST", "/secrets/vault", "secret"),
    ] {
        let expected = format!("not supported `{method}` method for {noun}");
        assert_eq!(
            ask(&house, method, path, "{}").await,
            (405, expected),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere_are_told() {
    let house = House::new().await;
    for (method, path, status, expected) in [
        ("GET", "/nothing", 404, "Unsupported resource type: nothing"),
        (
            "PUT",
            "/credentials/1",
            404,
            "Unsupported resource type: credentials",
        ),
        ("PURGE", "/routes/1", 404, "not found"),
        ("GET", "", 404, "not found"),
        ("GET", "/routes/1/plugins", 404, "not found"),
        ("POST", "/plugins/list", 404, "not found"),
        ("GET", "/schema", 404, "not found"),
        (
            "GET",
            "/stream_routes",
            400,
            "stream mode is disabled, can not add stream routes",
        ),
        (
            "PUT",
            "/protos/1",
            400,
            "protos are not supported: gRPC transcoding is not part of this gateway",
        ),
    ] {
        let answer = ask(&house, method, path, "").await;
        assert_eq!(answer, (status, expected.to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn credentials_belong_to_a_consumer_that_is_there() {
    let house = House::new().await;
    let path = "/consumers/jack/credentials/a";
    let missing = (404, "consumer not found".to_owned());
    assert_eq!(ask(&house, "PUT", path, PLUGINS).await, missing);
    assert_eq!(ask(&house, "GET", path, "").await, missing);
    assert_eq!(ask(&house, "DELETE", path, "").await, missing);
    assert_eq!(
        ask(&house, "GET", "/consumers/jack/credentials", "").await,
        missing
    );
    put(&house.client, "/consumers", json!({ "username": "jack" })).await;
    assert_eq!(
        house.client.get(path).await.json(),
        json!({ "message": "Key not found" })
    );
    put(&house.client, path, json!({ "plugins": {} })).await;
    assert_eq!(
        house.client.get("/consumers/jack/credentials").await.json()["total"],
        1
    );
    assert_eq!(house.client.get("/consumers").await.json()["total"], 1);
}

#[tokio::test]
async fn credentials_go_with_their_consumer() {
    let house = House::new().await;
    for name in ["jack", "jacky"] {
        put(&house.client, "/consumers", json!({ "username": name })).await;
        put(
            &house.client,
            &format!("/consumers/{name}/credentials/a"),
            json!({}),
        )
        .await;
    }
    assert_eq!(
        house
            .client
            .send("DELETE", "/consumers/jack", "")
            .await
            .status,
        200
    );
    put(&house.client, "/consumers", json!({ "username": "jack" })).await;
    assert_eq!(
        house.client.get("/consumers/jack/credentials").await.json()["total"],
        0
    );
    assert_eq!(
        house
            .client
            .get("/consumers/jacky/credentials")
            .await
            .json()["total"],
        1
    );
}
