//! HTTP/2 by prior knowledge.

use bytes::Bytes;
use gateway::Limits;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::support::{Answered, House, short};

pub(crate) async fn client(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> SendRequest<Full<Bytes>> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io))
        .await
        .expect("a client");
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn streams_share_a_connection() {
    let house = House::open(json!({
        "routes": [
            { "id": "1", "uri": "/echo", "host": "a.com", "plugins": { "reads-body": {} } },
            { "id": "2", "uri": "/hi", "plugins": { "answer": { "text": "hi" } } },
        ],
    }))
    .await;
    let mut sender = client(
        TcpStream::connect(house.address)
            .await
            .expect("a connection"),
    )
    .await;
    let mut waiting = Vec::new();
    for index in 0..20 {
        let request = Request::post("http://a.com/echo").body(Full::from(index.to_string()));
        let sent = sender.send_request(request.expect("a request"));
        waiting.push(async move { Answered::read(sent.await.expect("an answer")).await });
    }
    for (index, answer) in waiting.into_iter().enumerate() {
        assert_eq!(answer.await.body, index.to_string());
    }
    let hi = Request::get("http://b.com:81/hi")
        .body(Full::default())
        .expect("a request");
    let hi = Answered::read(sender.send_request(hi).await.expect("an answer")).await;
    assert_eq!(
        (hi.header("x-host"), hi.header("content-length")),
        (Some("b.com"), Some("2"))
    );
    let none = Request::get("http://b.com/echo")
        .body(Full::default())
        .expect("a request");
    let none = Answered::read(sender.send_request(none).await.expect("an answer")).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let limits = Limits {
        keepalive_timeout: short(),
        ..Limits::default()
    };
    let house = House::with_limits(limits, json!({})).await;
    let mut sender = client(
        TcpStream::connect(house.address)
            .await
            .expect("a connection"),
    )
    .await;
    let request = Request::get("http://a/x")
        .body(Full::default())
        .expect("a request");
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(Answered::read(answer).await.status, StatusCode::NOT_FOUND);
    while sender.ready().await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_preface_in_pieces_is_understood() {
    let house = House::open(json!({})).await;
    let mut client = house.raw().await;
    client.send("PRI * HT").await;
    client.send("TP/2.0\r\n\r\nSM\r\n").await;
    client.send("\r\n\0\0\0\x04\0\0\0\0\0").await;
    // The server's settings frame: a length below 256, type 4.
    let mut head = [0_u8; 9];
    tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut head)
        .await
        .expect("a frame");
    assert_eq!(head.get(3), Some(&4), "{head:?}");
}

#[tokio::test]
async fn a_method_that_begins_like_the_preface_is_http_1() {
    let house = House::open(json!({})).await;
    let mut client = house.raw().await;
    client.send("PR").await;
    client
        .send("OPFIND /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer:?}");
}
