//! Lists: filters, pages and their order.

use serde_json::json;

use crate::support::{House, put};

async fn ids(house: &House, query: &str) -> (Vec<String>, u64) {
    let answer = house.client.get(&format!("/routes{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    let list = body["list"].as_array().unwrap();
    let id = |item: &serde_json::Value| item["value"]["id"].as_str().unwrap().to_owned();
    (
        list.iter().map(id).collect(),
        body["total"].as_u64().unwrap(),
    )
}

/// Three routes, created in the order b, a, c.
async fn three_routes() -> House {
    let house = House::new().await;
    put(&house.client, "/services/7", json!({})).await;
    put(&house.client, "/upstreams/8", json!({ "nodes": {} })).await;
    for (id, route) in [
        (
            "b",
            json!({ "uri": "/v1/chat", "plugins": {}, "name": "fast chat", "labels": { "team": "x" } }),
        ),
        (
            "a",
            json!({ "uris": ["/v1/embed", "/v2/*"], "service_id": 7, "name": "slow" }),
        ),
        (
            "c",
            json!({ "uri": "/other", "service_id": "7", "upstream_id": "8", "labels": { "team": "y", "env": "z" } }),
        ),
    ] {
        put(&house.client, &format!("/routes/{id}"), route).await;
    }
    house
}

#[tokio::test]
async fn without_pages_a_list_has_the_order_of_keys() {
    let house = three_routes().await;
    assert_eq!(
        ids(&house, "").await,
        (vec!["a".into(), "b".into(), "c".into()], 3)
    );
    assert_eq!(ids(&house, "?page=1").await.0, ["a", "b", "c"]);
    assert_eq!(ids(&house, "?page_size=10").await.0, ["a", "b", "c"]);
}

#[tokio::test]
async fn filters_must_all_hold() {
    let house = three_routes().await;
    for (query, expected) in [
        ("?name=fast", &["b"][..]),
        ("?name=%5Es", &["a"]),
        ("?label=team", &["b", "c"]),
        ("?label=env", &["c"]),
        ("?label=x", &[]),
        ("?uri=%5E/v1", &["a", "b"]),
        ("?uri=/v2", &["a"]),
        ("?uri=/v1&name=fast", &["b"]),
        ("?filter=service_id%3D7", &["a", "c"]),
        ("?filter=service_id%3D7%26upstream_id%3D8", &["c"]),
        ("?filter=uri%3D/other", &["a", "b", "c"]),
    ] {
        let (found, total) = ids(&house, query).await;
        assert_eq!(found, expected, "{query}");
        assert_eq!(total, expected.len() as u64, "{query}");
    }
}

#[tokio::test]
async fn a_filter_that_is_no_pattern_is_refused() {
    let house = House::new().await;
    let answer = house.client.get("/routes?name=%5B").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.error().starts_with("invalid argument name: "),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn pages_follow_the_order_of_creation() {
    let house = House::new().await;
    for number in (1..=25).rev() {
        let path = format!("/routes/r{number:02}");
        put(&house.client, &path, json!({ "uri": "/a", "plugins": {} })).await;
    }
    let (first, total) = ids(&house, "?page=1&page_size=10").await;
    assert_eq!((first.len(), first[0].as_str(), total), (10, "r25", 25));
    let (last, total) = ids(&house, "?page=3&page_size=10").await;
    assert_eq!(last, ["r05", "r04", "r03", "r02", "r01"]);
    assert_eq!(total, 25);
    assert_eq!(ids(&house, "?page=4&page_size=10").await, (vec![], 25));
    assert_eq!(ids(&house, "?page=0&page_size=10").await.0, first);
    assert_eq!(ids(&house, "?page=-3&page_size=10").await.0, first);
    let (filtered, total) = ids(&house, "?page=1&page_size=10&name=none").await;
    assert_eq!((filtered.len(), total), (0, 0));
}

#[tokio::test]
async fn a_page_has_ten_to_five_hundred_items() {
    let house = House::new().await;
    for size in ["9", "501", "0", "-1", "many"] {
        let answer = house
            .client
            .get(&format!("/routes?page=1&page_size={size}"))
            .await;
        assert_eq!(answer.status, 400, "{size}");
        assert_eq!(answer.body, "page_size must be between 10 and 500");
    }
    assert_eq!(
        house
            .client
            .get("/routes?page=1&page_size=500")
            .await
            .status,
        200
    );
}
