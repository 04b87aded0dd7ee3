//! Stopping without breaking what is under way.

use std::time::Duration;

use gateway::Limits;
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{House, Upstream, short};

fn limits(drain_timeout: Duration) -> Limits {
    Limits {
        drain_timeout,
        ..Limits::default()
    }
}

#[tokio::test]
async fn requests_under_way_finish_and_idle_connections_close() {
    let upstream = Upstream::open().await;
    let resources = json!({ "routes": [{ "id": "1", "uri": "/*", "upstream": { "nodes": { upstream.node(): 1 } } }] });
    let house = House::with_limits(limits(Duration::from_mins(1)), resources).await;
    let address = house.address;
    let mut idle = house.raw().await;
    let mut busy = house.raw().await;
    busy.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    let stopped = house.stop();
    assert_eq!(idle.read_to_end().await, "");
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        .await;
    let answer = busy.read_to_end().await;
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\ndone"), "{answer:?}");
    stopped.await.expect("an orderly end");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn requests_that_take_too_long_are_cut() {
    let upstream = Upstream::open().await;
    let resources = json!({ "routes": [{ "id": "1", "uri": "/*", "upstream": { "nodes": { upstream.node(): 1 } } }] });
    let house = House::with_limits(limits(short()), resources).await;
    let mut busy = house.raw().await;
    busy.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    house.stop().await.expect("an orderly end");
    assert_eq!(busy.read_to_end().await, "");
    assert_eq!(server.read_to_end().await, "");
}

#[tokio::test]
async fn http_2_streams_under_way_finish() {
    let upstream = Upstream::open().await;
    let resources = json!({ "routes": [{ "id": "1", "uri": "/*", "upstream": { "nodes": { upstream.node(): 1 } } }] });
    let house = House::with_limits(limits(Duration::from_mins(1)), resources).await;
    let stream = TcpStream::connect(house.address)
        .await
        .expect("a connection");
    let mut sender = crate::http2::client(stream).await;
    let request = http::Request::get("http://a/x").body(http_body_util::Full::default());
    let asked = tokio::spawn(sender.send_request(request.expect("a request")));
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    let stopped = house.stop();
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        .await;
    let answer = asked.await.expect("a task").expect("an answer");
    assert_eq!(crate::support::Answered::read(answer).await.body, "done");
    stopped.await.expect("an orderly end");
}
