//! Plain reverse proxying.

use bytes::Bytes;
use gateway::{Limits, Settings};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support::{House, Upstream, nowhere, short};

/// A route for everything to these nodes.
fn to(nodes: &Value) -> Value {
    json!({ "routes": [{ "id": "1", "uri": "/*", "upstream": { "nodes": nodes } }] })
}

fn one(node: &str) -> Value {
    to(&json!({ node: 1 }))
}

fn get(path: &str) -> http::request::Builder {
    Request::get(path).header("host", "client.example:81")
}

fn header<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn the_upstream_sees_the_request_and_who_asked() {
    let upstream = Upstream::open().await;
    let house = House::open(one(&upstream.node())).await;
    let request = get("/a%20b/../c?d=%2F")
        .header("connection", "x-hop, keep-alive")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("keep-alive", "timeout=1")
        .header("proxy-connection", "close")
        .header("x-forwarded-for", "198.51.100.9")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "fake")
        .header("x-real-ip", "fake")
        .header("forwarded", "for=fake")
        .header("accept", "text/plain");
    let asked = house.send(request.body(Full::default()).expect("a request"));
    let answered = async {
        let mut upstream = upstream.accept().await;
        let head = upstream.read_until("\r\n\r\n").await;
        upstream.send("HTTP/1.1 203 Fine\r\nContent-Length: 2\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-End: 2\r\nServer: other\r\n\r\nok").await;
        (head, upstream)
    };
    let (answer, (head, _)) = tokio::join!(asked, answered);
    assert!(
        head.starts_with("GET /a%20b/../c?d=%2F HTTP/1.1\r\n"),
        "{head}"
    );
    for gone in [
        "x-hop",
        "te",
        "keep-alive",
        "proxy-connection",
        "forwarded",
        "content-length",
        "transfer-encoding",
    ] {
        assert!(header(&head, gone).is_empty(), "{gone} in {head}");
    }
    let port = house.address.port().to_string();
    let table = [
        ("host", "client.example:81"),
        ("accept", "text/plain"),
        ("x-real-ip", "127.0.0.1"),
        ("x-forwarded-for", "198.51.100.9, 127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "client.example:81"),
        ("x-forwarded-port", &port),
    ];
    for (name, value) in table {
        assert_eq!(header(&head, name), [value], "{name} in {head}");
    }
    assert_eq!((answer.status.as_u16(), &*answer.body), (203, "ok"));
    assert_eq!(answer.header("x-end"), Some("2"));
    assert_eq!(answer.header("x-hop"), None);
    assert_eq!(answer.header("content-length"), Some("2"));
    assert!(
        answer
            .header("server")
            .is_some_and(|server| server.starts_with("Tollgate/"))
    );
}

#[tokio::test]
async fn only_trusted_proxies_speak_for_others() {
    let upstream = Upstream::open().await;
    for (trusted, expected) in [
        ("127.0.0.0/8", ("a, 127.0.0.1", "https")),
        ("10.0.0.0/8", ("127.0.0.1", "http")),
    ] {
        let settings = Settings {
            trusted_addresses: vec![trusted.parse().expect("a network")],
            ..Settings::default()
        };
        let house = House::with(settings, one(&upstream.node())).await;
        let request = get("/")
            .header("x-forwarded-for", "a")
            .header("x-forwarded-proto", "https");
        let asked = house.send(request.body(Full::default()).expect("a request"));
        let answered = async {
            let mut upstream = upstream.accept().await;
            let head = upstream.read_until("\r\n\r\n").await;
            upstream.send(OK).await;
            head
        };
        let (_, head) = tokio::join!(asked, answered);
        let seen = (
            header(&head, "x-forwarded-for"),
            header(&head, "x-forwarded-proto"),
        );
        assert_eq!(seen, (vec![expected.0], vec![expected.1]));
    }
}

#[tokio::test]
async fn the_host_is_passed_as_configured() {
    let upstream = Upstream::open().await;
    let node = upstream.node();
    let table = [
        (json!({ "pass_host": "pass" }), "client.example:81"),
        (json!({ "pass_host": "node" }), &*node),
        (
            json!({ "pass_host": "rewrite", "upstream_host": "other.example" }),
            "other.example",
        ),
    ];
    for (extra, expected) in table {
        let mut value = json!({ "nodes": { &*node: 1 } });
        let fields = value.as_object_mut().expect("an object");
        fields.extend(extra.as_object().expect("an object").clone());
        let house = House::open(json!({
            "upstreams": [{ "id": "u", "nodes": value["nodes"], "pass_host": value["pass_host"], "upstream_host": "other.example" }],
            "routes": [{ "id": "1", "uri": "/*", "upstream_id": "u" }],
        }))
        .await;
        let asked = house.send(get("/").body(Full::default()).expect("a request"));
        let answered = async {
            let mut upstream = upstream.accept().await;
            let head = upstream.read_until("\r\n\r\n").await;
            upstream.send(OK).await;
            head
        };
        let (_, head) = tokio::join!(asked, answered);
        assert_eq!(header(&head, "host"), [expected]);
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let upstream = Upstream::open().await;
    let house = House::open(one(&upstream.node())).await;
    let mut client = house.raw().await;
    client
        .send("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .await;
    let mut server = upstream.accept().await;
    let head = server.read_until("one\r\n").await;
    assert_eq!(header(&head, "transfer-encoding"), ["chunked"]);
    // The answer begins, and ends, while the request is still being sent.
    client.send("3\r\ntwo\r\n").await;
    server.read_until("two\r\n").await;
    client.send("0\r\n\r\n").await;
    server.read_until("0\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await;
    client.read_until("5\r\nfirst\r\n").await;
    server.send("6\r\nsecond\r\n").await;
    client.read_until("6\r\nsecond\r\n").await;
    server.send("0\r\n\r\n").await;
    client.read_until("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_body_of_known_length_keeps_its_length() {
    let upstream = Upstream::open().await;
    let house = House::open(one(&upstream.node())).await;
    let request = Request::put("/x").header("host", "a");
    let asked = house.send(request.body(Full::from("12345")).expect("a request"));
    let answered = async {
        let mut upstream = upstream.accept().await;
        let head = upstream.read_until("12345").await;
        upstream.send(OK).await;
        head
    };
    let (answer, head) = tokio::join!(asked, answered);
    assert_eq!(header(&head, "content-length"), ["5"]);
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn connections_to_the_upstream_are_kept() {
    let upstream = simulator::Simulator::bind("127.0.0.1:0")
        .await
        .expect("a simulator");
    let house = House::open(one(&upstream.address().to_string())).await;
    for _ in 0..3 {
        assert_eq!(house.get("/any").await.status, StatusCode::OK);
    }
    let connections: Vec<_> = upstream
        .journal()
        .entries()
        .iter()
        .map(|entry| entry.request.connection)
        .collect();
    assert_eq!(connections, [1, 1, 1]);
}

#[tokio::test]
async fn nodes_take_turns_by_weight() {
    let first = simulator::Simulator::bind("127.0.0.1:0")
        .await
        .expect("a simulator");
    let second = simulator::Simulator::bind("127.0.0.1:0")
        .await
        .expect("a simulator");
    let nodes = json!({ first.address().to_string(): 3, second.address().to_string(): 1 });
    let house = House::open(to(&nodes)).await;
    for _ in 0..8 {
        house.get("/any").await;
    }
    let counts = [first, second].map(|one| one.journal().entries().len());
    assert_eq!(counts, [6, 2]);
}

#[tokio::test]
async fn another_node_is_asked_when_one_cannot_be_reached() {
    let alive = simulator::Simulator::bind("127.0.0.1:0")
        .await
        .expect("a simulator");
    let dead = nowhere().await;
    let nodes = json!([
        { "host": "127.0.0.1", "port": dead.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()), "weight": 1, "priority": 1 },
        { "host": "127.0.0.1", "port": alive.address().port(), "weight": 1 },
    ]);
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/*", "plugins": { "witness": { "name": "retried" } }, "upstream": { "nodes": nodes } }],
    }))
    .await;
    // A body that has not begun to flow can still be sent elsewhere, whatever the method.
    let request = Request::post("/any").header("host", "a");
    let answer = house
        .send(request.body(Full::from("payload")).expect("a request"))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        alive.journal().last().expect("a request").request.body,
        Bytes::from("payload")
    );
    let logged = crate::plugins::seen("retried").logged(1).await;
    assert_eq!(logged[0].attempts, [Some(502), Some(200)]);
}

#[tokio::test]
async fn failures_of_the_upstream_are_told_apart() {
    let upstream = Upstream::open().await;
    let house = House::open(one(&nowhere().await)).await;
    let refused = house.get("/").await;
    assert_eq!(refused.status, StatusCode::BAD_GATEWAY);
    assert_eq!(refused.header("x-apisix-upstream-status"), Some("502"));

    let house = House::open(json!({
        "routes": [{
            "id": "1",
            "uri": "/*",
            "timeout": { "connect": 1, "send": 1, "read": 0.6 },
            "upstream": { "nodes": { upstream.node(): 1 } },
        }],
    }))
    .await;
    let (slow, _held) = tokio::join!(house.get("/"), upstream.accept());
    assert_eq!(slow.status, StatusCode::GATEWAY_TIMEOUT);

    let answered = async {
        let mut upstream = upstream.accept().await;
        upstream.read_until("\r\n\r\n").await;
        upstream
            .send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")
            .await;
    };
    let (busy, ()) = tokio::join!(house.get("/"), answered);
    assert_eq!((busy.status.as_u16(), &*busy.body), (503, "busy"));
    assert_eq!(busy.header("x-apisix-upstream-status"), Some("503"));
}

#[tokio::test]
async fn an_answer_that_is_cut_short_never_looks_complete() {
    let upstream = Upstream::open().await;
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/*", "plugins": { "witness": { "name": "cut" } }, "upstream": { "nodes": { upstream.node(): 1 } } }],
    }))
    .await;
    let mut client = house.raw().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        .await;
    client.read_until("abc\r\n").await;
    drop(server);
    let rest = client.read_to_end().await;
    assert!(!rest.contains("0\r\n"), "{rest:?}");
    let logged = crate::plugins::seen("cut").logged(1).await;
    assert_eq!((logged[0].end, logged[0].bytes), (plugin::End::Cut, 3));
}

#[tokio::test]
async fn what_came_in_the_same_read_as_the_cut_still_reaches_the_client() {
    let upstream = Upstream::open().await;
    let house = House::open(one(&upstream.node())).await;
    let mut client = house.raw().await;
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense")
        .await;
    let answer = client.read_to_end().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
    assert!(answer.ends_with("3\r\nabc\r\n"), "{answer:?}");
}

#[tokio::test]
async fn a_head_request_passes_the_length_on() {
    let upstream = Upstream::open().await;
    let house = House::open(one(&upstream.node())).await;
    let mut client = house.raw().await;
    client
        .send("HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let mut server = upstream.accept().await;
    server.read_until("\r\n\r\n").await;
    server
        .send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
        .await;
    let answer = client.read_to_end().await;
    assert!(
        answer.contains("\r\ncontent-length: 1234\r\n"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn an_upload_is_bounded_in_size_and_pauses() {
    let upstream = Upstream::open().await;
    let limits = Limits {
        max_body: Some(8),
        body_timeout: short(),
        ..Limits::default()
    };
    let house = House::with_limits(limits, one(&upstream.node())).await;
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, status) in [("9\r\n123456789\r\n", "413"), ("3\r\n123\r\n", "408")] {
        let mut client = house.raw().await;
        client.send(format!("{head}{body}")).await;
        let mut server = upstream.accept().await;
        let answer = client.read_to_end().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer:?}"
        );
        let mut rest = Vec::new();
        // The upstream's connection is closed in the middle of the message.
        _ = server.0.read_to_end(&mut rest).await;
        assert!(!rest.ends_with(b"0\r\n\r\n"));
    }
}

#[tokio::test]
async fn upgrades_are_refused_where_a_route_would_allow_them() {
    let upstream = Upstream::open().await;
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/*", "enable_websocket": true, "upstream": { "nodes": { upstream.node(): 1 } } }],
    }))
    .await;
    let request = get("/")
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    let answer = house
        .send(request.body(Full::default()).expect("a request"))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED);
}

#[tokio::test]
async fn plugins_may_change_a_stream_piece_by_piece() {
    let upstream = Upstream::open().await;
    let house = House::open(json!({
        "routes": [{ "id": "1", "uri": "/*", "plugins": { "suffix": { "name": "!" } }, "upstream": { "nodes": { upstream.node(): 1 } } }],
    }))
    .await;
    let answered = async {
        let mut upstream = upstream.accept().await;
        upstream.read_until("\r\n\r\n").await;
        upstream.send(OK).await;
        upstream
    };
    let (answer, _) = tokio::join!(house.get("/"), answered);
    assert_eq!(answer.body, "ok!");
    assert_eq!(
        answer.header("content-length"),
        None,
        "the length is not known before the end"
    );
}
