//! Calls to scripted upstreams: reuse, breaks, stalls, cancellation.

use std::{fmt::Write, task::Poll, time::Duration};

use crate::stage::{Actor, PATIENT, Stage, frame, get, post, text};
use bytes::Bytes;
use http::{Request, StatusCode};
use net::{BodyError, KeepAlive, NetError, Origin, Phase, RequestBody, Timeouts};
use tokio::{io::AsyncReadExt, sync::oneshot};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const SHORT: Duration = Duration::from_millis(50);

/// Serves one request and keeps the connection open.
async fn greet(stage: &Stage) -> Actor {
    let mut actor = stage.next().await;
    actor.hear().await;
    actor.say(HELLO).await;
    actor
}

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
async fn connection_is_used_again_after_the_body_was_read() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = greet(&stage).await;
        actor.hear().await;
        actor
            .say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbye\r\n0\r\n\r\n")
            .await;
        actor
    };
    let calls = async {
        let first = origin.send(get(), PATIENT).await.unwrap();
        assert_eq!(text(first).await.unwrap(), "hello");
        assert_eq!(origin.idle_connections(), 1);
        let second = origin.send(get(), PATIENT).await.unwrap();
        assert_eq!(origin.idle_connections(), 0);
        assert_eq!(second.connect, None);
        assert_eq!(text(second).await.unwrap(), "bye");
        assert_eq!(origin.idle_connections(), 1);
    };
    tokio::join!(calls, upstream);
}

#[tokio::test]
async fn answers_without_a_body_free_the_connection_at_once() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        actor.say("HTTP/1.1 204 No Content\r\n\r\n").await;
        actor.hear().await;
        actor
            .say("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n")
            .await;
        actor
    };
    let calls = async {
        let answer = origin.send(get(), PATIENT).await.unwrap();
        assert_eq!(origin.idle_connections(), 1);
        drop(answer);
        let head = Request::head("/").body(RequestBody::Empty).unwrap();
        origin.send(head, PATIENT).await.unwrap();
        assert_eq!(origin.idle_connections(), 1);
    };
    tokio::join!(calls, upstream);
}

#[tokio::test]
async fn body_that_is_dropped_early_closes_the_socket() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        actor
            .say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
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

#[tokio::test]
async fn kept_connection_that_the_server_closed_is_replaced() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        drop(greet(&stage).await);
        drop(greet(&stage).await);
    };
    let calls = async {
        let first = origin.send(get(), PATIENT).await.unwrap();
        text(first).await.unwrap();
        let second = origin.send(post("x"), PATIENT).await.unwrap();
        assert!(second.connect.is_some());
        assert_eq!(text(second).await.unwrap(), "hello");
    };
    tokio::join!(calls, upstream);
}

#[tokio::test]
async fn request_that_meets_the_close_of_a_kept_connection_is_sent_again_once() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = greet(&stage).await;
        let first_try = actor.hear().await;
        drop(actor);
        let mut actor = stage.next().await;
        assert_eq!(actor.hear().await, first_try);
        actor.say(HELLO).await;
    };
    let calls = async {
        let first = origin.send(get(), PATIENT).await.unwrap();
        text(first).await.unwrap();
        let second = origin.send(post("again"), PATIENT).await.unwrap();
        assert_eq!(text(second).await.unwrap(), "hello");
    };
    tokio::join!(calls, upstream);
}

#[tokio::test]
async fn new_connection_that_is_closed_is_not_tried_again() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
    };
    let (answer, ()) = tokio::join!(origin.send(post("x"), PATIENT), upstream);
    let error = answer.unwrap_err();
    assert!(
        matches!(
            error,
            NetError::Lost {
                phase: Phase::Head,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.is_timeout());
}

#[tokio::test]
async fn answer_that_breaks_off_in_its_head_is_not_asked_for_again() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = greet(&stage).await;
        actor.hear().await;
        actor.say("HTTP/1.1 200 OK\r\nconte").await;
    };
    let calls = async {
        let first = origin.send(get(), PATIENT).await.unwrap();
        text(first).await.unwrap();
        let error = origin.send(get(), PATIENT).await.unwrap_err();
        assert!(
            matches!(
                error,
                NetError::Lost {
                    phase: Phase::Head,
                    ..
                }
            ),
            "{error:?}"
        );
    };
    tokio::join!(calls, upstream);
}

#[tokio::test]
async fn streamed_body_is_not_sent_twice() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = greet(&stage).await;
        actor.hear().await;
    };
    let calls = async {
        let first = origin.send(get(), PATIENT).await.unwrap();
        text(first).await.unwrap();
        let body = http_body_util::Full::new(Bytes::from_static(b"once"));
        let body = http_body_util::BodyExt::map_err(body, |never| match never {});
        let request = Request::post("/").body(RequestBody::stream(body)).unwrap();
        let error = origin.send(request, PATIENT).await.unwrap_err();
        assert!(matches!(error, NetError::Lost { .. }), "{error:?}");
    };
    tokio::join!(calls, upstream);
}

/// Plays `said` after a request, closes, and returns what the client made of the body.
async fn cut(said: &str, reset: bool) -> Result<String, NetError> {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let (seen, close) = oneshot::channel();
    let upstream = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        actor.say(said).await;
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

#[tokio::test]
async fn body_shorter_than_its_length_is_an_error() {
    let error = cut("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", false)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            NetError::Lost {
                phase: Phase::Body,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn chunked_body_without_its_last_chunk_is_an_error() {
    let said = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let error = cut(said, false).await.unwrap_err();
    assert!(
        matches!(
            error,
            NetError::Lost {
                phase: Phase::Body,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn chunked_body_cut_inside_a_chunk_is_an_error() {
    let said = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhello";
    let error = cut(said, false).await.unwrap_err();
    assert!(
        matches!(
            error,
            NetError::Lost {
                phase: Phase::Body,
                ..
            }
        ),
        "{error:?}"
    );
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
        let mut actor = stage.next().await;
        actor.hear().await;
        actor
            .say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
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
        let mut actor = stage.next().await;
        actor.hear().await;
        actor
            .say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
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
        let mut actor = stage.next().await;
        actor.hear().await;
        actor
            .say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
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

/// Makes one call with the given policy and tells how many connections were kept after it.
async fn kept_with(keepalive: Option<KeepAlive>) -> (Stage, Origin, Actor) {
    let stage = Stage::open().await;
    let mut settings = stage.settings();
    settings.keepalive = keepalive;
    let origin = Origin::new(settings).unwrap();
    let (answer, actor) = tokio::join!(origin.send(get(), PATIENT), greet(&stage));
    text(answer.unwrap()).await.unwrap();
    (stage, origin, actor)
}

#[tokio::test]
async fn without_keepalive_the_connection_is_closed() {
    let (_stage, origin, mut actor) = kept_with(None).await;
    assert_eq!(origin.idle_connections(), 0);
    actor.is_left().await;
}

#[tokio::test]
async fn connection_that_has_served_its_number_of_calls_is_closed() {
    let policy = KeepAlive {
        requests: Some(1),
        ..KeepAlive::default()
    };
    let (_stage, origin, mut actor) = kept_with(Some(policy)).await;
    assert_eq!(origin.idle_connections(), 0);
    actor.is_left().await;
}

#[tokio::test]
async fn connection_that_lay_too_long_is_swept() {
    let policy = KeepAlive {
        idle: Duration::from_secs(5),
        ..KeepAlive::default()
    };
    let (_stage, origin, mut actor) = kept_with(Some(policy)).await;
    origin.drop_expired();
    assert_eq!(origin.idle_connections(), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5)).await;
    origin.drop_expired();
    assert_eq!(origin.idle_connections(), 0);
    actor.is_left().await;
}

#[tokio::test]
async fn full_pool_closes_what_comes_back() {
    let stage = Stage::open().await;
    let mut settings = stage.settings();
    settings.keepalive = Some(KeepAlive {
        size: 1,
        ..KeepAlive::default()
    });
    let origin = Origin::new(settings).unwrap();
    let calls = async {
        let (one, two) = tokio::join!(origin.send(get(), PATIENT), origin.send(get(), PATIENT));
        text(one.unwrap()).await.unwrap();
        text(two.unwrap()).await.unwrap();
        assert_eq!(origin.idle_connections(), 1);
    };
    tokio::join!(calls, greet(&stage), greet(&stage));
}

#[tokio::test]
async fn answer_that_forbids_reuse_closes_its_connection() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let call = async {
        let upstream = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        let (answer, mut actor) = tokio::join!(origin.send(get(), PATIENT), async {
            let mut actor = stage.next().await;
            actor.hear().await;
            actor.say(upstream).await;
            actor
        });
        let mut answer = answer.unwrap();
        answer.body.forbid_reuse();
        text(answer).await.unwrap();
        actor.is_left().await;
    };
    call.await;
    assert_eq!(origin.idle_connections(), 0);
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
