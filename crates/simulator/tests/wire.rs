//! The simulator as a client sees it that knows only bytes.

#![expect(clippy::unwrap_used, reason = "a step that fails is to fail its test")]

use std::io::Read as _;
use std::time::Duration;

use serde_json::Value;
use simulator::{Behaviour, CannedSizes, Outcome, Running, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"one two three"}]}"#;
const CHAT_STREAM: &str =
    r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"one two three"}]}"#;

/// What came over a connection until its end.
struct Heard {
    bytes: Vec<u8>,
    error: Option<std::io::ErrorKind>,
}

impl Heard {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn head(&self) -> String {
        self.text().split("\r\n\r\n").next().unwrap().to_owned()
    }

    /// The bytes after the head, chunk framing taken off.
    fn body(&self) -> Vec<u8> {
        let at = self.bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let body = &self.bytes[at.unwrap() + 4..];
        if !self.head().contains("transfer-encoding: chunked") {
            return body.to_vec();
        }
        let (mut rest, mut out) = (body, Vec::new());
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let size = std::str::from_utf8(&rest[..end]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let data = &rest[end + 2..];
            out.extend_from_slice(&data[..size.min(data.len())]);
            if size == 0 || data.len() < size + 2 {
                break;
            }
            rest = &data[size + 2..];
        }
        out
    }

    fn body_text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body()).unwrap()
    }
}

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: sim\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

/// Sends a request and hears everything; the request should ask to close.
async fn exchange(running: &Running, request: &str) -> Heard {
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let outcome = stream.read_to_end(&mut bytes).await;
    Heard {
        bytes,
        error: outcome.err().map(|error| error.kind()),
    }
}

/// Sends a chat request with these setting headers.
async fn chat(running: &Running, headers: &str, body: &str) -> Heard {
    let headers = format!("connection: close\r\n{headers}");
    exchange(running, &post("/v1/chat/completions", &headers, body)).await
}

async fn start() -> Running {
    Simulator::bind("127.0.0.1:0").await.unwrap()
}

fn outcome(running: &Running) -> Outcome {
    running.journal().last().unwrap().outcome
}

#[tokio::test]
async fn cut_comes_after_exactly_so_many_bytes_and_leaves_the_body_unfinished() {
    let running = start().await;
    let heard = chat(&running, "x-sim-cut-after: 30\r\n", CHAT_STREAM).await;
    assert_eq!(heard.error, None);
    assert_eq!(heard.body().len(), 30);
    assert!(!heard.text().ends_with("0\r\n\r\n"));
    assert_eq!(outcome(&running), Outcome::Cut);

    let heard = chat(&running, "x-sim-cut-after: 10\r\n", CHAT).await;
    assert_eq!(heard.body().len(), 10);
    assert!(heard.head().contains("content-length: "));
}

#[tokio::test]
async fn cut_between_head_and_body_still_sends_the_head() {
    let running = start().await;
    let heard = chat(&running, "x-sim-cut-after: 0\r\n", CHAT).await;
    assert!(heard.head().starts_with("HTTP/1.1 200 OK"));
    assert!(heard.body().is_empty());
}

#[tokio::test]
async fn reset_is_a_reset_and_comes_after_the_bytes() {
    let running = start().await;
    let settings = "x-sim-cut: rst\r\nx-sim-cut-after: 30\r\n";
    let heard = chat(&running, settings, CHAT_STREAM).await;
    assert_eq!(heard.error, Some(std::io::ErrorKind::ConnectionReset));
    assert_eq!(heard.body().len(), 30);
}

#[tokio::test]
async fn cut_before_the_head_sends_nothing() {
    let running = start().await;
    let heard = chat(&running, "x-sim-cut-after: head\r\n", CHAT).await;
    assert!(heard.bytes.is_empty() && heard.error.is_none());
    let heard = chat(
        &running,
        "x-sim-cut: rst\r\nx-sim-cut-after: head\r\n",
        CHAT,
    )
    .await;
    assert_eq!(heard.error, Some(std::io::ErrorKind::ConnectionReset));
    assert_eq!(running.journal().stats().cut, 2);
}

#[tokio::test]
async fn client_that_leaves_a_silent_answer_is_noticed() {
    let running = start().await;
    for place in ["head", "12"] {
        let mut stream = TcpStream::connect(running.address()).await.unwrap();
        let settings = format!("x-sim-stall-after: {place}\r\n");
        let request = post("/v1/chat/completions", &settings, CHAT_STREAM);
        stream.write_all(request.as_bytes()).await.unwrap();
        running
            .journal()
            .wait_for(|view| view.stats.in_flight == 1)
            .await;
        drop(stream);
        running
            .journal()
            .wait_for(|view| view.stats.in_flight == 0 && view.stats.open_connections == 0)
            .await;
        assert_eq!(outcome(&running), Outcome::ClientLeft);
    }
    assert_eq!(running.journal().stats().client_left, 2);
}

#[tokio::test]
async fn client_that_leaves_during_its_body_is_recorded_with_what_came() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    let head = "POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{\"par";
    stream.write_all(head.as_bytes()).await.unwrap();
    running
        .journal()
        .wait_for(|view| view.stats.in_flight == 1)
        .await;
    drop(stream);
    let entry = running
        .journal()
        .wait_until(|view| {
            let last = view.entries.back()?;
            (last.outcome != Outcome::InFlight).then(|| last.clone())
        })
        .await;
    assert_eq!(entry.outcome, Outcome::ClientLeft);
    assert_eq!(entry.request.text(), "{\"par");
}

#[tokio::test]
async fn journal_has_the_request_as_it_came_and_its_connection() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address()).await.unwrap();
    for query in ["?a=1", "?a=2"] {
        let request = post(&format!("/v1/other{query}"), "x-own: v\r\n", "{}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut some = [0_u8; 2048];
        let read = stream.read(&mut some).await.unwrap();
        let text = String::from_utf8_lossy(&some[..read]);
        assert!(text.contains(r#""path":"/v1/other""#), "{text}");
    }
    let entries = running.journal().entries();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].request.connection, entries[1].request.connection);
    assert_eq!(entries[1].request.uri.query(), Some("a=2"));
    assert_eq!(entries[1].request.header("x-own"), Some("v"));
    assert_eq!(entries[1].request.text(), "{}");

    let read = |request: &'static str| exchange(&running, request);
    let heard = read("GET /__sim/journal HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(heard.json()[1]["query"], "a=2");
    assert_eq!(heard.json()[1]["outcome"], "completed");
    let heard = read("GET /__sim/stats HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_eq!(heard.json()["requests"], 2);
    read("DELETE /__sim/journal HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(running.journal().entries().is_empty());
}

#[tokio::test]
async fn journal_keeps_only_the_newest() {
    let running = Simulator::new()
        .journal_entries(2)
        .run("127.0.0.1:0")
        .await
        .unwrap();
    for text in ["1", "2", "3"] {
        exchange(&running, &post("/x", "connection: close\r\n", text)).await;
    }
    let kept: Vec<_> = running
        .journal()
        .entries()
        .iter()
        .map(|one| one.request.text())
        .collect();
    assert_eq!(kept, ["2", "3"]);
}

#[tokio::test]
async fn script_goes_queue_then_function_then_default_and_headers_win() {
    let running = start().await;
    let said = async |headers: &str| {
        let heard = chat(&running, headers, CHAT).await;
        heard.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    running.script().set_default(Behaviour::text("default"));
    running.script().choose(|request| {
        let wanted = request.header("x-kind")? == "chosen";
        wanted.then(|| Behaviour::text("chosen"))
    });
    running.script().push(Behaviour::text("queued"));

    assert_eq!(said("x-kind: chosen\r\n").await, "queued");
    assert_eq!(said("x-kind: chosen\r\n").await, "chosen");
    assert_eq!(said("").await, "default");
    assert_eq!(said("x-sim-text: header\r\n").await, "header");
    running.script().clear();
    assert_eq!(said("x-kind: chosen\r\n").await, "You said: one two three");
}

#[tokio::test]
async fn status_comes_with_the_error_body_of_the_dialect() {
    let running = start().await;
    let settings = "x-sim-status: 429\r\nx-sim-retry-after: 7\r\nx-sim-header: x-more: yes\r\n";
    let heard = chat(&running, settings, CHAT).await;
    assert!(heard.head().starts_with("HTTP/1.1 429 "));
    assert!(heard.head().contains("retry-after: 7\r\n"));
    assert!(heard.head().contains("x-more: yes"));
    assert_eq!(heard.json()["error"]["code"], "rate_limit_exceeded");

    let headers = "connection: close\r\nx-sim-status: 529\r\n";
    let heard = exchange(&running, &post("/v1/messages", headers, CHAT)).await;
    assert_eq!(heard.json()["type"], "error");
    assert_eq!(heard.json()["error"]["type"], "overloaded_error");
}

#[tokio::test]
async fn settings_that_mean_nothing_are_refused_by_name() {
    let running = start().await;
    let message = async |headers: &str| {
        let heard = chat(&running, headers, CHAT).await;
        assert!(heard.head().starts_with("HTTP/1.1 400 "));
        heard.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        message("x-sim-chunk: 3\r\n").await,
        "x-sim-chunk: expected the name of a setting"
    );
    assert_eq!(
        message("x-sim-chunks: many\r\n").await,
        "x-sim-chunks: expected a whole number, found \"many\""
    );
    assert_eq!(
        message("x-sim-cut: off\r\n").await,
        "x-sim-cut: expected fin or rst, found \"off\""
    );
}

#[tokio::test]
async fn bodies_can_be_wrong_in_kind() {
    let running = start().await;
    let heard = chat(&running, "x-sim-empty: true\r\n", CHAT_STREAM).await;
    assert!(heard.body().is_empty() && heard.head().contains("text/event-stream"));
    let heard = chat(&running, "x-sim-garbage: true\r\n", CHAT).await;
    assert!(serde_json::from_slice::<Value>(&heard.body()).is_err());
    let settings = "x-sim-body: <html>\r\nx-sim-content-type: text/html\r\n";
    let heard = chat(&running, settings, CHAT).await;
    assert_eq!(heard.body(), b"<html>");
    assert!(heard.head().contains("content-type: text/html\r\n"));
}

#[tokio::test]
async fn gzip_reads_back_as_the_same_answer() {
    let running = start().await;
    for body in [CHAT, CHAT_STREAM] {
        let plain = chat(&running, "", body).await;
        let packed = chat(&running, "x-sim-gzip: true\r\n", body).await;
        assert!(packed.head().contains("content-encoding: gzip"));
        let mut unpacked = Vec::new();
        let packed = packed.body();
        flate2::read::GzDecoder::new(&*packed)
            .read_to_end(&mut unpacked)
            .unwrap();
        assert_eq!(unpacked, plain.body());
    }
}

#[tokio::test]
async fn line_ends_are_those_asked_for() {
    let running = start().await;
    let plain = chat(&running, "", CHAT_STREAM).await.body_text();
    for (word, end) in [("crlf", "\r\n"), ("cr", "\r")] {
        let settings = format!("x-sim-line-end: {word}\r\n");
        let other = chat(&running, &settings, CHAT_STREAM).await.body_text();
        assert_eq!(other, plain.replace('\n', end));
    }
}

#[tokio::test]
async fn split_answers_are_whole() {
    let running = start().await;
    let plain = chat(&running, "", CHAT_STREAM).await;
    let split = chat(&running, "x-sim-split: 7\r\n", CHAT_STREAM).await;
    assert_eq!(plain.body(), split.body());
}

#[tokio::test]
async fn close_ends_the_connection_though_the_client_would_stay() {
    let running = start().await;
    let request = post("/v1/chat/completions", "x-sim-close: true\r\n", CHAT);
    let heard = exchange(&running, &request).await;
    assert!(heard.head().contains("connection: close"));
    assert_eq!(heard.json()["object"], "chat.completion");
}

#[tokio::test]
async fn pauses_are_where_they_are_asked_for() {
    let running = start().await;
    let settings = "x-sim-delay-ms: 30\r\nx-sim-first-delay-ms: 20\r\n\
                    x-sim-chunks: 4\r\nx-sim-interval-ms: 5\r\n";
    let begin = std::time::Instant::now();
    let heard = chat(&running, settings, CHAT_STREAM).await;
    let events = heard.body_text().matches("data: ").count();
    assert_eq!(events, 4 + 3);
    let pauses = 30 + 20 + (u64::try_from(events).unwrap() - 1) * 5;
    assert!(begin.elapsed() >= Duration::from_millis(pauses));
}

#[tokio::test]
async fn shutdown_frees_the_port_and_ends_the_connections() {
    let running = start().await;
    let address = running.address();
    let mut stream = TcpStream::connect(address).await.unwrap();
    running
        .journal()
        .wait_for(|view| view.stats.open_connections == 1)
        .await;
    let journal = running.journal().clone();
    running.shutdown().await;
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    journal
        .wait_for(|view| view.stats.open_connections == 0)
        .await;
    assert!(TcpStream::connect(address).await.is_err());
    let again = Simulator::bind(address).await.unwrap();
    assert_eq!(again.address(), address);
}

#[tokio::test]
async fn head_of_the_root_is_answered_without_a_body() {
    let running = start().await;
    let request = "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let heard = exchange(&running, request).await;
    assert!(heard.head().starts_with("HTTP/1.1 200 OK"));
    assert!(heard.body().is_empty());
    assert_eq!(outcome(&running), Outcome::Completed);
}

#[tokio::test]
async fn canned_answers_have_the_sizes_asked_for() {
    let sizes = CannedSizes {
        chunks: 64,
        ..CannedSizes::default()
    };
    let running = Simulator::new()
        .canned(sizes)
        .run("127.0.0.1:0")
        .await
        .unwrap();
    let heard = chat(&running, "", CHAT).await;
    assert_eq!(heard.body().len(), 1200);
    assert_eq!(heard.json()["choices"][0]["finish_reason"], "stop");

    let text = chat(&running, "", CHAT_STREAM).await.body_text();
    assert_eq!(text.matches("data: {").count(), 64);
    assert!(text.ends_with("data: [DONE]\n\n"));
    let wanted = CHAT_STREAM.replace(
        "true,",
        "true,\"stream_options\":{\"include_usage\" : true},",
    );
    let text = chat(&running, "", &wanted).await.body_text();
    assert_eq!(text.matches("data: {").count(), 65);

    let heard = chat(&running, "x-sim-text: live\r\n", CHAT).await;
    assert_eq!(heard.json()["choices"][0]["message"]["content"], "live");
}

#[tokio::test]
async fn prompt_cannot_pretend_to_be_a_member() {
    let running = Simulator::new().canned(CannedSizes::default());
    let running = running.run("127.0.0.1:0").await.unwrap();
    let body = r#"{"messages":[{"role":"user","content":"\"stream\":true"}]}"#;
    assert_eq!(
        chat(&running, "", body).await.json()["object"],
        "chat.completion"
    );
}
