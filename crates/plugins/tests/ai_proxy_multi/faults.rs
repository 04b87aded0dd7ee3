//! Every fault of a preferred instance `a`: what the client sees, what the log says, and who is asked
//! next. One file for each moment at which an answer can break: as JSON, as a stream before its first
//! content, as a stream after it. Each cell of the table is a test of its own.
//!
//! What breaks before the head of an answer cannot break after its content, so the last file has
//! fewer rows.

mod after_content;
mod before_content;
mod json;

use std::io::Write as _;
use std::net::TcpListener;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, StatusCode};
use plugin::{Logged, RelayError, ReplySource, access_line, log_entry};
use serde_json::{Value, json};
use simulator::{Behaviour, Place, Simulator};

use crate::stage::{
    CHAT, CONTENT, Member, OPENING, STREAM, Stage, black_hole, broken_off, cut, instance_of, stall,
    status,
};
use crate::support::Seen;

/// An event that reports a failure.
const REPORT: &str = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";

/// One test for each fault: the status of the attempt, how the log says that it ended, whose fault
/// it says that it was, and what is said when nobody answers.
macro_rules! cells {
    ($body:ident; $($name:ident: $fault:expr => $status:literal $ended:literal $whose:literal, $said:expr;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let told = ($status, $ended, $whose);
                super::replaced($body, async || super::Fault::from($fault), told, $said).await;
            }
        )*
    };
}
use cells;

/// What is wrong with an instance.
struct Fault {
    behaviour: Behaviour,
    /// Further members of its configuration.
    more: Value,
    /// Whether it does not even take connections.
    is_silent: bool,
    /// Kept until the end, since the fault needs it.
    held: Vec<Box<dyn Send>>,
}

/// What the client sees when every instance has the fault.
enum Said {
    /// The upstream's own error.
    Upstream,
    /// The upstream's own error, and when to come back.
    UpstreamWithWait,
    /// What the upstream reported in its stream.
    Report,
    /// An error of the gateway.
    Gateway,
}

// === impl Fault ===

impl From<Behaviour> for Fault {
    fn from(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            more: json!({}),
            is_silent: false,
            held: Vec::new(),
        }
    }
}

impl Fault {
    /// An instance that is somewhere else.
    fn at(endpoint: impl Into<String>) -> Self {
        let endpoint = endpoint.into();
        Self {
            more: json!({ "override": { "endpoint": endpoint } }),
            ..Self::from(Behaviour::default())
        }
    }

    /// An instance that is there while it is `held`.
    fn holding(mut self, held: impl Send + 'static) -> Self {
        self.held.push(Box::new(held));
        self
    }

    /// How long a silence lasts that is none any more. Long, where no fault is a silence: nothing may
    /// depend on the speed of the machine.
    fn timeout(&self) -> u64 {
        let stalls = self.behaviour.stall_after.is_some() || self.is_silent;
        if stalls { 600 } else { 60_000 }
    }

    fn member(&self, name: &'static str) -> Member {
        let mut more = self.more.clone();
        more["auth"] = json!({ "header": { "Authorization": "Bearer k" } });
        Member::behaving(name, self.behaviour.clone()).with(more)
    }
}

fn refuses() -> Fault {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    Fault::at(format!("http://{address}"))
}

/// Speaks no TLS, and is asked to.
async fn breaks_tls() -> Fault {
    let plain = Simulator::bind("127.0.0.1:0").await.expect("a free port");
    let url = plain.url("").replace("http://", "https://");
    Fault::at(url).holding(plain)
}

fn has_no_address() -> Fault {
    Fault::at("http://no-such-host.invalid")
}

/// Never takes a connection.
async fn takes_no_connection() -> Fault {
    let (address, hole) = black_hole().await;
    Fault {
        is_silent: true,
        ..Fault::at(format!("http://{address}")).holding(hole)
    }
}

fn limited_for(seconds: &'static str) -> Behaviour {
    Behaviour {
        retry_after: Some(HeaderValue::from_static(seconds)),
        ..status(429)
    }
}

fn reset(place: Place) -> Behaviour {
    Behaviour {
        reset: true,
        ..cut(place)
    }
}

fn garbage() -> Behaviour {
    Behaviour {
        garbage: true,
        ..Behaviour::default()
    }
}

fn empty() -> Behaviour {
    Behaviour {
        empty: true,
        ..Behaviour::default()
    }
}

/// This text compressed, without an end.
fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.flush().expect("memory");
    encoder.get_ref().clone()
}

/// An answer that is the beginning of this text compressed, and seems whole: only who unpacks it
/// notices.
fn zip_without_end(text: &str, kind: &'static str) -> Behaviour {
    let gzip = HeaderValue::from_static("gzip");
    Behaviour {
        content_type: Some(HeaderValue::from_static(kind)),
        body: Some(vec![zipped(text).into()]),
        headers: vec![(http::header::CONTENT_ENCODING, gzip)],
        ..Behaviour::default()
    }
}

/// The same, cut off where the text ends.
fn zip_cut_off(text: &str, kind: &'static str) -> Behaviour {
    let whole = zip_without_end(text, kind);
    let mut body = whole.body.clone().unwrap_or_default();
    let length = body.iter().map(bytes::Bytes::len).sum();
    body.push(bytes::Bytes::from_static(b"more"));
    Behaviour {
        body: Some(body),
        cut_after: Some(Place::Bytes(length)),
        ..whole
    }
}

async fn stage(fault: &Fault, members: [Member; 2]) -> Stage {
    let config = json!({
        "timeout": fault.timeout(),
        "fallback_strategy": "instance_health_and_rate_limiting",
        "fallback_http_statuses": [401, 402, 403],
        "logging": { "summaries": true },
    });
    Stage::new(members, config).await
}

/// What the log says of each attempt: instance, why it was asked, status, end, whose fault.
fn logged(seen: &Seen) -> Vec<Value> {
    let entry = log_entry(&seen.ctx, &Logged::default());
    let entry: Value = serde_json::from_str(&entry).expect("JSON");
    let attempts = entry["llm_attempts"].as_array().expect("the attempts");
    let short = |one: &Value| {
        let members = ["instance", "chosen", "status", "ended", "fault"];
        Value::from_iter(members.map(|member| one[member].clone()))
    };
    attempts.iter().map(short).collect()
}

/// The fault of `a` is not noticed, since `b` answers; with the same fault of `b` it is `said`.
async fn replaced(
    body: &str,
    fault: impl AsyncFn() -> Fault,
    (status, ended, whose): (u16, &str, &str),
    said: Said,
) {
    let broken = fault().await;
    let alone = stage(&broken, [broken.member("a").priority(1), Member::new("b")]).await;
    let seen = alone.chat(body).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(
        (seen.source, seen.broken, instance_of(&seen).as_str()),
        (ReplySource::Upstream, None, "b")
    );
    assert!(seen.ctx.exchange.as_ref().is_some_and(|one| one.done));
    let text = seen.text();
    assert!(text.contains("from") && !text.contains("Ah"), "{text}");
    if body == STREAM {
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    } else {
        let answer = &seen.json()["choices"][0]["message"]["content"];
        assert_eq!(answer, "from b");
    }
    assert_eq!(seen.headers.get("retry-after"), None);
    let first = json!(["a", "roundrobin", status, ended, whose]);
    assert_eq!(
        logged(&seen),
        [
            first.clone(),
            json!(["b", "fallback", 200, "complete", null])
        ]
    );

    let all = stage(
        &broken,
        [broken.member("a").priority(1), broken.member("b")],
    )
    .await;
    let seen = all.chat(body).await;
    assert_eq!(
        logged(&seen),
        [first, json!(["b", "fallback", status, ended, whose])]
    );
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    said.judge(&seen, &broken);
}

/// The client sees what came and that it is not whole, the log says why, and nobody else is asked.
async fn shown(behaviour: Behaviour, broken: Option<RelayError>, ended: &str, whose: Option<&str>) {
    let fault = Fault::from(behaviour);
    let stage = stage(&fault, [fault.member("a").priority(1), Member::new("b")]).await;
    let seen = stage.chat(STREAM).await;
    assert_eq!((seen.status, seen.broken), (StatusCode::OK, broken));
    assert_eq!(
        logged(&seen),
        [json!(["a", "roundrobin", 200, ended, whose])]
    );
    let line = access_line(&seen.ctx);
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["llm_ended"], ended);
    assert_eq!(stage.counts()["b"], 0);
    let bytes = seen.pieces.concat();
    assert!(!String::from_utf8_lossy(&bytes).contains("[DONE]"));
}

// === impl Said ===

impl Said {
    fn judge(self, seen: &Seen, fault: &Fault) {
        let kind = seen.headers.get("content-type").cloned();
        let json = Some(HeaderValue::from_static("application/json"));
        let wait = seen.headers.get("retry-after");
        let text = seen.text();
        match self {
            Self::Upstream | Self::UpstreamWithWait => {
                assert_eq!((seen.source, kind), (ReplySource::Upstream, json));
                let said = "the simulator was told to fail";
                assert_eq!(seen.json()["error"]["message"], said);
            }
            Self::Report => {
                assert_eq!((seen.source, kind), (ReplySource::Upstream, json));
                assert_eq!(format!("data: {text}\n\n"), REPORT);
            }
            Self::Gateway => assert!(!text.is_empty() && !text.contains("Ah"), "{text}"),
        }
        match (self, &fault.behaviour.retry_after) {
            (Self::UpstreamWithWait, Some(told)) => assert_eq!(wait, Some(told)),
            (_, told) => assert_eq!((wait, told), (None, &None)),
        }
    }
}
