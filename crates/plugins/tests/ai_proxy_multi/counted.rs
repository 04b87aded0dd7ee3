//! What the metrics tell of attempts, be they many at once, given up or left by their client.

use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use plugin::{
    Chain, Ctx, End, Environment, Host, Link, Living, Logged, Meta, Relay, Reply, ReplyBody,
    log_entry,
};
use serde_json::{Value, json};
use simulator::{Behaviour, Place};
use telemetry::metrics::Metrics;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::stage::{CHAT, Member, STREAM, Stage, broken_off, stall, status};
use crate::support::post;

/// A stage whose requests run through `prometheus` and `ai-proxy-multi`, as in a gateway.
struct Counted {
    metrics: Metrics,
    chain: Arc<Chain>,
    /// Pieces of streams that clients have read.
    pieces: AtomicUsize,
    /// The providers, and what outlives a snapshot.
    _kept: (Stage, Living),
}

fn link(name: &str, config: &Value, host: &Host<'_>) -> Link {
    let mut rows = plugins::PLUGINS.iter();
    let row = rows.find(|row| row.name == name).expect("the plugin");
    let plugin = (row.compile)(config, host).expect("a valid configuration");
    Link::new(plugin, row.priority, Meta::default())
}

fn fails() -> Behaviour {
    status(503)
}

/// `a` is asked first; breakers are off, so that it is asked every time.
fn members(a: Behaviour, b: Behaviour) -> [Member; 2] {
    let plain = json!({ "breaker": { "enabled": false } });
    [
        Member::behaving("a", a).priority(1).with(plain.clone()),
        Member::behaving("b", b).with(plain),
    ]
}

fn falls_back(more: &Value) -> Value {
    let mut config = json!({
        "fallback_strategy": "instance_health_and_rate_limiting",
        "logging": { "summaries": true },
    });
    for (name, value) in more.as_object().expect("an object") {
        config[name] = value.clone();
    }
    config
}

// === impl Counted ===

impl Counted {
    async fn new(members: impl IntoIterator<Item = Member>, config: Value) -> Arc<Self> {
        let stage = Stage::new(members, config).await;
        let (metrics, living) = (Metrics::default(), Living::default());
        let host = Host {
            living: &living,
            metrics: &metrics,
            environment: &Environment::default(),
            attributes: None,
            metadata: None,
            resource: "/routes/1",
        };
        let links = vec![
            link("prometheus", &json!({}), &host),
            link("ai-proxy-multi", &stage.config, &host),
        ];
        Arc::new(Self {
            chain: Arc::new(Chain::new(links)),
            metrics,
            pieces: AtomicUsize::new(0),
            _kept: (stage, living),
        })
    }

    /// One request from its head to its log; its client leaves as soon as `leaving` is ready.
    async fn visit(&self, body: &str, leaving: impl Future<Output = ()>) -> Ctx {
        let mut ctx = post("/v1/chat/completions", body, &[]);
        ctx.chains.push(Arc::clone(&self.chain));
        let mut leaving = std::pin::pin!(leaving);
        let reply = tokio::select! {
            reply = answer(&self.chain, &mut ctx) => Some(reply),
            () = &mut leaving => None,
        };
        let mut end = End::ClientGone;
        if let Some(reply) = reply {
            ctx.sent.status = Some(reply.status);
            end = End::Complete;
            if let ReplyBody::Relay(mut relay) = reply.body {
                end = tokio::select! {
                    end = self.read(relay.as_mut(), &mut ctx) => end,
                    () = leaving => End::ClientGone,
                };
                relay.close(&mut ctx, end);
            }
        }
        ctx.close(end);
        self.chain.log(&mut ctx);
        ctx
    }

    async fn read(&self, relay: &mut dyn Relay, ctx: &mut Ctx) -> End {
        loop {
            match poll_fn(|task| relay.poll_frame(task, ctx)).await {
                Some(Ok(_)) => _ = self.pieces.fetch_add(1, Ordering::Relaxed),
                Some(Err(_)) => return End::Cut,
                None => return End::Complete,
            }
        }
    }

    async fn ask(&self, body: &str) -> Ctx {
        self.visit(body, pending()).await
    }

    /// Waits until the sum of all samples of `metric` with these labels is `value`.
    async fn until(&self, metric: &str, labels: &[&str], value: f64) {
        while (self.sum(metric, labels) - value).abs() > f64::EPSILON {
            tokio::task::yield_now().await;
        }
    }

    fn sum(&self, metric: &str, labels: &[&str]) -> f64 {
        let text = self.metrics.encode();
        let samples = text.lines().filter(|line| {
            line.strip_prefix(metric)
                .is_some_and(|rest| rest.starts_with('{'))
                && labels.iter().all(|label| line.contains(label))
        });
        let values = samples.map(|line| line.rsplit(' ').next().expect("a value"));
        values
            .map(|text| text.parse::<f64>().expect("a number"))
            .sum()
    }

    /// Nobody is counted as in flight, and `instances` have been.
    #[track_caller]
    fn all_idle(&self, instances: &[&str]) {
        let text = self.metrics.encode();
        let gauges = text
            .lines()
            .filter(|line| line.starts_with("apisix_llm_active_connections{"));
        let gauges: Vec<_> = gauges.collect();
        assert!(gauges.iter().all(|line| line.ends_with(" 0")), "{gauges:?}");
        for name in instances {
            let node = format!("node=\"{name}\"");
            assert!(gauges.iter().any(|line| line.contains(&node)), "{gauges:?}");
        }
    }

    #[track_caller]
    fn attempts(&self, labels: &[&str], expected: f64) {
        let found = self.sum("apisix_llm_attempts_total", labels);
        assert!(
            (found - expected).abs() < f64::EPSILON,
            "{labels:?}: {found}"
        );
    }
}

async fn answer(chain: &Chain, ctx: &mut Ctx) -> Reply {
    match chain.access(ctx).await {
        Some(refusal) => refusal,
        None => chain.before_proxy(ctx).await.expect("an answer"),
    }
}

fn logged(ctx: &Ctx) -> Value {
    serde_json::from_str(&log_entry(ctx, &Logged::default())).expect("JSON")
}

const NODE_A: &str = "node=\"a\"";
const NODE_B: &str = "node=\"b\"";
const ACTIVE: &str = "apisix_llm_active_connections";

#[tokio::test]
async fn a_client_that_leaves_during_an_attempt_is_told_everywhere() {
    for body in [CHAT, STREAM] {
        let stalls = stall(Place::Head);
        let counted = Counted::new(
            members(stalls, Behaviour::default()),
            falls_back(&json!({})),
        )
        .await;
        let ctx = counted
            .visit(body, counted.until(ACTIVE, &[NODE_A], 1.0))
            .await;
        counted.all_idle(&["a"]);
        counted.attempts(
            &[
                NODE_A,
                "chosen=\"roundrobin\"",
                "status=\"\"",
                "ended=\"client_disconnect\"",
                "fault=\"\"",
            ],
            1.0,
        );
        let entry = logged(&ctx);
        let attempt = &entry["llm_attempts"][0];
        assert_eq!(attempt["ended"], "client_disconnect");
        assert!(attempt["response_time"].is_u64(), "{attempt}");
        assert!(attempt.get("status").is_none() && attempt.get("fault").is_none());
        assert_eq!(
            entry["llm_summary"]["upstream_response_time"],
            attempt["response_time"]
        );
        let ended = counted.sum(
            "apisix_llm_exchanges_total",
            &["ended=\"client_disconnect\""],
        );
        assert!((ended - 1.0).abs() < f64::EPSILON);
    }
}

#[tokio::test]
async fn a_client_that_leaves_during_a_fallback_leaves_no_gauge_behind() {
    let stalls = stall(Place::Head);
    let counted = Counted::new(members(fails(), stalls), falls_back(&json!({}))).await;
    let ctx = counted
        .visit(STREAM, counted.until(ACTIVE, &[NODE_B], 1.0))
        .await;
    counted.all_idle(&["a", "b"]);
    let attempts = &logged(&ctx)["llm_attempts"];
    let ends = [&attempts[0]["ended"], &attempts[1]["ended"]];
    assert_eq!(ends, ["status", "client_disconnect"]);
    counted.attempts(
        &[
            NODE_A,
            "status=\"503\"",
            "ended=\"status\"",
            "fault=\"provider\"",
        ],
        1.0,
    );
    counted.attempts(
        &[NODE_B, "chosen=\"fallback\"", "ended=\"client_disconnect\""],
        1.0,
    );
    // The request counts for whom it was asked last.
    for (node, count) in [(NODE_A, 0.0), (NODE_B, 1.0)] {
        for metric in ["apisix_llm_exchanges_total", "apisix_http_status"] {
            let found = counted.sum(metric, &[node]);
            assert!((found - count).abs() < f64::EPSILON, "{metric} {node}");
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_stream_leaves_no_gauge_behind() {
    let begun = Behaviour {
        stall_after: Some(Place::Bytes(4000)),
        ..Behaviour::text("word ".repeat(200))
    };
    let counted = Counted::new(members(fails(), begun), falls_back(&json!({}))).await;
    let leaving = async {
        while counted.pieces.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
    };
    let ctx = counted.visit(STREAM, leaving).await;
    counted.all_idle(&["a", "b"]);
    let last = ctx.attempts.last().expect("an attempt");
    assert_eq!((last.status, last.ended), (Some(200), "client_disconnect"));
    counted.attempts(
        &[NODE_B, "status=\"200\"", "ended=\"client_disconnect\""],
        1.0,
    );
}

#[tokio::test]
async fn a_client_that_leaves_after_the_end_mark_has_the_whole_answer() {
    let whole = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ah\"},\"finish_reason\":\
                 \"stop\"}]}\n\ndata: [DONE]\n\n";
    // The upstream has said all, and does not close.
    let open = Behaviour {
        stall_after: Some(Place::Bytes(whole.len())),
        ..Behaviour::events([whole, ": never\n\n"])
    };
    let counted = Counted::new(members(open, Behaviour::default()), falls_back(&json!({}))).await;
    let has_read = poll_fn(|task| match counted.pieces.load(Ordering::Relaxed) {
        0 => {
            task.waker().wake_by_ref();
            Poll::Pending
        }
        _ => Poll::Ready(()),
    });
    let ctx = counted.visit(STREAM, has_read).await;
    assert_eq!(logged(&ctx)["llm_attempts"][0]["ended"], "complete");
    let ended = ctx.exchange.as_ref().map(|exchange| exchange.ended);
    assert_eq!(ended, Some(llm::Ended::Complete));
}

#[tokio::test]
async fn each_timeout_has_its_own_label() {
    let opening = broken_off(&[": hello\n\n"], stall);
    for (a, timeouts, word) in [
        (
            stall(Place::Head),
            json!({ "first_byte_ms": 1000 }),
            "first_byte_timeout",
        ),
        (
            opening,
            json!({ "first_content_ms": 1000 }),
            "first_content_timeout",
        ),
        (
            stall(Place::Head),
            json!({ "total_ms": 1000 }),
            "total_timeout",
        ),
    ] {
        let config = falls_back(&json!({ "timeouts": timeouts }));
        let counted = Counted::new(members(a, Behaviour::default()), config).await;
        let ctx = counted.ask(STREAM).await;
        counted.all_idle(&["a"]);
        let ended = format!("ended=\"{word}\"");
        counted.attempts(&[NODE_A, &ended, "fault=\"provider\""], 1.0);
        assert_eq!(logged(&ctx)["llm_attempts"][0]["ended"], word);
        let is_over = word == "total_timeout";
        let exchanges = counted.sum("apisix_llm_exchanges_total", &[&ended]);
        assert!(
            (exchanges - f64::from(u8::from(is_over))).abs() < f64::EPSILON,
            "{word}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_takes_too_long_has_its_own_label() {
    // A listener that never shakes hands over TLS.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = silent.local_addr().expect("an address");
    let [mut a, b] = members(Behaviour::default(), Behaviour::default());
    a.more["override"] = json!({ "endpoint": format!("https://{address}") });
    let config = falls_back(&json!({ "timeouts": { "connect_ms": 1000 } }));
    let counted = Counted::new([a, b], config).await;
    let ctx = counted.ask(CHAT).await;
    counted.all_idle(&["a", "b"]);
    let ended = "ended=\"connect_timeout\"";
    counted.attempts(
        &[NODE_A, ended, "status=\"504\"", "fault=\"provider\""],
        1.0,
    );
    counted.attempts(&[NODE_B, "ended=\"complete\"", "fault=\"\""], 1.0);
    // The address was reached; the connection was not made.
    let attempt = &logged(&ctx)["llm_attempts"][0];
    assert_eq!(attempt["address"], address.to_string());
    assert!(attempt.get("connect_time").is_none());
    for (kind, count) in [("connect", 0.0), ("header", 0.0), ("total", 1.0)] {
        let kind = format!("type=\"{kind}\"");
        let found = counted.sum("apisix_llm_attempt_latency_count", &[NODE_A, ended, &kind]);
        assert!((found - count).abs() < f64::EPSILON, "{kind}");
    }
}

/// How many attempts there were, by instance and by how they ended.
type Ends = BTreeMap<(String, &'static str), u32>;

#[tokio::test]
async fn gauges_and_counters_are_exact_after_many_requests_at_once() {
    // `a` fails every time, `b` answers at its own pace or not at all.
    let slow = Behaviour {
        first_delay: Duration::from_millis(15),
        interval: Duration::from_millis(1),
        ..Behaviour::default()
    };
    let late = json!({ "timeouts": { "total_ms": 300 } });
    for (b, more) in [(slow, json!({})), (stall(Place::Head), late)] {
        let counted = Counted::new(members(fails(), b), falls_back(&more)).await;
        let mut visits = JoinSet::new();
        for number in 0..80 {
            let counted = counted.clone();
            visits.spawn(async move {
                let body = if number % 2 == 0 { CHAT } else { STREAM };
                // Every fourth client leaves, at some moment: no answer waits for it.
                let soon = tokio::time::sleep(Duration::from_millis(number % 40));
                match number % 4 {
                    3 => counted.visit(body, soon).await,
                    _ => counted.ask(body).await,
                }
            });
        }
        let visits = visits.join_all().await;
        counted.all_idle(&["a"]);
        let mut ends = Ends::new();
        let mut exchanges = BTreeMap::<_, u32>::new();
        for ctx in &visits {
            *exchanges
                .entry(ctx.exchange_end().expect("an exchange"))
                .or_default() += 1;
            for attempt in &ctx.attempts {
                let choice = attempt.choice.as_ref().expect("a choice");
                let key = (choice.instance.to_string(), attempt.ended);
                *ends.entry(key).or_default() += 1;
            }
        }
        for ((node, ended), count) in &ends {
            let labels = [&*format!("node=\"{node}\""), &format!("ended=\"{ended}\"")];
            counted.attempts(&labels, f64::from(*count));
            let timed = [labels[0], labels[1], "type=\"total\""];
            let timed = counted.sum("apisix_llm_attempt_latency_count", &timed);
            assert!((timed - f64::from(*count)).abs() < f64::EPSILON, "{timed}");
        }
        counted.attempts(&[], f64::from(ends.values().sum::<u32>()));
        for (ended, count) in &exchanges {
            let found = counted.sum(
                "apisix_llm_exchanges_total",
                &[&format!("ended=\"{ended}\"")],
            );
            assert!(
                (found - f64::from(*count)).abs() < f64::EPSILON,
                "{ended}: {found}"
            );
        }
        assert_eq!(exchanges.values().sum::<u32>(), 80);
    }
}

#[tokio::test]
async fn the_metrics_show_which_breakers_are_open() {
    let quick = json!({ "breaker": { "faults": 2 } });
    let members = [
        Member::behaving("a", fails()).priority(1).with(quick),
        Member::new("b"),
    ];
    let counted = Counted::new(members, falls_back(&json!({}))).await;
    let breakers = |value: [u8; 2]| {
        ["a", "b"].into_iter().zip(value).all(|(name, value)| {
            let line = format!(
                "apisix_llm_breaker_open{{resource=\"/routes/1\",node=\"{name}\"}} {value}\n"
            );
            counted.metrics.encode().contains(&line)
        })
    };
    assert!(breakers([0, 0]));
    counted.ask(CHAT).await;
    assert!(breakers([0, 0]));
    counted.ask(CHAT).await;
    assert!(breakers([1, 0]));
}

#[tokio::test]
async fn a_request_that_nobody_was_asked_for_has_an_empty_trail() {
    // The provider does not speak what the client speaks.
    let claude = json!({ "provider": "anthropic" });
    let members = [
        Member::new("a").with(claude.clone()),
        Member::new("b").with(claude),
    ];
    let counted = Counted::new(members, falls_back(&json!({}))).await;
    let mut ctx = post("/v1/embeddings", r#"{"model":"m","input":"hi"}"#, &[]);
    ctx.chains.push(Arc::clone(&counted.chain));
    let reply = answer(&counted.chain, &mut ctx).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    ctx.sent.status = Some(reply.status);
    ctx.close(End::Complete);
    counted.chain.log(&mut ctx);
    let entry = logged(&ctx);
    assert_eq!(entry["llm_attempts"], json!([]));
    assert_eq!(entry["llm_summary"]["upstream_response_time"], 0);
    counted.attempts(&[], 0.0);
    let failed = counted.sum("apisix_llm_exchanges_total", &["ended=\"failed\""]);
    assert!((failed - 1.0).abs() < f64::EPSILON);
}
