//! `tollgate demo`: routes that work without any account, and one for each key at hand.

use std::net::SocketAddr;

use anyhow::Context as _;
use config::source::Store;
use serde_json::{Value, json};

/// A provider that is used for real when its key is in the environment.
struct RealProvider {
    variable: &'static str,
    provider: &'static str,
    /// Header that carries the key, and what stands before it.
    header: (&'static str, &'static str),
    model: &'static str,
    path: &'static str,
}

/// A ready route, as it is told to the person at the terminal.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) what: String,
    pub(crate) curl: String,
}

static REAL: &[RealProvider] = &[
    RealProvider::chat("OPENAI_API_KEY", "openai", "gpt-4o-mini"),
    RealProvider::chat("DEEPSEEK_API_KEY", "deepseek", "deepseek-chat"),
    RealProvider::chat("AIMLAPI_API_KEY", "aimlapi", "gpt-4o-mini"),
    RealProvider::chat("OPENROUTER_API_KEY", "openrouter", "openai/gpt-4o-mini"),
    RealProvider::chat("GEMINI_API_KEY", "gemini", "gemini-2.5-flash"),
    RealProvider {
        variable: "ANTHROPIC_API_KEY",
        provider: "anthropic",
        header: ("x-api-key", ""),
        model: "claude-haiku-4-5",
        path: "/anthropic/v1/messages",
    },
];

/// Writes the demo's routes into `store`.
///
/// # Errors
/// When the store refuses a write.
pub(crate) fn furnish(
    store: &Store,
    simulator: SocketAddr,
    environment: &config::substitute::Environment,
) -> anyhow::Result<Vec<&'static str>> {
    let endpoint = format!("http://{simulator}");
    let simulated = |id: &str, uris: Value, provider: &str| {
        json!({
            "id": id, "name": id, "uris": uris,
            "plugins": {
                "prometheus": { "prefer_name": true },
                "ai-proxy": {
                    "provider": provider, "auth": {},
                    "override": { "endpoint": endpoint },
                    "logging": { "summaries": true }
                }
            }
        })
    };
    let mut routes = vec![
        simulated("simulated-openai", json!(["/v1/*", "/"]), "openai"),
        simulated(
            "simulated-anthropic",
            json!(["/v1/messages", "/v1/messages/*"]),
            "anthropic",
        ),
        falling_back(&endpoint),
    ];
    let mut real = Vec::new();
    for row in REAL {
        let key = environment.get(row.variable);
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            routes.push(row.route(key));
            real.push(row.provider);
        }
    }
    for route in &routes {
        let id = route["id"].as_str().unwrap_or_default();
        store
            .put(&format!("/apisix/routes/{id}"), route, None)
            .with_context(|| format!("cannot store the route {id}"))?;
    }
    Ok(real)
}

/// A route whose preferred instance is always out of quota; the other one answers.
fn falling_back(endpoint: &str) -> Value {
    let instance = |name: &str, priority: i64, told: Value| {
        json!({
            "name": name, "provider": "openai", "weight": 1, "priority": priority,
            "auth": { "header": told },
            "override": { "endpoint": endpoint }
        })
    };
    let text = "The instance \"preferred\" was out of quota, so \"spare\" says hello.";
    json!({
        "id": "fallback", "name": "fallback", "uri": "/fallback/*",
        "plugins": {
            "prometheus": { "prefer_name": true },
            "ai-proxy-multi": {
                "fallback_strategy": "instance_health_and_rate_limiting",
                "instances": [
                    instance("preferred", 1, json!({ "x-sim-status": "429" })),
                    instance("spare", 0, json!({ "x-sim-text": text }))
                ],
                "logging": { "summaries": true }
            }
        }
    })
}

/// What to try, for a gateway that listens at `proxy`.
pub(crate) fn told(proxy: SocketAddr, real: &[&str]) -> Vec<Told> {
    let base = format!("http://{proxy}");
    let mut lines = vec![
        Told {
            what: "a streamed chat (OpenAI dialect, simulated)".to_owned(),
            curl: curl(
                &format!("-N {base}/v1/chat/completions"),
                &json!({ "model": "demo", "stream": true, "messages": [hello()] }),
            ),
        },
        Told {
            what: "a message (Anthropic dialect, simulated)".to_owned(),
            curl: curl(
                &format!("{base}/v1/messages -H 'anthropic-version: 2023-06-01'"),
                &json!({ "model": "demo", "max_tokens": 64, "messages": [hello()] }),
            ),
        },
        Told {
            what: "a fallback: the preferred instance answers 429, and nobody notices (simulated)"
                .to_owned(),
            curl: curl(
                &format!("{base}/fallback/v1/chat/completions"),
                &json!({ "model": "demo", "messages": [hello()] }),
            ),
        },
        Told {
            what: "the models".to_owned(),
            curl: format!("curl -s {base}/v1/models"),
        },
    ];
    for row in REAL.iter().filter(|row| real.contains(&row.provider)) {
        let version = match row.provider {
            "anthropic" => " -H 'anthropic-version: 2023-06-01'",
            _ => "",
        };
        let body = json!({ "model": row.model, "max_tokens": 64, "messages": [hello()] });
        lines.push(Told {
            what: format!("{}, with the key in {}", row.provider, row.variable),
            curl: curl(&format!("{base}{}{version}", row.path), &body),
        });
    }
    lines
}

fn hello() -> Value {
    json!({ "role": "user", "content": "Say hello." })
}

fn curl(target: &str, body: &Value) -> String {
    format!("curl -s {target} -H 'content-type: application/json' -d '{body}'")
}

// === impl RealProvider ===

impl RealProvider {
    const fn chat(variable: &'static str, provider: &'static str, model: &'static str) -> Self {
        let path = match provider.as_bytes() {
            b"openai" => "/openai/v1/chat/completions",
            b"deepseek" => "/deepseek/v1/chat/completions",
            b"aimlapi" => "/aimlapi/v1/chat/completions",
            b"openrouter" => "/openrouter/v1/chat/completions",
            _ => "/gemini/v1/chat/completions",
        };
        Self {
            variable,
            provider,
            header: ("authorization", "Bearer "),
            model,
            path,
        }
    }

    fn route(&self, key: &str) -> Value {
        let (header, before) = self.header;
        json!({
            "id": self.provider, "name": self.provider, "uri": format!("/{}/*", self.provider),
            "plugins": {
                "prometheus": { "prefer_name": true },
                "ai-proxy": {
                    "provider": self.provider,
                    "auth": { "header": { header: format!("{before}{key}") } },
                    "logging": { "summaries": true }
                }
            }
        })
    }
}
