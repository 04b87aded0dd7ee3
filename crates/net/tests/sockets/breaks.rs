//! Calls that are cut, that stall, or that are given up.

use std::{task::Poll, time::Duration};

use bytes::Bytes;
use http::Request;
use net::{NetError, Phase, RequestBody, Timeouts};
use tokio::{io::AsyncReadExt, sync::oneshot};

use crate::stage::{HELLO, PATIENT, Stage, frame, get, greet, post, text};

/// A silence that is to be too long; long enough for what must come before it, on a busy machine too.
const SHORT: Duration = Duration::from_millis(600);

#[tokio::test]
async fn body_that_is_dropped_early_closes_the_socket() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage
            .answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            .await;
        actor.is_left().await;
    };
    let call = async {
        let mut answer = origin.send(get(), PATIENT).await.unwrap();
        assert_eq!(frame(&mut answer.body).await.unwrap().unwrap(), "one");
        drop(answer);
        assert_eq!(origin.idle_connections(), 0);
    };
    tokio::join!(call, upstream);
}

#[tokio::test]
async fn call_that_is_dropped_before_the_answer_closes_the_socket() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let (heard, cancel) = oneshot::channel();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        heard.send(()).unwrap();
        actor.is_left().await;
    };
    let call = async {
        tokio::select! {
            _ = origin.send(get(), PATIENT) => panic!("nothing was answered"),
            _ = cancel => {}
        }
    };
    tokio::join!(call, upstream);
}

/// Plays `said` after a request, closes, and returns what the client made of the body.
async fn cut(said: &str, reset: bool) -> Result<String, NetError> {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let (seen, close) = oneshot::channel();
    let upstream = async {
        let actor = stage.answer(said).await;
        if reset {
            close.await.unwrap();
            actor.reset();
        }
    };
    let call = async {
        let answer = origin.send(get(), PATIENT).await.unwrap();
        seen.send(()).ok();
        let outcome = text(answer).await;
        assert_eq!(origin.idle_connections(), 0);
        outcome
    };
    tokio::join!(call, upstream).0
}

/// The connection was lost inside the body.
#[track_caller]
fn is_cut(outcome: Result<String, NetError>) {
    let error = outcome.unwrap_err();
    let is_lost = matches!(error, NetError::Lost { .. });
    assert!(is_lost && error.phase() == Some(Phase::Body), "{error:?}");
}

#[tokio::test]
async fn body_shorter_than_its_length_is_an_error() {
    let said = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";
    is_cut(cut(said, false).await);
}

#[tokio::test]
async fn chunked_body_without_its_last_chunk_is_an_error() {
    let said = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    is_cut(cut(said, false).await);
}

#[tokio::test]
async fn bytes_after_the_last_chunk_do_not_spoil_what_came_before() {
    for junk in [
        "JUNK",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "\0\r\n\r\n",
    ] {
        for chunks in ["5\r\nhello\r\n", "2\r\nhe\r\n3\r\nllo\r\n"] {
            let said = format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}0\r\n\r\n{junk}"
            );
            assert_eq!(cut(&said, false).await.unwrap(), "hello", "{said}");
            assert_eq!(cut(&said, true).await.unwrap(), "hello", "{said}");
        }
    }
}

#[tokio::test]
async fn chunked_body_cut_inside_a_chunk_is_an_error() {
    let said = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello";
    is_cut(cut(said, false).await);
}

#[tokio::test]
async fn broken_chunk_size_is_the_upstreams_fault() {
    let said = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n";
    let error = cut(said, false).await.unwrap_err();
    assert!(
        matches!(
            error,
            NetError::Protocol {
                phase: Phase::Body,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn reset_inside_the_body_is_an_error() {
    let said = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let error = cut(said, true).await.unwrap_err();
    let NetError::Lost {
        phase: Phase::Body,
        source,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn old_style_body_ends_with_the_connection() {
    assert_eq!(
        cut("HTTP/1.0 200 OK\r\n\r\nall of it", false)
            .await
            .unwrap(),
        "all of it"
    );
    assert_eq!(
        cut("HTTP/1.1 200 OK\r\n\r\nall of it", false)
            .await
            .unwrap(),
        "all of it"
    );
}

#[tokio::test]
async fn silence_instead_of_an_answer_is_a_timeout() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let timeouts = Timeouts {
        read: SHORT,
        ..PATIENT
    };
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        actor.is_left().await;
    };
    let (answer, ()) = tokio::join!(origin.send(get(), timeouts), upstream);
    let error = answer.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.phase(), Some(Phase::Head));
}

#[tokio::test]
async fn silence_inside_the_body_is_a_timeout() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let timeouts = Timeouts {
        read: SHORT,
        ..PATIENT
    };
    let upstream = async {
        let mut actor = stage
            .answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
            .await;
        actor.is_left().await;
    };
    let call = async {
        let mut answer = origin.send(get(), timeouts).await.unwrap();
        assert_eq!(frame(&mut answer.body).await.unwrap().unwrap(), "hello");
        let error = frame(&mut answer.body).await.unwrap().unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.phase(), Some(Phase::Body));
        assert!(frame(&mut answer.body).await.is_none());
    };
    tokio::join!(call, upstream);
}

#[tokio::test]
async fn upstream_that_takes_nothing_is_a_timeout() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let timeouts = Timeouts {
        send: SHORT,
        ..PATIENT
    };
    let (done, wait) = oneshot::channel();
    let upstream = async {
        let actor = stage.next().await;
        wait.await.unwrap();
        drop(actor);
    };
    let call = async {
        let body = Bytes::from(vec![b'x'; 32 * 1024 * 1024]);
        let error = origin.send(post(body), timeouts).await.unwrap_err();
        assert_eq!(error.phase(), Some(Phase::Send));
        assert!(error.is_timeout());
        done.send(()).unwrap();
    };
    tokio::join!(call, upstream);
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    drop(stage);
    let error = origin.send(get(), PATIENT).await.unwrap_err();
    assert!(matches!(error, NetError::Connect(_)), "{error:?}");
    assert!(error.phase().unwrap().is_before_request());
}

/// Polls once.
async fn is_pending(future: std::pin::Pin<&mut impl Future>) -> bool {
    let mut future = future;
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn slow_reader_is_not_taken_for_a_slow_upstream() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let (tell_first, told_first) = oneshot::channel();
    let (tell_second, told_second) = oneshot::channel();
    let upstream = async {
        let mut actor = stage
            .answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        told_first.await.unwrap();
        actor.say("5\r\nhello\r\n").await;
        told_second.await.unwrap();
        actor.say("3\r\nbye\r\n0\r\n\r\n").await;
    };
    let call = async {
        let timeouts = Timeouts {
            read: Duration::from_secs(10),
            ..PATIENT
        };
        let mut answer = origin.send(get(), timeouts).await.unwrap();
        let mut first = Box::pin(frame(&mut answer.body));
        assert!(is_pending(first.as_mut()).await);
        tell_first.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), "hello");
        // The reader is away for longer than the upstream may be silent.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        let mut second = Box::pin(frame(&mut answer.body));
        assert!(is_pending(second.as_mut()).await);
        tokio::time::resume();
        tell_second.send(()).unwrap();
        assert_eq!(second.await.unwrap().unwrap(), "bye");
    };
    tokio::join!(call, upstream);
}

#[tokio::test]
async fn slow_upload_is_not_taken_for_a_slow_upstream() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = greet(&stage).await;
        let mut heard = Vec::new();
        while !heard.ends_with(b"0\r\n\r\n") {
            actor.stream.read_buf(&mut heard).await.unwrap();
        }
        actor.say(HELLO).await;
    };
    let call = async {
        let first = origin.send(get(), PATIENT).await.unwrap();
        text(first).await.unwrap();
        tokio::time::pause();
        let timeouts = Timeouts {
            read: Duration::from_secs(10),
            ..PATIENT
        };
        let slow = crate::stage::SlowBody::new(Duration::from_secs(25), "slow");
        let request = Request::post("/").body(RequestBody::stream(slow)).unwrap();
        let answer = origin.send(request, timeouts).await.unwrap();
        assert_eq!(text(answer).await.unwrap(), "hello");
    };
    tokio::join!(call, upstream);
}

#[tokio::test]
async fn head_that_is_too_large_is_the_upstreams_fault() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        let fat = "x".repeat(70 * 1024);
        let said = format!("HTTP/1.1 200 OK\r\nfat: {fat}\r\ncontent-length: 0\r\n\r\n");
        // The client may close before all of it is written.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut actor.stream, said.as_bytes()).await;
    };
    let (answer, ()) = tokio::join!(origin.send(get(), PATIENT), upstream);
    let error = answer.unwrap_err();
    assert!(
        matches!(
            error,
            NetError::Protocol {
                phase: Phase::Head,
                ..
            }
        ),
        "{error:?}"
    );
}
