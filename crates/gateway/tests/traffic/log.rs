//! The access log.

use std::sync::Arc;

use gateway::{AccessLog, LogFormat, Settings};
use plugin::Template;
use serde_json::{Value, json};
use telemetry::log_sink::LogSink;

use crate::support::{House, Upstream};

/// The lines that these requests leave.
async fn lines(name: &str, format: LogFormat, paths: &[&str]) -> Vec<String> {
    let file = std::env::temp_dir().join(format!("gateway-{name}-{}.log", std::process::id()));
    let sink = Arc::new(LogSink::open(file.to_str().expect("text"), None).expect("a file"));
    let settings = Settings {
        access_log: Some(AccessLog {
            sink: Arc::clone(&sink),
            format,
        }),
        ..Settings::default()
    };
    let house = House::with(
        settings,
        json!({ "routes": [{ "id": "r1", "uri": "/x", "plugins": { "answer": { "text": "hello" } } }] }),
    )
    .await;
    for path in paths {
        house.get(path).await;
    }
    sink.flush();
    let text = std::fs::read_to_string(&file).expect("a file");
    std::fs::remove_file(&file).expect("a file");
    text.lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn each_request_leaves_one_line_of_json() {
    let lines = lines("json", LogFormat::Json, &["/x?a=1", "/none"]).await;
    let entries: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["status"], 200);
    assert_eq!(entries[0]["uri"], "/x?a=1");
    assert_eq!(entries[0]["route_id"], "r1");
    assert_eq!(entries[0]["end"], "complete");
    assert_eq!(entries[1]["status"], 404);
    assert_ne!(entries[0]["request_id"], entries[1]["request_id"]);
}

#[tokio::test]
async fn each_request_leaves_one_line_of_text() {
    let template =
        Template::new("$remote_addr \"$request\" $status $body_bytes_sent $sent_http_x_host");
    let lines = lines("text", LogFormat::Text(template), &["/x"]).await;
    assert_eq!(lines, ["127.0.0.1 \"GET /x HTTP/1.1\" 200 5 127.0.0.1"]);
}

#[tokio::test]
async fn an_upstream_answer_without_a_body_is_no_lost_client() {
    let upstream = Upstream::open().await;
    let house = House::open(json!({
        "routes": [{ "id": "r1", "uri": "/*", "upstream": { "nodes": { upstream.node(): 1 } } }]
    }))
    .await;
    let answered = async {
        let mut upstream = upstream.accept().await;
        upstream.read_until("\r\n\r\n").await;
        upstream
            .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .await;
        upstream
    };
    let (answer, _upstream) = tokio::join!(house.get("/x"), answered);
    assert_eq!(answer.header("content-length"), Some("0"));
    let workshop = Arc::clone(&house.workshop);
    house.stop().await.expect("an end");
    let metrics = workshop.metrics.encode();
    assert!(
        !metrics.contains("tollgate_client_disconnects_total 1"),
        "{metrics}"
    );
}
