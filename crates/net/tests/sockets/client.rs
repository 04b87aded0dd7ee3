//! What a call sends, and what it makes of the answer.

use std::fmt::Write;

use bytes::Bytes;
use http::{Request, StatusCode};
use net::{BodyError, NetError, Origin, RequestBody};
use tokio::io::AsyncReadExt;

use crate::stage::{HELLO, PATIENT, Stage, frame, get, greet, post, text};

#[tokio::test]
async fn request_goes_out_with_host_length_and_body() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        let heard = actor.hear().await;
        actor.say(HELLO).await;
        heard
    };
    let request = Request::post("/v1/x?y=z")
        .body(RequestBody::Full("{}".into()))
        .unwrap();
    let (answer, heard) = tokio::join!(origin.send(request, PATIENT), upstream);
    let answer = answer.unwrap();
    assert!(answer.connect.is_some());
    assert_eq!(answer.peer.port(), stage.port);
    assert_eq!(text(answer).await.unwrap(), "hello");
    assert!(heard.starts_with("POST /v1/x?y=z HTTP/1.1\r\n"), "{heard}");
    assert!(
        heard.contains(&format!("host: 127.0.0.1:{}\r\n", stage.port)),
        "{heard}"
    );
    assert!(heard.contains("content-length: 2\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n{}"), "{heard}");
}

#[tokio::test]
async fn post_without_a_body_says_so() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        let heard = actor.hear().await;
        actor.say(HELLO).await;
        heard
    };
    let request = Request::post("/").body(RequestBody::Empty).unwrap();
    let (answer, heard) = tokio::join!(origin.send(request, PATIENT), upstream);
    answer.unwrap();
    assert!(heard.contains("content-length: 0\r\n"), "{heard}");
}

#[tokio::test]
async fn failing_request_body_is_the_clients_fault() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.is_left().await;
    };
    let body = crate::stage::FailingBody(BodyError::TooLarge { limit: 7 });
    let request = Request::post("/").body(RequestBody::stream(body)).unwrap();
    let (answer, ()) = tokio::join!(origin.send(request, PATIENT), upstream);
    let error = answer.unwrap_err();
    assert!(
        matches!(
            error,
            NetError::RequestBody(BodyError::TooLarge { limit: 7 })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn interim_answers_are_skipped() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage
            .answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
            .await;
        actor.say(HELLO).await;
        actor
    };
    let (answer, _actor) = tokio::join!(origin.send(post("x"), PATIENT), upstream);
    let answer = answer.unwrap();
    assert_eq!(answer.head.status, StatusCode::OK);
    assert_eq!(text(answer).await.unwrap(), "hello");
}

#[tokio::test]
async fn answer_before_the_end_of_the_upload_is_taken_and_the_connection_is_not_kept() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        let mut heard = vec![0; 16];
        actor.stream.read_exact(&mut heard).await.unwrap();
        actor
            .say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
            .await;
        actor.is_left().await;
    };
    let call = async {
        let request = Request::post("/")
            .body(RequestBody::stream(crate::stage::EndlessBody))
            .unwrap();
        let answer = origin.send(request, PATIENT).await.unwrap();
        assert_eq!(answer.head.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(text(answer).await.unwrap(), "no");
        assert_eq!(origin.idle_connections(), 0);
    };
    tokio::join!(call, upstream);
}

#[tokio::test]
async fn refusal_of_an_upload_is_heard_though_the_server_has_hung_up() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        let mut heard = vec![0; 1024];
        actor.stream.read_exact(&mut heard).await.unwrap();
        actor
            .say("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno")
            .await;
    };
    let body = Bytes::from(vec![b'x'; 16 * 1024 * 1024]);
    let (answer, ()) = tokio::join!(origin.send(post(body), PATIENT), upstream);
    let answer = answer.unwrap();
    assert_eq!(answer.head.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(answer).await.unwrap(), "no");
}

#[tokio::test]
async fn addresses_of_a_name_are_tried_in_turn() {
    let stage = Stage::open().await;
    let mut settings = stage.settings();
    // Where the name also has an IPv6 address, nobody listens there.
    settings.host = "localhost".into();
    let origin = Origin::new(settings).unwrap();
    let (answer, _actor) = tokio::join!(origin.send(get(), PATIENT), greet(&stage));
    let answer = answer.unwrap();
    assert!(answer.peer.is_ipv4());
    assert_eq!(text(answer).await.unwrap(), "hello");
}

#[tokio::test]
async fn answer_larger_than_wanted_is_given_up() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let (answer, mut actor) = tokio::join!(origin.send(get(), PATIENT), greet(&stage));
    assert_eq!(answer.unwrap().body.read_whole(4).await.unwrap(), None);
    drop(origin);
    actor.is_left().await;
}

/// Sends 64 chunks in one write and returns the pieces that come out.
async fn pieces(join: usize) -> Vec<Bytes> {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        let mut said = String::from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for index in 0..64 {
            write!(said, "a\r\nchunk {index:03}\n\r\n").unwrap();
        }
        said.push_str("0\r\n\r\n");
        actor.say(said).await;
        actor
    };
    let (answer, _actor) = tokio::join!(origin.send(get(), PATIENT), upstream);
    let mut body = answer.unwrap().body;
    body.join_ready(join);
    let mut pieces = Vec::new();
    while let Some(piece) = frame(&mut body).await {
        pieces.push(piece.unwrap());
    }
    assert_eq!(origin.idle_connections(), 1);
    pieces
}

#[tokio::test]
async fn chunks_of_one_read_are_joined_when_wanted() {
    let apart = pieces(0).await;
    assert_eq!(apart.len(), 64);
    let whole = apart.concat();
    let joined = pieces(64 * 1024).await;
    assert_eq!(joined.concat(), whole);
    assert!(joined.len() <= 2, "{} pieces", joined.len());
    let bounded = pieces(100).await;
    assert_eq!(bounded.concat(), whole);
    assert!(bounded.iter().all(|piece| piece.len() <= 100));
    assert!(bounded.len() <= 8, "{} pieces", bounded.len());
}
