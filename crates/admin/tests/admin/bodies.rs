//! Bodies: how large, and how they arrive.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{ADMIN, House};

const LARGEST: usize = 1_572_864;

fn route_of(size: usize) -> String {
    let frame = r#"{"uri":"/a","plugins":{},"vars":[["arg_a","==",""]]}"#.len();
    let filling = "x".repeat(size - frame);
    format!(r#"{{"uri":"/a","plugins":{{}},"vars":[["arg_a","==","{filling}"]]}}"#)
}

#[tokio::test]
async fn the_largest_body_is_taken() {
    let house = House::new().await;
    let answer = house
        .client
        .send("PUT", "/routes/1", &route_of(LARGEST))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[tokio::test]
async fn a_larger_body_is_refused_with_its_size() {
    let house = House::new().await;
    let answer = house
        .client
        .send("PUT", "/routes/1", &route_of(1_678_025))
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.error(),
        "invalid request body: request size 1678025 is greater than the maximum size 1572864 allowed"
    );
    assert_eq!(house.client.get("/routes/1").await.status, 404);
}

#[tokio::test]
async fn a_larger_body_of_unknown_length_is_refused_too() {
    let house = House::new().await;
    let stream = TcpStream::connect(house.client.address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    let driver = tokio::spawn(connection);
    let (pieces, receiver) = tokio::sync::mpsc::channel(1);
    let request = http::Request::put("/apisix/admin/routes/1")
        .header("host", "localhost")
        .header("x-api-key", ADMIN)
        .body(Pieces(receiver))
        .unwrap();
    let answer = tokio::spawn(async move { sender.send_request(request).await });
    for _ in 0..=LARGEST / 65536 {
        pieces.send(Bytes::from(vec![b'x'; 65536])).await.unwrap();
    }
    drop(pieces);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), 400);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let expected = "request size 1638400 is greater than the maximum size 1572864 allowed";
    assert!(
        std::str::from_utf8(&body).unwrap().contains(expected),
        "{body:?}"
    );
    driver.abort();
}

#[tokio::test]
async fn a_sender_that_asks_first_is_refused_before_it_sends() {
    let house = House::new().await;
    let mut stream = TcpStream::connect(house.client.address).await.unwrap();
    let head = format!(
        "PUT /apisix/admin/routes/1 HTTP/1.1\r\nhost: localhost\r\nx-api-key: {ADMIN}\r\n\
         expect: 100-continue\r\ncontent-length: 9000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(
        answer.contains("request size 9000000 is greater"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_is_no_json_or_not_there_is_refused() {
    let house = House::new().await;
    for (method, path, body, expected) in [
        ("PUT", "/routes/1", "", "missing configurations"),
        ("POST", "/routes", "", "missing configurations"),
        ("PUT", "/consumers", "", "missing configurations"),
        ("PATCH", "/routes/1", "", "missing new configuration"),
        ("PATCH", "/routes/1", "null", "invalid configuration"),
        ("PATCH", "/routes/1", "[]", "invalid configuration"),
        (
            "POST",
            "/schema/validate/routes",
            "",
            "missing configurations",
        ),
        (
            "PUT",
            "/routes/1",
            "[1]",
            "invalid configuration: wrong type: expected object, got table",
        ),
        (
            "PUT",
            "/routes/1",
            "1",
            "invalid configuration: wrong type: expected object, got number",
        ),
    ] {
        let answer = house.client.send(method, path, body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, expected),
            "{method} {path} {body}"
        );
    }
    for body in ["{", "{\"uri\":}", "no", "{} {}", "\u{feff}{}"] {
        let answer = house.client.send("PUT", "/routes/1", body).await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.error().starts_with("invalid request body: "),
            "{}",
            answer.body
        );
        assert_eq!(answer.json()["req_body"], body);
    }
}

/// A body of what a channel gives.
struct Pieces(tokio::sync::mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.0.poll_recv(context);
        piece.map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
