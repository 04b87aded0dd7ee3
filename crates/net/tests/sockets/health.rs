//! Targets that are asked how they are.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, uri::PathAndQuery};
use net::dns::System;
use net::health::{Change, Fall, Probe, ProbeKind, Prober, Rise, State};

use crate::stage::Stage;

mod names;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const DOWN: &str = "HTTP/1.1 500 Down\r\ncontent-length: 0\r\n\r\n";

/// A probe that is always due, and judges after two.
pub(crate) fn probe(port: u16) -> Probe {
    Probe {
        kind: ProbeKind::Http,
        host: Arc::from("127.0.0.1"),
        port,
        server_name: None,
        method: Method::GET,
        path: PathAndQuery::from_static("/health"),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        verify: true,
        timeout: Duration::from_mins(1),
        concurrency: 10,
        rise: Rise {
            interval: Duration::ZERO,
            statuses: vec![200],
            successes: 2,
        },
        fall: Fall {
            interval: Duration::ZERO,
            statuses: vec![500],
            http_failures: 2,
            tcp_failures: 2,
            timeouts: 2,
        },
    }
}

fn prober(probe: Probe) -> Arc<Prober> {
    Arc::new(Prober::new(probe, None))
}

/// One turn, in which the stage gives one answer.
async fn answered(prober: &Arc<Prober>, stage: &Stage, answer: &str) -> Vec<Change> {
    let play = async {
        stage.answer(answer).await;
    };
    tokio::join!(prober.turn(&System), play).0
}

fn state(prober: &Prober) -> State {
    let nodes = prober.nodes();
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    nodes[0].health.state
}

#[tokio::test]
async fn a_target_falls_and_rises_by_its_answers() {
    let stage = Stage::open().await;
    let prober = prober(probe(stage.port));
    assert!(prober.is_usable());
    assert_eq!(answered(&prober, &stage, DOWN).await, []);
    assert_eq!(state(&prober), State::MostlyHealthy);
    let address = Some(([127, 0, 0, 1], stage.port).into());
    let fallen = Change {
        address,
        usable: false,
    };
    assert_eq!(answered(&prober, &stage, DOWN).await, [fallen]);
    assert!(!prober.is_usable());
    answered(&prober, &stage, OK).await;
    assert_eq!(
        (state(&prober), prober.is_usable()),
        (State::MostlyUnhealthy, false)
    );
    let risen = Change {
        address,
        usable: true,
    };
    assert_eq!(answered(&prober, &stage, OK).await, [risen]);
    assert!(prober.is_usable());
}

#[tokio::test]
async fn a_status_of_neither_list_says_nothing() {
    let stage = Stage::open().await;
    let prober = prober(probe(stage.port));
    answered(&prober, &stage, DOWN).await;
    answered(&prober, &stage, "HTTP/1.1 404 No\r\n\r\n").await;
    assert_eq!(state(&prober), State::MostlyHealthy);
    answered(&prober, &stage, DOWN).await;
    assert_eq!(state(&prober), State::Unhealthy);
}

#[tokio::test]
async fn nothing_but_the_status_line_is_read() {
    let stage = Stage::open().await;
    let prober = prober(probe(stage.port));
    answered(&prober, &stage, "HTTP/1.1 500 Down\r\nx-").await;
    assert_eq!(prober.nodes()[0].health.counters.http_failure, 1);
    let many = "x: y\r\n".repeat(1000);
    answered(&prober, &stage, &format!("HTTP/1.0 200\r\n{many}\r\n")).await;
    assert_eq!(prober.nodes()[0].health.counters.success, 1);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_failure_of_tcp() {
    let stage = Stage::open().await;
    let prober = prober(probe(stage.port));
    answered(&prober, &stage, "HTTP/1.1 2").await;
    assert_eq!(prober.nodes()[0].health.counters.tcp_failure, 1);
}

#[tokio::test]
async fn what_is_no_http_is_a_failure_of_http() {
    let stage = Stage::open().await;
    let prober = prober(probe(stage.port));
    answered(&prober, &stage, "SSH-2.0-x\r\n\r\n").await;
    assert_eq!(prober.nodes()[0].health.counters.http_failure, 1);
}

#[tokio::test]
async fn a_closed_port_and_broken_tls_are_failures_of_tcp() {
    let stage = Stage::open().await;
    let port = stage.port;
    let tls = prober(Probe {
        kind: ProbeKind::Https,
        ..probe(port)
    });
    let play = async {
        let mut actor = stage.next().await;
        actor.say("no tls here").await;
    };
    tokio::join!(tls.turn(&System), play);
    assert_eq!(tls.nodes()[0].health.counters.tcp_failure, 1);
    drop(stage);

    for kind in [ProbeKind::Tcp, ProbeKind::Http] {
        let closed = prober(Probe {
            kind,
            ..probe(port)
        });
        closed.turn(&System).await;
        assert_eq!(closed.nodes()[0].health.counters.tcp_failure, 1, "{kind:?}");
        closed.turn(&System).await;
        assert!(!closed.is_usable(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_silent_target_times_out() {
    let stage = Stage::open().await;
    let prober = prober(Probe {
        timeout: Duration::from_millis(30),
        ..probe(stage.port)
    });
    let (_, _actor) = tokio::join!(prober.turn(&System), stage.next());
    assert_eq!(prober.nodes()[0].health.counters.timeout_failure, 1);
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp() {
    let stage = Stage::open().await;
    let prober = prober(Probe {
        kind: ProbeKind::Tcp,
        ..probe(stage.port)
    });
    prober.turn(&System).await;
    assert_eq!(state(&prober), State::Healthy);
}

#[tokio::test]
async fn a_name_without_an_address_is_not_usable() {
    let prober = prober(Probe {
        host: Arc::from("no-such-host.invalid"),
        ..probe(80)
    });
    prober.turn(&System).await;
    assert!(prober.is_usable());
    let unknown = Change {
        address: None,
        usable: false,
    };
    assert_eq!(prober.turn(&System).await, [unknown]);
    assert!(!prober.is_usable());
}

#[tokio::test]
async fn the_question_is_as_configured() {
    let stage = Stage::open().await;
    let prober = prober(Probe {
        server_name: Some(Arc::from("models.example")),
        method: Method::POST,
        path: PathAndQuery::from_static("/v1/models?key=a%20b"),
        headers: HeaderMap::from_iter([(
            http::header::AUTHORIZATION,
            HeaderValue::from_static("Bearer k"),
        )]),
        body: Bytes::from_static(b"ping"),
        ..probe(stage.port)
    });
    let play = async {
        let mut actor = stage.next().await;
        let heard = actor.hear().await;
        actor.say(OK).await;
        heard
    };
    let (_, heard) = tokio::join!(prober.turn(&System), play);
    let (fields, body) = heard.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = fields.lines().map(str::to_lowercase).collect();
    assert_eq!(lines.remove(0), "post /v1/models?key=a%20b http/1.1");
    lines.sort_unstable();
    let expected = [
        "authorization: bearer k",
        "connection: close",
        "content-length: 4",
        "host: models.example",
    ];
    assert_eq!(
        (lines, body),
        (expected.map(str::to_owned).to_vec(), "ping")
    );
}

#[tokio::test]
async fn a_bare_address_is_its_own_host() {
    let stage = Stage::open().await;
    let prober = prober(probe(stage.port));
    let play = async {
        let mut actor = stage.next().await;
        let heard = actor.hear().await;
        actor.say(OK).await;
        heard
    };
    let (_, heard) = tokio::join!(prober.turn(&System), play);
    assert!(
        heard.to_lowercase().contains("host: 127.0.0.1\r\n"),
        "{heard}"
    );
}

#[tokio::test]
async fn a_successor_takes_over_what_is_known_of_the_target() {
    let stage = Stage::open().await;
    let first = prober(probe(stage.port));
    answered(&first, &stage, DOWN).await;
    answered(&first, &stage, DOWN).await;
    let changed = Probe {
        path: PathAndQuery::from_static("/other"),
        ..probe(stage.port)
    };
    let second = Prober::new(changed, Some(&first));
    assert!(!second.is_usable());
    assert_eq!(second.nodes(), first.nodes());
}

#[tokio::test]
async fn the_first_turn_is_due_after_one_interval_and_turns_do_not_overlap() {
    let stage = Stage::open().await;
    let mut patient = probe(stage.port);
    patient.rise.interval = Duration::from_hours(1);
    assert!(!prober(patient).is_due());

    let prober = prober(probe(stage.port));
    assert!(prober.is_due());
    let play = async {
        let mut actor = stage.next().await;
        actor.hear().await;
        assert!(!prober.is_due());
        assert_eq!(prober.turn(&System).await, []);
        actor.say(OK).await;
    };
    tokio::join!(prober.turn(&System), play);
    assert!(prober.is_due());
}

#[tokio::test]
async fn the_state_chooses_the_interval() {
    let stage = Stage::open().await;
    let mut uneven = probe(stage.port);
    uneven.rise.interval = Duration::from_mins(50);
    uneven.fall.interval = Duration::from_mins(20);
    (uneven.rise.successes, uneven.fall.http_failures) = (1, 1);
    let prober = prober(uneven);
    let is_due_after = async |minutes: u64| {
        tokio::time::pause();
        tokio::time::advance(Duration::from_mins(minutes - 10)).await;
        let is_early = prober.is_due();
        tokio::time::advance(Duration::from_mins(10)).await;
        tokio::time::resume();
        !is_early && prober.is_due()
    };
    assert!(is_due_after(50).await);
    answered(&prober, &stage, DOWN).await;
    assert!(is_due_after(20).await);
    answered(&prober, &stage, DOWN).await;
    assert!(is_due_after(20).await);
    answered(&prober, &stage, OK).await;
    assert!(is_due_after(50).await);
}

#[tokio::test]
async fn a_turn_that_is_dropped_does_not_stop_the_next() {
    let stage = Stage::open().await;
    let prober = prober(probe(stage.port));
    tokio::select! {
        _ = prober.turn(&System) => panic!("nobody answered"),
        _ = stage.next() => {}
    }
    assert!(prober.is_due());
    answered(&prober, &stage, OK).await;
    assert_eq!(state(&prober), State::Healthy);
}
