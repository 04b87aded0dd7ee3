//! What a choice among several instances costs: allocations, beside those of `ai-proxy`.
//!
//! The providers run on a thread of their own, since allocations are counted by thread. Each figure is
//! the least of many requests, so that it does not depend on how the bytes fell into reads.

#[expect(dead_code, reason = "what is answered is looked at elsewhere")]
mod support;

use std::iter::repeat_n;

use allocation_counter::measure;
use http::StatusCode;
use serde_json::{Value, json};
use simulator::{Behaviour, Simulator};
use support::{Bench, post};
use tokio::runtime::Runtime;

const CHAT: &str = r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}"#;
const STREAM: &str =
    r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}], "stream": true}"#;

/// How often a figure is taken.
const ROUNDS: usize = 40;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A provider on a thread of its own, with the address of it.
fn provider(behaviour: Behaviour) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let provider = Simulator::bind("127.0.0.1:0").await.expect("a free port");
            provider.script().set_default(behaviour);
            tell.send(provider.url("")).expect("a listener");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("an address")
}

/// A stream of so many events, each in a chunk of its own.
fn streaming(events: usize) -> Behaviour {
    let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ah\"}}]}\n\n";
    let end = ["data: [DONE]\n\n"];
    Behaviour::events(repeat_n(event, events).chain(end))
}

/// The allocations of one request on a kept connection.
fn cost(plugin: &str, config: &Value, body: &str) -> u64 {
    let (bench, runtime) = (Bench::new(plugin, config), runtime());
    let once = || {
        let ctx = post("/v1/chat/completions", body, &[]);
        let mut seen = None;
        let cost = measure(|| seen = Some(runtime.block_on(bench.send(ctx))));
        let seen = seen.expect("an answer");
        assert_eq!((seen.status, seen.broken), (StatusCode::OK, None));
        cost.count_total
    };
    // The first ones open connections: one to each instance.
    for _ in 0..ROUNDS {
        once();
    }
    (0..ROUNDS).map(|_| once()).min().expect("a figure")
}

fn instance(endpoint: &str) -> Value {
    json!({
        "provider": "openai",
        "auth": { "header": { "Authorization": "Bearer x" } },
        "override": { "endpoint": endpoint },
    })
}

/// Five instances, and `more` beside them.
fn five(endpoint: &str, more: &Value) -> Value {
    let instances = (0..5).map(|number| {
        let mut instance = instance(endpoint);
        instance["name"] = json!(format!("i{number}"));
        instance["weight"] = json!(1);
        instance
    });
    let mut config = more.clone();
    config["instances"] = instances.collect();
    config
}

/// Ways to choose that keep nothing for a request, so that they may not cost anything either.
fn ways() -> Vec<Value> {
    let mut ways = vec![
        json!({}),
        json!({ "fallback_strategy": "instance_health_and_rate_limiting" }),
    ];
    for algorithm in ["least_busy", "ewma"] {
        ways.push(json!({ "balancer": { "algorithm": algorithm } }));
    }
    ways
}

#[test]
fn a_choice_among_five_costs_one_allocation_at_most() {
    for (body, behaviour) in [(CHAT, Behaviour::default()), (STREAM, streaming(10))] {
        let endpoint = provider(behaviour);
        let alone = cost("ai-proxy", &instance(&endpoint), body);
        assert!(alone > 0);
        for way in ways() {
            let several = cost("ai-proxy-multi", &five(&endpoint, &way), body);
            println!("{way}: {several} allocations, ai-proxy {alone}");
            assert!(several <= alone + 1, "{way}: {several}, alone {alone}");
        }
    }
}

#[test]
fn events_of_a_stream_cost_nothing_of_their_own() {
    let (short, long) = (provider(streaming(10)), provider(streaming(1010)));
    for way in ways() {
        let cost = |endpoint: &str| cost("ai-proxy-multi", &five(endpoint, &way), STREAM);
        let (short, long) = (cost(&short), cost(&long));
        println!("{way}: {short} allocations for 10 events, {long} for 1,010");
        // What is more is for the reads, of which there are a few.
        assert!(long <= short + 100, "{way}: {short}, {long}");
    }
}
