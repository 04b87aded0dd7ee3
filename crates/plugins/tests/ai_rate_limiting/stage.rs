//! Simulated providers, and chains of plugins in front of them.

use std::sync::Arc;

use http::StatusCode;
use plugin::{Chain, Ctx, End, Environment, Host, Living, Registry, Reply, ReplyBody, Want};
use serde_json::{Value, json};
use simulator::{Behaviour, Running, Simulator};
use telemetry::metrics::{Metrics, Settings};

use crate::support::{Seen, post};

pub(crate) const CHAT: &str = r#"{"messages": [{"role": "user", "content": "hi"}]}"#;
pub(crate) const STREAM: &str =
    r#"{"messages": [{"role": "user", "content": "hi"}], "stream": true}"#;
pub(crate) const URI: &str = "/v1/chat/completions";

/// Running providers, each of which says that an answer took 2 + 8 tokens.
pub(crate) struct Stage {
    living: Arc<Living>,
    upstreams: Vec<(&'static str, Running)>,
}

/// Plugins that apply together.
#[derive(Clone)]
pub(crate) struct Plugins(Vec<Arc<Chain>>);

/// An answer that took so many tokens.
pub(crate) fn answer(usage: &Value) -> Behaviour {
    let body = json!({
        "choices": [{ "message": { "role": "assistant", "content": "hi" } }],
        "usage": usage,
    });
    Behaviour::json(StatusCode::OK, body.to_string())
}

pub(crate) fn ten_tokens() -> Behaviour {
    answer(&json!({ "prompt_tokens": 2, "completion_tokens": 8, "total_tokens": 10 }))
}

// === impl Stage ===

impl Stage {
    pub(crate) async fn new(names: &[&'static str]) -> Self {
        let mut upstreams = Vec::new();
        for name in names {
            let upstream = Simulator::bind("127.0.0.1:0").await.expect("a free port");
            upstream.script().set_default(ten_tokens());
            upstreams.push((*name, upstream));
        }
        Self {
            living: Arc::default(),
            upstreams,
        }
    }

    /// The provider of this name.
    pub(crate) fn upstream(&self, name: &str) -> &Running {
        let mut found = self.upstreams.iter();
        &found.find(|(own, _)| *own == name).expect("a provider").1
    }

    /// How many requests a provider has received.
    pub(crate) fn asked(&self, name: &str) -> u64 {
        self.upstream(name).journal().stats().requests
    }

    /// `ai-proxy` before the provider of this name.
    pub(crate) fn proxy(&self, name: &str) -> (&'static str, Value) {
        let endpoint = self.upstream(name).url("");
        let config =
            json!({ "provider": "openai", "auth": {}, "override": { "endpoint": endpoint } });
        ("ai-proxy", config)
    }

    /// `ai-proxy-multi` before all providers, the first one preferred, with `more` members.
    pub(crate) fn multi(&self, more: &Value) -> (&'static str, Value) {
        let instances = self.upstreams.iter().zip((0..10_i64).rev());
        let instances = instances.map(|((name, upstream), priority)| {
            json!({
                "name": name,
                "provider": "openai",
                "auth": {},
                "weight": 1,
                "priority": priority,
                "override": { "endpoint": upstream.url("") },
            })
        });
        let mut config = json!({ "instances": instances.collect::<Vec<_>>() });
        for (name, value) in more.as_object().expect("an object") {
            config[name] = value.clone();
        }
        ("ai-proxy-multi", config)
    }

    /// The plugins of a resource, alone.
    pub(crate) fn route(&self, resource: &str, plugins: &[(&str, Value)]) -> Plugins {
        let placed: Vec<_> = plugins
            .iter()
            .map(|(name, config)| (resource, *name, config.clone()))
            .collect();
        self.chains(&[&placed])
    }

    /// Several chains, each of plugins with the resources that hold them.
    pub(crate) fn chains(&self, chains: &[&[(&str, &str, Value)]]) -> Plugins {
        let registry = Registry::new(plugins::PLUGINS, None);
        let metrics = Metrics::new(&Settings::default()).expect("default settings");
        let link = |(resource, name, config): &(&str, &str, Value)| {
            let host = Host {
                living: &self.living,
                metrics: &metrics,
                environment: &Environment::default(),
                attributes: None,
                metadata: None,
                resource,
            };
            let link = registry
                .compile(name, config, &host)
                .expect("a valid configuration");
            link.expect("an enabled plugin")
        };
        let chain = |links: &&[_]| Arc::new(Chain::new(links.iter().map(link).collect()));
        Plugins(chains.iter().map(chain).collect())
    }
}

// === impl Plugins ===

impl Plugins {
    pub(crate) async fn chat(&self) -> Seen {
        self.ask(CHAT, &[]).await
    }

    pub(crate) async fn ask(&self, body: &str, headers: &[(&str, &str)]) -> Seen {
        self.send(post(URI, body, headers)).await
    }

    /// Sends a request through the access phase only.
    pub(crate) async fn access_only(&self, mut ctx: Ctx) -> Option<Reply> {
        ctx.chains = self.0.iter().cloned().collect();
        for chain in &self.0 {
            if let Some(reply) = chain.access(&mut ctx).await {
                return Some(reply);
            }
        }
        None
    }

    /// Sends a request through all phases, and reads the answer to its end.
    pub(crate) async fn send(&self, mut ctx: Ctx) -> Seen {
        ctx.chains = self.0.iter().cloned().collect();
        ctx.want = self
            .0
            .iter()
            .fold(Want::NONE, |all, chain| all | chain.want());
        let mut reply = self.reply(&mut ctx).await.expect("an answer");
        for chain in &self.0 {
            chain.head(&mut ctx, &mut reply.status, &mut reply.headers);
        }
        let Reply {
            status,
            headers,
            body,
            source,
        } = reply;
        ctx.sent.status = Some(status);
        let mut pieces = Vec::new();
        let mut broken = None;
        match body {
            ReplyBody::Empty => {}
            ReplyBody::Full(bytes) => pieces.push(bytes),
            ReplyBody::Relay(mut relay) => {
                while let Some(piece) =
                    std::future::poll_fn(|task| relay.poll_frame(task, &mut ctx)).await
                {
                    match piece {
                        Ok(frame) => pieces.extend(frame.into_data()),
                        Err(error) => broken = Some(error),
                    }
                    if broken.is_some() {
                        break;
                    }
                }
                let end = broken.map_or(End::Complete, |_| End::Cut);
                relay.close(&mut ctx, end);
            }
        }
        for chain in &self.0 {
            chain.log(&mut ctx);
        }
        Seen {
            status,
            source,
            headers,
            pieces,
            broken,
            ctx,
        }
    }

    async fn reply(&self, ctx: &mut Ctx) -> Option<Reply> {
        for chain in &self.0 {
            if let Some(reply) = chain.access(ctx).await {
                return Some(reply);
            }
        }
        for chain in &self.0 {
            if let Some(reply) = chain.before_proxy(ctx).await {
                return Some(reply);
            }
        }
        None
    }

    /// The statuses of so many requests, one after the other.
    pub(crate) async fn statuses(&self, count: usize) -> Vec<u16> {
        let mut statuses = Vec::with_capacity(count);
        for _ in 0..count {
            statuses.push(self.chat().await.status.as_u16());
        }
        statuses
    }

    /// The instances that answer so many requests, `-` where none does.
    pub(crate) async fn sequence(&self, count: usize) -> Vec<String> {
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            names.push(instance_of(&self.chat().await));
        }
        names
    }
}

/// The instance that was asked last; `-` when none was.
pub(crate) fn instance_of(seen: &Seen) -> String {
    let choice = seen
        .ctx
        .attempts
        .last()
        .and_then(|attempt| attempt.choice.as_ref());
    choice.map_or_else(|| "-".to_owned(), |choice| choice.instance.to_string())
}

/// Who was asked and why, for all attempts.
pub(crate) fn chosen(seen: &Seen) -> Vec<(String, &'static str)> {
    let choices = seen
        .ctx
        .attempts
        .iter()
        .filter_map(|attempt| attempt.choice.as_ref());
    choices
        .map(|choice| (choice.instance.to_string(), choice.reason))
        .collect()
}

/// A header of an answer; empty when there is none.
pub(crate) fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let value = seen.headers.get(name);
    value.map_or("", |value| value.to_str().expect("text"))
}

/// Lets time go by, for counters.
pub(crate) async fn later(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
    tokio::time::resume();
}
