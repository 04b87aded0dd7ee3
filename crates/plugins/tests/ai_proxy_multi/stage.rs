//! Simulated providers, and a plugin in front of them.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use simulator::{Behaviour, Place, Running, Simulator};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::support::{Bench, Seen, post};

pub(crate) const CHAT: &str =
    r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}"#;
pub(crate) const STREAM: &str =
    r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}], "stream": true}"#;

/// The first event of a chat stream, without content.
pub(crate) const OPENING: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\
                                  \"content\":\"\"},\"finish_reason\":null}]}\n\n";
/// An event with content.
pub(crate) const CONTENT: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ah\"},\
                                  \"finish_reason\":null}]}\n\n";

/// How an instance is configured, and how its provider behaves.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) weight: u32,
    pub(crate) priority: i64,
    pub(crate) behaviour: Behaviour,
    /// Further members of the instance's configuration.
    pub(crate) more: Value,
}

/// Running providers, and the plugin with one instance for each.
pub(crate) struct Stage {
    pub(crate) bench: Bench,
    pub(crate) config: Value,
    pub(crate) upstreams: Vec<(&'static str, Running)>,
}

// === impl Member ===

impl Member {
    /// An instance of a provider that says `from <name>`.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::behaving(name, Behaviour::text(format!("from {name}")))
    }

    pub(crate) fn behaving(name: &'static str, behaviour: Behaviour) -> Self {
        Self {
            name,
            weight: 1,
            priority: 0,
            behaviour,
            more: json!({}),
        }
    }

    pub(crate) fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    pub(crate) fn priority(self, priority: i64) -> Self {
        Self { priority, ..self }
    }

    pub(crate) fn with(self, more: Value) -> Self {
        Self { more, ..self }
    }
}

// === impl Stage ===

impl Stage {
    /// One provider for each member, and `config` beside the instances.
    pub(crate) async fn new(members: impl IntoIterator<Item = Member>, config: Value) -> Self {
        let mut upstreams = Vec::new();
        let mut instances = Vec::new();
        for member in members {
            let upstream = Simulator::bind("127.0.0.1:0").await.expect("a free port");
            upstream.script().set_default(member.behaviour);
            let mut instance = json!({
                "name": member.name,
                "provider": "openai",
                "auth": {},
                "weight": member.weight,
                "priority": member.priority,
                "override": { "endpoint": upstream.url("") },
            });
            overlay(&mut instance, &member.more);
            instances.push(instance);
            upstreams.push((member.name, upstream));
        }
        let mut whole = json!({ "instances": instances });
        overlay(&mut whole, &config);
        Self {
            bench: Bench::new("ai-proxy-multi", &whole),
            config: whole,
            upstreams,
        }
    }

    pub(crate) async fn chat(&self, body: &str) -> Seen {
        self.ask("/v1/chat/completions", body, &[]).await
    }

    pub(crate) async fn ask(&self, uri: &str, body: &str, headers: &[(&str, &str)]) -> Seen {
        self.bench.send(post(uri, body, headers)).await
    }

    /// The answer to a chat when so much time passes as soon as the instance `name` has the request.
    /// Nothing else can be too slow then, however busy the machine is. The runtime's clock is ahead of
    /// the system's afterwards, so that `total_ms` of later requests is over at once.
    pub(crate) async fn chat_through(&self, body: &str, name: &str, time: Duration) -> Seen {
        let journal = self.upstream(name).journal();
        let before = journal.stats().requests;
        let mut answer = pin!(self.chat(body));
        tokio::select! {
            biased;
            seen = &mut answer => panic!("{name} was not waited for: {:?}", trail(&seen)),
            () = journal.wait_for(|view| view.stats.requests > before) => {}
        }
        pass(time).await;
        answer.await
    }

    /// The provider behind an instance.
    pub(crate) fn upstream(&self, name: &str) -> &Running {
        let mut found = self.upstreams.iter();
        let (_, upstream) = found.find(|(own, _)| *own == name).expect("an instance");
        upstream
    }

    /// How many requests each provider has received.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.upstreams
            .iter()
            .map(|(name, upstream)| (*name, upstream.journal().stats().requests))
            .collect()
    }

    /// The instances that answer `count` requests, one after the other.
    pub(crate) async fn sequence(&self, count: usize) -> Vec<String> {
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            names.push(instance_of(&self.chat(CHAT).await));
        }
        names
    }
}

/// The instance that was asked last.
pub(crate) fn instance_of(seen: &Seen) -> String {
    let exchange = seen.ctx.exchange.as_ref().expect("an exchange");
    exchange.instance.to_string()
}

/// The statuses of all attempts.
pub(crate) fn statuses(seen: &Seen) -> Vec<u16> {
    let attempts = seen.ctx.attempts.iter();
    attempts.filter_map(|attempt| attempt.status).collect()
}

/// Who was asked, why, and how it ended, for all attempts.
pub(crate) fn trail(seen: &Seen) -> Vec<(String, &'static str, &'static str)> {
    let attempts = seen.ctx.attempts.iter();
    attempts
        .map(|attempt| {
            let choice = attempt.choice.as_ref().expect("a choice");
            (choice.instance.to_string(), choice.reason, attempt.ended)
        })
        .collect()
}

/// Lets so much time pass at once.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub(crate) fn status(code: u16) -> Behaviour {
    Behaviour::status(StatusCode::from_u16(code).expect("a status"))
}

/// The connection is closed there.
pub(crate) fn cut(place: Place) -> Behaviour {
    Behaviour {
        cut_after: Some(place),
        ..Behaviour::default()
    }
}

/// Nothing comes any more from there on.
pub(crate) fn stall(place: Place) -> Behaviour {
    Behaviour {
        stall_after: Some(place),
        ..Behaviour::default()
    }
}

/// Events, all of which arrive before the fault.
pub(crate) fn broken_off(pieces: &[&'static str], fault: fn(Place) -> Behaviour) -> Behaviour {
    let whole = pieces.iter().map(|piece| piece.len()).sum();
    let fault = fault(Place::Bytes(whole));
    let more = ["data: {}\n\n"; 2];
    Behaviour {
        cut_after: fault.cut_after,
        stall_after: fault.stall_after,
        reset: fault.reset,
        ..Behaviour::events(pieces.iter().copied().chain(more))
    }
}

/// An address at which a connection is never accepted, as long as the second is kept: the queue of
/// its listener is full, and nobody empties it.
pub(crate) async fn black_hole() -> (SocketAddr, impl Send + 'static) {
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = ([127, 0, 0, 1], 0).into();
    socket.bind(any).expect("a free port");
    let full: TcpListener = socket.listen(0).expect("a listener");
    let address = full.local_addr().expect("an address");
    let mut waiting = JoinSet::new();
    for _ in 0..8 {
        waiting.spawn(TcpStream::connect(address));
    }
    // One has its place in the queue; what comes after it waits.
    let first = waiting.join_next().await.expect("a connection");
    let first = first.expect("no panic").expect("a connection");
    (address, (full, first, waiting))
}

/// All of these at once.
pub(crate) async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|one| (Box::pin(one), None)).collect();
    poll_fn(|task| {
        for (future, output) in waiting.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(ready) = future.as_mut().poll(task) {
                *output = Some(ready);
            }
        }
        if waiting.iter().all(|(_, output)| output.is_some()) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    waiting
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

fn overlay(onto: &mut Value, more: &Value) {
    for (name, value) in more.as_object().expect("an object") {
        match onto.get_mut(name) {
            Some(known) if known.is_object() && value.is_object() => overlay(known, value),
            Some(_) if value.is_null() => {
                onto.as_object_mut().map(|own| own.remove(name));
            }
            _ => onto[name] = value.clone(),
        }
    }
}
