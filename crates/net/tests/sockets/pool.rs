//! Connections that serve more than one call, and those that do not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use net::{
    Contact, KeepAlive, NetError, Origin, OriginSettings, Peer, Peers, Phase, RequestBody, Scheme,
};

use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::stage::{Actor, HELLO, PATIENT, Stage, StillClock, get, greet, post, text};

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
async fn it_is_told_how_a_call_comes_by_its_connection() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let address = ([127, 0, 0, 1], stage.port).into();
    let upstream = async {
        let mut actor = greet(&stage).await;
        actor.hear().await;
        drop(actor);
        // The kept connection was closed on a request: it is sent once more, on a new one.
        greet(&stage).await
    };
    let calls = async {
        let mut first = Vec::new();
        let call = origin.send_telling(get(), PATIENT, |told| first.push(told));
        let answer = call.await.unwrap();
        let connect = answer.connect.unwrap();
        assert_eq!(
            first,
            [Contact::Dialling(address), Contact::Connected(connect)]
        );
        text(answer).await.unwrap();
        let mut second = Vec::new();
        let call = origin.send_telling(get(), PATIENT, |told| second.push(told));
        let connect = call.await.unwrap().connect.unwrap();
        assert_eq!(
            second,
            [
                Contact::Kept(address),
                Contact::Dialling(address),
                Contact::Connected(connect)
            ]
        );
    };
    tokio::join!(calls, upstream);
    let mut refused = Vec::new();
    drop(stage);
    let call = origin.send_telling(get(), PATIENT, |told| refused.push(told));
    call.await.unwrap_err();
    assert_eq!(refused.last(), Some(&Contact::Dialling(address)));
}

#[tokio::test]
async fn answers_without_a_body_free_the_connection_at_once() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = stage.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
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
async fn kept_connection_that_the_server_closed_is_replaced() {
    let _clock = StillClock::new();
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
    let _clock = StillClock::new();
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
            stage.answer(upstream).await
        });
        let mut answer = answer.unwrap();
        answer.body.forbid_reuse();
        text(answer).await.unwrap();
        actor.is_left().await;
    };
    call.await;
    assert_eq!(origin.idle_connections(), 0);
}

/// Answers each request of a connection in two chunks that leave apart.
async fn speak_in_chunks(mut actor: Actor) {
    let mut heard = Vec::new();
    while actor
        .stream
        .read_buf(&mut heard)
        .await
        .is_ok_and(|read| read > 0)
    {
        if heard.ends_with(b"\r\n\r\n") {
            heard.clear();
            actor
                .say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
                .await;
            tokio::task::yield_now().await;
            actor.say("3\r\ntwo\r\n0\r\n\r\n").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_serve_calls_from_any_thread() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = tokio::spawn(async move {
        loop {
            tokio::spawn(speak_in_chunks(stage.next().await));
        }
    });
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let origin = origin.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    let answer = origin.send(get(), PATIENT).await.unwrap();
                    assert_eq!(text(answer).await.unwrap(), "onetwo");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!((1..=16).contains(&origin.idle_connections()));
    upstream.abort();
}

const ONE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// An origin of this name, with calls to the address at `first` of both.
fn steered(stage: &Stage, since: Option<Instant>) -> [Origin; 2] {
    let name = Arc::from("models.example");
    let origin = Origin::new(OriginSettings::new(Scheme::Http, name, stage.port)).unwrap();
    let peer = |ip| Peer { ip, since };
    let all = Arc::new(vec![peer(ONE), peer(OTHER)]);
    [0, 1].map(|first| origin.at(Peers::starting_at(Arc::clone(&all), first).unwrap()))
}

async fn peer_of(origin: &Origin) -> (IpAddr, bool) {
    let answer = origin.send(get(), PATIENT).await.unwrap();
    let seen = (answer.peer.ip(), answer.connect.is_none());
    text(answer).await.unwrap();
    seen
}

#[tokio::test]
async fn kept_connection_serves_only_calls_to_its_own_address() {
    let [one, other] = Stage::twins().await;
    let [to_one, to_other] = steered(&one, None);
    let host = format!("host: models.example:{}\r\n", one.port);
    let serve = async |stage: &Stage| {
        let mut actor = stage.next().await;
        for _ in 0..2 {
            assert!(actor.hear().await.contains(&host));
            actor.say(HELLO).await;
        }
        actor
    };
    let calls = async {
        assert_eq!(peer_of(&to_one).await, (ONE, false));
        assert_eq!(peer_of(&to_other).await, (OTHER, false));
        assert_eq!(to_one.idle_connections(), 2);
        assert_eq!(peer_of(&to_other).await, (OTHER, true));
        assert_eq!(peer_of(&to_one).await, (ONE, true));
    };
    let _open = tokio::join!(calls, serve(&one), serve(&other));
    assert_eq!(to_one.idle_connections(), 2);
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(1)).await;
    to_one.drop_expired();
    assert_eq!(to_one.idle_connections(), 0);
}

#[tokio::test]
async fn connection_from_before_a_change_of_its_address_is_not_used_again() {
    let [one, _other] = Stage::twins().await;
    let [before, _] = steered(&one, None);
    let serve = async {
        let first = greet(&one).await;
        let mut second = greet(&one).await;
        second.hear().await;
        second.say(HELLO).await;
        first
    };
    let calls = async {
        assert_eq!(peer_of(&before).await, (ONE, false));
        let peer = Peer {
            ip: ONE,
            since: Some(Instant::now()),
        };
        let after = before.at(Peers::starting_at(Arc::new(vec![peer]), 0).unwrap());
        assert_eq!(peer_of(&after).await, (ONE, false));
        assert_eq!(peer_of(&after).await, (ONE, true));
    };
    let (mut first, ()) = tokio::join!(serve, calls);
    first.is_left().await;
}

#[tokio::test]
async fn where_nothing_listens_the_next_address_is_tried() {
    let [one, other] = Stage::twins().await;
    let [to_one, to_other] = steered(&one, None);
    drop(one);
    let serve = async {
        let mut actor = greet(&other).await;
        actor.hear().await;
        actor.say(HELLO).await;
    };
    let calls = async {
        assert_eq!(peer_of(&to_one).await, (OTHER, false));
        // It is kept for the address that it goes to.
        assert_eq!(peer_of(&to_other).await, (OTHER, true));
    };
    tokio::join!(calls, serve);
    drop(other);
    let error = to_one.send(get(), PATIENT).await.unwrap_err();
    assert!(matches!(error, NetError::Connect(_)), "{error:?}");
}
