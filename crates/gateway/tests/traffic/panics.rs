//! A panic ends one request and nothing else.

use http::StatusCode;
use serde_json::json;

use crate::plugins::seen;
use crate::support::House;

#[tokio::test]
async fn a_panic_answers_500_and_neighbours_live() {
    let phases = ["rewrite", "access", "head"];
    let routes = phases.map(|phase| {
        json!({
            "id": phase,
            "uri": format!("/{phase}"),
            "plugins": { "panics": { "name": phase }, "witness": { "name": format!("panic-{phase}") }, "answer": { "text": "a" } },
        })
    });
    let mut routes = routes.to_vec();
    routes
        .push(json!({ "id": "fine", "uri": "/fine", "plugins": { "answer": { "text": "fine" } } }));
    let house = House::open(json!({ "routes": routes })).await;
    let mut client = house.raw().await;
    for phase in phases {
        // On one connection: a panic does not even take the connection down.
        client
            .send(format!("GET /{phase} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let answer = client.read_until("}\n").await;
        assert!(answer.starts_with("HTTP/1.1 500 "), "{phase}: {answer:?}");
        assert_eq!(
            seen(&format!("panic-{phase}")).logged(1).await[0].status,
            500
        );
        client.send("GET /fine HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.read_until("\r\n\r\nfine").await;
    }
    let metrics = house.workshop.metrics.encode();
    assert!(metrics.contains("tollgate_panics_total 3"), "{metrics}");
}

#[tokio::test]
async fn a_panic_over_the_body_cuts_the_answer() {
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/x", "plugins": { "panics": { "name": "chunk" }, "answer": { "text": "hello" } } }],
    }))
    .await;
    let mut client = house.raw().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.read_to_end().await;
    assert!(!answer.contains("0\r\n\r\n"), "{answer:?}");
    assert_eq!(house.get("/none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_panic_while_logging_harms_nobody() {
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/x", "plugins": { "panics": { "name": "log" }, "answer": { "text": "hello" } } }],
    }))
    .await;
    for _ in 0..2 {
        assert_eq!(house.get("/x").await.body, "hello");
    }
}
