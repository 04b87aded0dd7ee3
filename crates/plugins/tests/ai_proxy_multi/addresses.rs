//! Instances whose name has several addresses.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use net::NetError;
use net::dns::{Addresses, Resolve};
use net::health::Prober;
use plugin::Var;
use serde_json::{Value, json};
use simulator::{Behaviour, Running, Simulator};

use crate::health::checks;
use crate::stage::{CHAT, instance_of};
use crate::support::{Bench, Seen, post};

const NAME: &str = "models.example";

/// Every name has the addresses of both.
struct Both;

impl Resolve for Both {
    async fn resolve(&self, _: &str, port: u16) -> Result<Addresses, NetError> {
        let both = [[127, 0, 0, 2], [127, 0, 0, 1]];
        Ok(both.map(|ip| SocketAddr::from((ip, port))).into())
    }
}

/// Two providers under one name, and a plugin that prefers it to an instance that nobody serves.
struct Stage {
    bench: Bench,
    one: Option<Running>,
    other: Option<Running>,
    port: u16,
}

// === impl Stage ===

impl Stage {
    async fn new() -> Self {
        let (one, other) = loop {
            let one = provider("one", ([127, 0, 0, 1], 0).into()).await;
            let one = one.expect("a free port");
            // Somebody may have the port there.
            if let Some(other) = provider("other", other(one.address().port())).await {
                break (one, other);
            }
        };
        let port = one.address().port();
        let instance = |name: &str, priority: usize, endpoint: String| {
            json!({
                "name": name, "provider": "openai", "auth": {}, "weight": 1,
                "priority": priority, "override": { "endpoint": endpoint }, "checks": checks(),
            })
        };
        let config = json!({ "instances": [
            instance("named", 1, format!("http://{NAME}:{port}")),
            instance("nobody", 0, "http://127.0.0.1:1".to_owned()),
        ] });
        Self {
            bench: Bench::new("ai-proxy-multi", &config),
            one: Some(one),
            other: Some(other),
            port,
        }
    }

    /// One turn of every prober, as if its interval had passed.
    async fn turn(&self) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::time::resume();
        for prober in self.bench.living().all::<Prober>() {
            prober.turn(&Both).await;
        }
    }

    async fn chat(&self) -> Seen {
        let seen = self
            .bench
            .send(post("/v1/chat/completions", CHAT, &[]))
            .await;
        assert_eq!(seen.status, StatusCode::OK, "{:?}", seen.ctx.attempts);
        assert_eq!(instance_of(&seen), "named");
        seen
    }

    /// Who answers a hundred requests, one after the other.
    async fn answering(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for _ in 0..100 {
            names.insert(said(&self.chat().await));
        }
        names
    }
}

fn other(port: u16) -> SocketAddr {
    ([127, 0, 0, 2], port).into()
}

/// A provider that says its name, and is well.
async fn provider(name: &'static str, address: SocketAddr) -> Option<Running> {
    let provider = Simulator::bind(address).await.ok()?;
    provider.script().set_default(Behaviour::text(name));
    Some(provider)
}

fn answer_health(provider: Option<&Running>, status: StatusCode) {
    let provider = provider.expect("a provider that runs");
    provider
        .script()
        .choose(move |received| (received.path() == "/health").then(|| Behaviour::status(status)));
}

fn said(seen: &Seen) -> String {
    let whole: Value = serde_json::from_slice(&seen.pieces.concat()).expect("JSON");
    let content = &whole["choices"][0]["message"]["content"];
    content.as_str().expect("a text").to_owned()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().copied().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_address_that_is_not_well_gets_no_request_until_it_is_again() {
    let stage = Stage::new().await;
    stage.turn().await;
    assert_eq!(stage.answering().await, names(&["one", "other"]));

    answer_health(stage.other.as_ref(), StatusCode::SERVICE_UNAVAILABLE);
    stage.turn().await;
    assert_eq!(stage.answering().await, names(&["one"]));

    answer_health(stage.other.as_ref(), StatusCode::OK);
    stage.turn().await;
    assert_eq!(stage.answering().await, names(&["one", "other"]));
}

#[tokio::test]
async fn no_request_fails_while_an_address_goes_down_and_comes_back() {
    let mut stage = Stage::new().await;
    stage.turn().await;
    assert_eq!(stage.answering().await, names(&["one", "other"]));

    let gone = stage.other.take().expect("it runs");
    gone.shutdown().await;
    // Before any probe has found out, whoever finds it closed goes on to the next address.
    assert_eq!(stage.answering().await, names(&["one"]));
    stage.turn().await;
    assert_eq!(stage.answering().await, names(&["one"]));

    stage.other = provider("other", other(stage.port)).await;
    assert_eq!(stage.answering().await, names(&["one"]));
    stage.turn().await;
    assert_eq!(stage.answering().await, names(&["one", "other"]));
}

#[tokio::test]
async fn when_no_address_is_well_all_are_tried_all_the_same() {
    let stage = Stage::new().await;
    for provider in [&stage.one, &stage.other] {
        answer_health(provider.as_ref(), StatusCode::SERVICE_UNAVAILABLE);
    }
    stage.turn().await;
    let probers = stage.bench.living().all::<Prober>();
    assert!(probers.iter().all(|prober| !prober.is_usable()));
    assert_eq!(stage.answering().await, names(&["one", "other"]));
}

#[tokio::test]
async fn the_name_is_asked_for_and_the_address_is_told() {
    let stage = Stage::new().await;
    stage.turn().await;
    let seen = stage.chat().await;
    let provider = match said(&seen).as_str() {
        "one" => stage.one.as_ref(),
        _ => stage.other.as_ref(),
    };
    let provider = provider.expect("it runs");
    let received = provider.journal().last().expect("a request").request;
    let authority = format!("{NAME}:{}", stage.port);
    let hosts = received.headers.get_all("host");
    assert_eq!(hosts.iter().collect::<Vec<_>>(), [authority.as_str()]);

    assert_eq!(seen.ctx.attempts[0].peer, Some(provider.address()));
    let read = |name: &str| {
        let value = Var::named(name).value(&seen.ctx).expect("a value");
        value.into_text().into_owned()
    };
    assert_eq!(read("upstream_addr"), provider.address().to_string());
    assert_eq!(read("upstream_host"), NAME);
}

#[tokio::test]
async fn requests_at_the_same_time_do_not_see_each_others_choice() {
    let stage = Arc::new(Stage::new().await);
    stage.turn().await;
    let asked = (0..100).map(|_| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move {
            let seen = stage.chat().await;
            (said(&seen), seen.ctx.attempts[0].peer)
        })
    });
    let asked: Vec<_> = asked.collect();
    for seen in asked {
        let (said, peer) = seen.await.expect("an answer");
        let ip = if said == "one" {
            [127, 0, 0, 1]
        } else {
            [127, 0, 0, 2]
        };
        assert_eq!(peer, Some((ip, stage.port).into()), "{said}");
    }
}
