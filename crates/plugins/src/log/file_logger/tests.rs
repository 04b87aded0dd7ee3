use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, StatusCode};
use llm::Exchange;
use plugin::{Chain, Ctx, End, Phases, Want};
use serde_json::{Value, json};

use crate::sample::{House, post};

/// A logger that writes into a folder of its own.
struct Logger {
    house: House,
    folder: PathBuf,
    chain: Arc<Chain>,
}

impl Logger {
    fn new(name: &str, config: &Value) -> Self {
        Self::with_metadata(name, config, None)
    }

    fn with_metadata(name: &str, config: &Value, metadata: Option<&Value>) -> Self {
        let folder =
            std::env::temp_dir().join(format!("file-logger-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&folder);
        let place = |text: &str| text.replace("DIR", &folder.to_string_lossy());
        let parse = |value: &Value| serde_json::from_str(&place(&value.to_string())).unwrap();
        let house = House {
            metadata: metadata.map(parse),
            ..House::default()
        };
        let chain = house.chain("file-logger", &parse(config));
        Self {
            house,
            folder,
            chain,
        }
    }

    /// Sends a request through, which is answered with `pieces`.
    async fn send(&self, mut ctx: Ctx, pieces: &[&'static str]) {
        assert!(self.chain.access(&mut ctx).await.is_none());
        ctx.sent.status = Some(StatusCode::OK);
        ctx.sent.end = Some(End::Complete);
        for piece in pieces {
            let mut bytes = Bytes::from_static(piece.as_bytes());
            self.chain.chunk(&mut ctx, &mut bytes, false);
            assert_eq!(&bytes[..], piece.as_bytes());
        }
        self.chain.log(&mut ctx);
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        self.house.living.log_sinks(&self.house.metrics).flush_all();
        let text = std::fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn each_request_leaves_a_line() {
    let logger = Logger::new("lines", &json!({ "path": "DIR/a/b.log" }));
    assert!(!logger.folder.exists(), "compiling leaves no file behind");
    logger.send(post("/one", ""), &[]).await;
    logger.send(post("/two", ""), &[]).await;
    let lines = logger.lines("a/b.log");
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["request"]["uri"], json!("/one"));
    assert_eq!(lines[1]["request"]["uri"], json!("/two"));
    assert_eq!(lines[1]["route_id"], json!("r1"));
}

#[tokio::test]
async fn a_format_and_extra_members() {
    let config = json!({
        "path": "DIR/log", "log_format": { "model": "$llm_model", "n": 1 }
    });
    let logger = Logger::new("format", &config);
    logger.send(post("/", ""), &[]).await;
    let expected = json!({ "model": "", "n": 1, "route_id": "r1", "service_id": "s1" });
    assert_eq!(logger.lines("log"), [expected]);

    let config = json!({ "path": "DIR/log", "log_format_extra": { "team": "blue" } });
    let logger = Logger::new("extra", &config);
    logger.send(post("/", ""), &[]).await;
    let line = &logger.lines("log")[0];
    assert_eq!(
        (&line["team"], &line["client_ip"]),
        (&json!("blue"), &json!("192.0.2.7"))
    );
}

#[tokio::test]
async fn path_and_format_may_come_from_metadata() {
    let metadata = json!({ "id": "file-logger", "path": "DIR/meta", "log_format": { "m": 1 } });
    let logger = Logger::with_metadata("metadata", &json!({}), Some(&metadata));
    logger.send(post("/", ""), &[]).await;
    assert_eq!(logger.lines("meta")[0]["m"], json!(1));

    let own = json!({ "path": "DIR/own", "log_format": { "o": 1 } });
    let logger = Logger::with_metadata("own", &own, Some(&metadata));
    logger.send(post("/", ""), &[]).await;
    assert_eq!(logger.lines("own")[0]["o"], json!(1));
    assert!(logger.lines("meta").is_empty());
}

#[tokio::test]
async fn without_any_path_nothing_is_written() {
    let logger = Logger::new("nowhere", &json!({}));
    logger.send(post("/", ""), &[]).await;
    assert!(!logger.folder.exists());
}

#[tokio::test]
async fn only_requests_that_match_one_expression_are_logged() {
    let config = json!({
        "path": "DIR/log",
        "match": [[["arg_a", "==", "1"]], [["arg_b", "==", "1"], ["uri", "==", "/b"]]]
    });
    let logger = Logger::new("match", &config);
    for uri in ["/x?a=1", "/x?b=1", "/b?b=1", "/x"] {
        logger.send(post(uri, ""), &[]).await;
    }
    let targets: Vec<_> = logger
        .lines("log")
        .iter()
        .map(|l| l["request"]["uri"].clone())
        .collect();
    assert_eq!(targets, [json!("/x?a=1"), json!("/b?b=1")]);
}

#[tokio::test]
async fn bodies_are_logged_up_to_their_limits() {
    let config = json!({
        "path": "DIR/log", "include_req_body": true, "include_resp_body": true,
        "max_req_body_bytes": 3, "max_resp_body_bytes": 5
    });
    let logger = Logger::new("bodies", &config);
    logger.send(post("/", "question"), &["ans", "wer"]).await;
    let line = &logger.lines("log")[0];
    assert_eq!(line["request"]["body"], json!("que"));
    assert_eq!(line["response"]["body"], json!("answe"));
}

#[tokio::test]
async fn bodies_are_logged_where_their_expressions_match() {
    let config = json!({
        "path": "DIR/log",
        "include_req_body": true, "include_req_body_expr": [["arg_q", "==", "1"]],
        "include_resp_body": true, "include_resp_body_expr": [["arg_r", "==", "1"]]
    });
    let logger = Logger::new("expressions", &config);
    logger.send(post("/?q=1", "ask"), &["answer"]).await;
    logger.send(post("/?r=1", "ask"), &["answer"]).await;
    let lines = logger.lines("log");
    assert_eq!(lines[0]["request"]["body"], json!("ask"));
    assert!(lines[0]["response"].get("body").is_none());
    assert!(lines[1]["request"].get("body").is_none());
    assert_eq!(lines[1]["response"]["body"], json!("answer"));
}

#[tokio::test]
async fn llm_members_appear_when_the_route_asks_for_them() {
    let logger = Logger::new(
        "llm",
        &json!({ "path": "DIR/log", "log_format": { "a": 1 } }),
    );
    let mut ctx = post("/", "");
    ctx.exchange = Some(Box::new(Exchange {
        model: "m".to_owned(),
        log_summaries: true,
        ..Exchange::default()
    }));
    logger.send(ctx, &[]).await;
    let line = &logger.lines("log")[0];
    assert_eq!(line["llm_summary"]["model"], json!("m"));
    assert!(line.get("llm_request").is_none());
}

#[test]
fn only_what_is_asked_for_costs() {
    let chain = |config: Value| Logger::new("costs", &config).chain.clone();
    let plain = chain(json!({ "path": "DIR/log" }));
    assert!(!plain.has(Phases::ACCESS | Phases::CHUNK) && plain.has(Phases::LOG));
    assert_eq!(plain.want(), Want::NONE);
    assert!(chain(json!({ "include_req_body": true })).has(Phases::ACCESS));
    assert!(chain(json!({ "include_resp_body": true })).has(Phases::CHUNK));
    assert!(chain(json!({ "log_format": { "b": "$request_body" } })).has(Phases::ACCESS));
    let texts = chain(json!({ "log_format_extra": { "t": { "u": "$llm_response_text" } } }));
    assert!(texts.want().has(Want::TEXT));
}

#[tokio::test]
async fn lines_for_a_file_that_cannot_be_opened_are_counted() {
    let logger = Logger::new("lost", &json!({ "path": "/dev/null/not-a-folder/log" }));
    logger.send(post("/", ""), &[]).await;
    logger.send(post("/", ""), &[]).await;
    let text = logger.house.metrics.encode();
    let counted = "tollgate_log_entries_dropped_total{target=\"/dev/null/not-a-folder/log\"} 2";
    assert!(text.contains(counted), "{text}");
}

#[tokio::test]
async fn a_compressed_answer_is_logged_unpacked_as_far_as_it_was_collected() {
    let plain = format!("{{\"text\":\"{}\"}}", "a".repeat(1000));
    let packed = |level| {
        let mut packed = GzEncoder::new(Vec::new(), level);
        packed.write_all(plain.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let (small, large) = (packed(Compression::fast()), packed(Compression::none()));
    let config = json!({
        "path": "DIR/log", "include_resp_body": true, "max_resp_body_bytes": 100
    });
    let logger = Logger::new("gzip", &config);
    for (sent, said) in [
        (&small[..], &plain[..100]),
        (&large[..], &plain[..50]),
        (b"no gzip", "no gzip"),
    ] {
        let mut ctx = post("/x", "");
        ctx.sent
            .headers
            .insert("content-encoding", HeaderValue::from_static("gzip"));
        let mut bytes = Bytes::copy_from_slice(sent);
        logger.chain.chunk(&mut ctx, &mut bytes, false);
        assert_eq!(&bytes[..], sent, "the client gets what was sent");
        logger.chain.log(&mut ctx);
        let entry = logger.lines("log").pop().unwrap();
        let body = entry["response"]["body"].as_str().unwrap();
        assert!(body.starts_with(said), "{body}");
        assert!(body.len() <= 100, "{body}");
    }
}
