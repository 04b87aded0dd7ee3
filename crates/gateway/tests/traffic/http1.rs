//! HTTP/1.1 to the letter: framing, limits, kept connections.

use std::time::Duration;

use gateway::Limits;
use serde_json::{Value, json};

use crate::support::{House, short};

fn echo() -> Value {
    json!({
        "routes": [
            { "id": "1", "uri": "/echo", "plugins": { "reads-body": {} } },
            { "id": "2", "uri": "/hi", "plugins": { "answer": { "text": "hi" } } },
            { "id": "3", "uri": "/no", "plugins": { "refuses": {} } },
        ],
    })
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let house = House::open(echo()).await;
    let table = [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /hi HTTP/1.1\nHost: a\n\n",
        "GET /hi HTTP/1.1\r\nHost: a\r\nX-Folded: b\r\n c\r\n\r\n",
        "GET /hi HTTP/1.1\r\nHost: a\r\nX-Space : b\r\n\r\n",
        "GET /hi HTTP/1.1\r\n\r\n",
        "GET /hi HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /hi HTTP/1.1\r\nHost: a/#@b\r\n\r\n",
        "GET /hi HTTP/1.1\r\nHost: user@b\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /../hi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n",
    ];
    for head in table {
        let mut client = house.raw().await;
        // A request that hides in the ambiguity must never be answered.
        client
            .send(format!("{head}GET /hi HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        let answer = client.read_to_end().await;
        assert!(
            answer.starts_with("HTTP/1.1 400 "),
            "{head:?} got {answer:?}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            1,
            "{head:?} got {answer:?}"
        );
    }
}

#[tokio::test]
async fn chunked_bodies_with_broken_chunks_are_refused() {
    let house = House::open(echo()).await;
    let mut client = house.raw().await;
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(format!("{head}4\nabcd\r\n0\r\n\r\n")).await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
}

#[tokio::test]
async fn requests_share_a_connection_one_after_another() {
    let house = House::open(echo()).await;
    let mut client = house.raw().await;
    for _ in 0..3 {
        client.send("GET /hi HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.read_until("\r\n\r\nhi").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    }
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let house = House::open(echo()).await;
    let mut client = house.raw().await;
    client
        .send(
            "GET /hi HTTP/1.1\r\nHost: a\r\n\r\n\
             POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst\
             POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n\
             GET /hi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        )
        .await;
    let answers = client.read_to_end().await;
    let bodies: Vec<_> = answers
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|answer| answer.split_once("\r\n\r\n").expect("a head").1)
        .collect();
    assert_eq!(bodies, ["hi", "first", "second", "hi"]);
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let house = House::open(echo()).await;
    let mut client = house.raw().await;
    client.send("GET /hi HTTP/1.0\r\n\r\n").await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\nhi"), "{answer:?}");
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let house = House::open(echo()).await;
    let mut client = house.raw().await;
    client
        .send("HEAD /hi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let answer = client.read_to_end().await;
    assert!(answer.contains("\r\ncontent-length: 2\r\n"), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_body_is_invited_when_somebody_reads_it() {
    let house = House::open(echo()).await;
    let mut client = house.raw().await;
    client
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        .await;
    assert_eq!(
        client.read_until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.send("body").await;
    let answer = client.read_until("\r\n\r\nbody").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_nobody_wants_is_not_invited() {
    let limits = Limits {
        max_body: Some(10),
        ..Limits::default()
    };
    let house = House::with_limits(limits, echo()).await;
    let mut chunked = house.raw().await;
    chunked
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n")
        .await;
    let answer = chunked.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
    let table = [("/no", 4, "403"), ("/echo", 11, "413")];
    for (path, length, status) in table {
        let mut client = house.raw().await;
        client
            .send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
            ))
            .await;
        let answer = client.read_to_end().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path} got {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let limits = Limits {
        header_timeout: short(),
        ..Limits::default()
    };
    let house = House::with_limits(limits, echo()).await;
    let mut fresh = house.raw().await;
    fresh.send("GET /hi HT").await;
    assert_eq!(fresh.read_to_end().await, "");

    let mut kept = house.raw().await;
    kept.send("GET /hi HTTP/1.1\r\nHost: a\r\n\r\n").await;
    kept.read_until("\r\n\r\nhi").await;
    kept.send("GET /hi HTTP/1.1\r\nHo").await;
    assert_eq!(kept.read_to_end().await, "");

    let mut silent = house.raw().await;
    assert_eq!(
        silent.read_to_end().await,
        "",
        "a client that says nothing is let go"
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time_and_not_before() {
    let limits = Limits {
        keepalive_timeout: Duration::from_millis(600),
        header_timeout: Duration::from_mins(1),
        ..Limits::default()
    };
    let house = House::with_limits(limits, echo()).await;
    let mut client = house.raw().await;
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        client.send("GET /hi HTTP/1.1\r\nHost: a\r\n\r\n").await;
        client.read_until("\r\n\r\nhi").await;
    }
    assert_eq!(client.read_to_end().await, "");
    assert!(start.elapsed() >= Duration::from_millis(600));
}

#[tokio::test]
async fn a_slow_body_is_cut_off() {
    let limits = Limits {
        body_timeout: short(),
        ..Limits::default()
    };
    let house = House::with_limits(limits, echo()).await;
    let mut client = house.raw().await;
    client
        .send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        .await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let limits = Limits {
        max_head: 8 * 1024,
        max_headers: 20,
        ..Limits::default()
    };
    let house = House::with_limits(limits, echo()).await;
    let large = format!("X-Large: {}\r\n", "a".repeat(10 * 1024));
    let many = "X-Many: a\r\n".repeat(30);
    for headers in [large, many] {
        let mut client = house.raw().await;
        client
            .send(format!("GET /hi HTTP/1.1\r\nHost: a\r\n{headers}\r\n"))
            .await;
        let answer = client.read_to_end().await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    }
}

#[tokio::test]
async fn the_absolute_target_wins_over_the_host_header() {
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/x", "host": "target.com", "plugins": { "answer": { "text": "a" } } }],
    }))
    .await;
    let mut client = house.raw().await;
    client
        .send("GET http://target.com/x HTTP/1.1\r\nHost: other.com\r\nConnection: close\r\n\r\n")
        .await;
    let answer = client.read_to_end().await;
    assert!(answer.contains("\r\nx-host: target.com\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_refusal_is_heard_by_a_client_that_is_still_sending() {
    const LENGTH: usize = 8 * 1024 * 1024;
    let house = House::open(echo()).await;
    let mut client = house.raw().await;
    let head = format!("POST /no HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
    client.send(head).await;
    // The answer has been given, and the connection is at its end.
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    // Every byte still finds a reader: a write to a socket that was reset fails.
    client.send(vec![b'x'; LENGTH]).await;
}
