//! Clients that leave early.

use gateway::Limits;
use plugin::End;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::plugins::seen;
use crate::support::{House, Upstream, short};

fn witnessed(name: &str, node: &str) -> Value {
    json!({
        "routes": [{
            "id": "1",
            "uri": "/*",
            "plugins": { "witness": { "name": name } },
            "upstream": { "nodes": { node: 1 } },
        }],
    })
}

#[tokio::test]
async fn leaving_while_the_upstream_thinks_closes_it_and_logs_once() {
    let upstream = Upstream::open().await;
    let house = House::open(witnessed("thinking", &upstream.node())).await;
    let mut client = house.raw().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    drop(client);
    assert_eq!(
        server.read_to_end().await,
        "",
        "the upstream's connection is closed"
    );
    let logged = seen("thinking").logged(1).await;
    assert_eq!((logged[0].status, logged[0].end), (499, End::ClientGone));
    let metrics = house.workshop.metrics.encode();
    assert!(
        metrics.contains("tollgate_client_disconnects_total 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn leaving_in_the_middle_of_a_stream_closes_it_and_logs_once() {
    let upstream = Upstream::open().await;
    let house = House::open(witnessed("streaming", &upstream.node())).await;
    let mut client = house.raw().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    client.read_until("abc\r\n").await;
    drop(client);
    assert_eq!(
        server.read_to_end().await,
        "",
        "the upstream's connection is closed"
    );
    let logged = seen("streaming").logged(1).await;
    assert_eq!((logged[0].status, logged[0].end), (200, End::ClientGone));
}

#[tokio::test]
async fn leaving_in_the_middle_of_an_upload_closes_it() {
    let upstream = Upstream::open().await;
    let house = House::open(witnessed("uploading", &upstream.node())).await;
    let mut client = house.raw().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\nabc").await;
    drop(client);
    assert_eq!(
        server.read_to_end().await,
        "",
        "the upstream's connection is closed"
    );
    assert_eq!(seen("uploading").logged(1).await.len(), 1);
}

#[tokio::test]
async fn resetting_one_http_2_stream_closes_its_upstream_only() {
    let upstream = Upstream::open().await;
    let house = House::open(witnessed("reset", &upstream.node())).await;
    let stream = TcpStream::connect(house.address)
        .await
        .expect("a connection");
    let mut sender = crate::http2::client(stream).await;
    let request = |path: &str| {
        let request = http::Request::get(format!("http://a{path}"));
        request
            .body(http_body_util::Full::default())
            .expect("a request")
    };
    let leaving = tokio::spawn(sender.send_request(request("/leaving")));
    let mut first = upstream.accept().await;
    first.read_until("\r\n\r\n").await;
    let staying = tokio::spawn(sender.send_request(request("/staying")));
    let mut second = upstream.accept().await;
    second.read_until("\r\n\r\n").await;
    leaving.abort();
    assert_eq!(
        first.read_to_end().await,
        "",
        "the upstream's connection is closed"
    );
    second
        .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        .await;
    let answer = staying.await.expect("a task").expect("an answer");
    assert_eq!(crate::support::Answered::read(answer).await.body, "ok");
    let mut ends: Vec<_> = seen("reset")
        .logged(2)
        .await
        .into_iter()
        .map(|one| one.end)
        .collect();
    ends.sort_by_key(|end| *end == End::Complete);
    assert_eq!(ends, [End::ClientGone, End::Complete]);
}

#[tokio::test]
async fn a_whole_answer_is_logged_as_complete() {
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/x", "plugins": { "witness": { "name": "whole" }, "answer": { "text": "hello" } } }],
    }))
    .await;
    house.get("/x").await;
    let logged = seen("whole").logged(1).await;
    assert_eq!(
        (logged[0].status, logged[0].end, logged[0].bytes),
        (200, End::Complete, 5)
    );
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go() {
    let upstream = Upstream::open().await;
    let limits = Limits {
        send_timeout: short(),
        ..Limits::default()
    };
    let house = House::with_limits(limits, witnessed("deaf", &upstream.node())).await;
    let mut client = house.raw().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        .await;
    // Until every buffer on the way is full, and the gateway gives up.
    let piece = vec![b'a'; 64 * 1024];
    while server.0.write_all(&piece).await.is_ok() {}
    let logged = seen("deaf").logged(1).await;
    assert_eq!(logged[0].end, End::ClientGone);
    drop(client);
}
