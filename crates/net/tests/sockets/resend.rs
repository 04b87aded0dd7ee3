//! What becomes of a request whose kept connection is lost before any answer.

use std::time::Duration;

use http::{Method, Request};
use net::{NetError, Phase, RequestBody};

use crate::stage::{Actor, HELLO, PATIENT, Stage, StillClock, get, greet, post, text};

/// Makes a call on a kept connection that the server closes when it has worked on the request for
/// `work`, and tells whether the request came once more, on a new connection.
async fn comes_again(request: Request<RequestBody>, work: Duration, reset: bool) -> bool {
    let _clock = StillClock::new();
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let mut actor = greet(&stage).await;
        let first_try = actor.hear().await;
        tokio::time::advance(work).await;
        close(actor, reset);
        let mut actor = stage.next().await;
        assert_eq!(actor.hear().await, first_try);
        actor.say(HELLO).await;
    };
    let calls = async {
        let first = origin.send(get(), PATIENT).await.unwrap();
        text(first).await.unwrap();
        origin.send(request, PATIENT).await
    };
    tokio::select! {
        biased;
        outcome = calls => {
            let error = outcome.unwrap_err();
            assert!(matches!(error, NetError::Lost { phase: Phase::Head, .. }), "{error:?}");
            false
        }
        () = upstream => true,
    }
}

fn close(actor: Actor, reset: bool) {
    if reset {
        actor.reset();
    } else {
        drop(actor);
    }
}

#[tokio::test]
async fn a_close_that_the_request_met_on_its_way_is_no_failure() {
    for reset in [false, true] {
        let at_once = Duration::ZERO;
        assert!(comes_again(post("x"), at_once, reset).await);
        assert!(comes_again(get(), at_once, reset).await);
    }
}

#[tokio::test]
async fn a_request_that_was_worked_on_is_not_sent_twice() {
    for reset in [false, true] {
        for work in [150, 1500].map(Duration::from_millis) {
            assert!(!comes_again(post("x"), work, reset).await, "{work:?}");
        }
    }
    let bodiless = Request::post("/").body(RequestBody::Empty).unwrap();
    assert!(!comes_again(bodiless, Duration::from_secs(1), false).await);
    let put = Request::put("/").body(RequestBody::Full("x".into()));
    assert!(!comes_again(put.unwrap(), Duration::from_secs(1), false).await);
}

#[tokio::test]
async fn asking_twice_for_what_changes_nothing_does_no_harm() {
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(&method).uri("/");
        let request = request.body(RequestBody::Empty).unwrap();
        let work = Duration::from_secs(1);
        assert!(comes_again(request, work, false).await, "{method}");
    }
}
