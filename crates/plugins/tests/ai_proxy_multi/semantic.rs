//! Instances that are chosen by the likeness of the prompt to their examples.

use std::time::Duration;

use ai::{EmbeddingsError, EmbeddingsSettings, Likeness};
use bytes::Bytes;
use http::StatusCode;
use llm::Provider;
use plugin::Living;
use serde_json::{Value, json};
use simulator::{Behaviour, Place, Received, Running, Simulator};
use tokio::time::Instant;

use crate::health;
use crate::heard::Heard;
use crate::stage::{Member, Stage, instance_of, join_all, stall, statuses, trail};
use crate::support::Seen;

const CHAT: &str = "/v1/chat/completions";

/// Embeddings of texts: code, translation, or something else.
fn embeddings(received: &Received) -> Behaviour {
    let body = received.json();
    let texts = body["input"].as_array().expect("a list of texts");
    let vectors = texts.iter().enumerate().map(|(index, text)| {
        let text = text.as_str().expect("a text");
        let embedding = match text {
            _ if text.contains("code") => json!([2.0, 0.0, 0.0]),
            _ if text.contains("translate") => json!([0.0, 3.0, 0.0]),
            _ if text.contains("both") => json!([0.8, 0.6, 0.0]),
            _ => json!([0.0, 0.0, 1.0]),
        };
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    });
    let data: Vec<_> = vectors.collect();
    Behaviour::json(
        StatusCode::OK,
        json!({ "object": "list", "data": data }).to_string(),
    )
}

/// Whether the vectors of the examples are asked for, rather than that of a prompt.
fn is_batch(received: &Received) -> bool {
    received.json()["input"]
        .as_array()
        .is_some_and(|input| input.len() > 1)
}

async fn server() -> Running {
    let server = Simulator::bind("127.0.0.1:0").await.expect("a free port");
    server
        .script()
        .choose(|received| Some(embeddings(received)));
    server
}

/// How often the vectors of the examples were asked for.
fn batches(server: &Running) -> usize {
    let entries = server.journal().entries();
    entries
        .iter()
        .filter(|entry| is_batch(&entry.request))
        .count()
}

/// The texts of the last request for vectors.
fn last_input(server: &Running) -> Value {
    let entry = server.journal().last().expect("a request");
    entry.request.json()["input"].clone()
}

fn coder() -> Member {
    Member::new("coder").with(json!({ "examples": ["write code", "review code"] }))
}

fn translator() -> Member {
    Member::new("translator").with(json!({ "examples": ["translate this"] }))
}

fn general() -> Member {
    Member::new("general").with(json!({ "examples": ["both of them"] }))
}

/// What chooses by likeness to the examples, with `more` in `semantic_opts`.
fn semantic(server: &Running, more: &Value) -> Value {
    let mut options = json!({
        "embeddings": {
            "provider": "openai",
            "model": "m-embed",
            "endpoint": server.url(""),
            "auth": { "header": { "Authorization": "Bearer embeddings" } },
        },
        "threshold": 0.7,
        "fallback": "general",
    });
    for (name, value) in more.as_object().expect("an object") {
        options[name] = value.clone();
    }
    json!({ "balancer": { "algorithm": "semantic" }, "semantic_opts": options })
}

async fn stage(server: &Running, more: Value) -> Stage {
    Stage::new([coder(), translator(), general()], semantic(server, &more)).await
}

fn chat(content: &str) -> String {
    json!({ "model": "m", "messages": [{ "role": "user", "content": content }] }).to_string()
}

async fn asked(stage: &Stage, content: &str) -> String {
    instance_of(&stage.chat(&chat(content)).await)
}

fn told<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.headers
        .get(name)
        .map(|value| value.to_str().expect("text"))
}

#[tokio::test]
async fn prompts_go_to_the_instance_whose_examples_they_are_like() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    assert_eq!(asked(&stage, "some code please").await, "coder");
    assert_eq!(asked(&stage, "please translate").await, "translator");
    assert_eq!(asked(&stage, "what is for lunch").await, "general");
    assert_eq!(batches(&server), 1);
    assert_eq!(server.journal().stats().requests, 4);
}

#[tokio::test]
async fn each_dialect_is_read_for_the_last_words_of_the_user() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    let parts = json!([{ "type": "text", "text": "please" },
        { "type": "image_url", "image_url": { "url": "u" } }, { "type": "text", "text": "translate" }]);
    let turns = json!([{ "role": "user", "content": "code" },
        { "role": "assistant", "content": "no" }, { "role": "user", "content": parts }]);
    let body = json!({ "model": "m", "messages": turns }).to_string();
    assert_eq!(instance_of(&stage.chat(&body).await), "translator");
    assert_eq!(last_input(&server), json!(["please translate"]));

    let body = json!({ "model": "m", "input": "some code" }).to_string();
    let seen = stage.ask("/v1/responses", &body, &[]).await;
    assert_eq!(instance_of(&seen), "coder");
    assert_eq!(last_input(&server), json!(["some code"]));

    let block = json!([{ "type": "text", "text": "translate it" }]);
    let turns = json!([{ "role": "user", "content": block }]);
    let body = json!({ "model": "m", "max_tokens": 9, "messages": turns }).to_string();
    let speaks = |member: Member| Member {
        more: {
            let mut more = member.more;
            more["provider"] = json!("anthropic");
            more
        },
        ..member
    };
    let members = [coder(), translator(), general()].map(speaks);
    let stage = Stage::new(members, semantic(&server, &json!({}))).await;
    let seen = stage.ask("/v1/messages", &body, &[]).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(instance_of(&seen), "translator");
    assert_eq!(last_input(&server), json!(["translate it"]));
}

#[tokio::test]
async fn what_has_no_words_of_a_user_goes_to_the_fallback_unasked() {
    let server = server().await;
    let stage = stage(&server, json!({ "debugging": true })).await;
    let body = json!({ "model": "m", "messages": [{ "role": "system", "content": "code" }] });
    let seen = stage.chat(&body.to_string()).await;
    assert_eq!(instance_of(&seen), "general");
    assert_eq!(told(&seen, "x-ai-semantic-scores"), None);
    let seen = stage
        .ask("/v1/embeddings", r#"{"model":"m","input":"code"}"#, &[])
        .await;
    assert_eq!(instance_of(&seen), "general");
    assert_eq!(server.journal().stats().requests, 0);
}

#[tokio::test]
async fn without_a_fallback_it_is_the_first_instance() {
    let server = server().await;
    let stage = stage(&server, json!({ "fallback": null })).await;
    assert_eq!(asked(&stage, "what is for lunch").await, "coder");
}

#[tokio::test]
async fn a_threshold_of_an_instance_beats_the_common_one() {
    let server = server().await;
    let strict = coder().with(json!({ "examples": ["write code"], "threshold": 0.9 }));
    let lenient = translator().with(json!({ "examples": ["translate"], "threshold": 0.5 }));
    let other = Member::new("general").with(json!({ "examples": ["lunch"] }));
    let config = semantic(&server, &json!({ "threshold": 0.99 }));
    let stage = Stage::new([strict, lenient, other], config).await;
    // 0.8 like code and 0.6 like a translation.
    assert_eq!(asked(&stage, "both").await, "translator");
}

#[tokio::test]
async fn headers_tell_the_choice_to_those_who_debug() {
    let server = server().await;
    let stage = stage(&server, json!({ "debugging": true })).await;
    let seen = stage.chat(&chat("code")).await;
    let scores = told(&seen, "x-ai-semantic-scores");
    assert_eq!(
        scores,
        Some("coder:1.0000,general:0.8000,translator:0.0000")
    );
    assert_eq!(told(&seen, "x-ai-semantic-picked-instance"), Some("coder"));
    let seen = stage.chat(&chat("lunch")).await;
    let scores = told(&seen, "x-ai-semantic-scores");
    assert_eq!(
        scores,
        Some("coder:0.0000,translator:0.0000,general:0.0000")
    );
    assert_eq!(
        told(&seen, "x-ai-semantic-picked-instance"),
        Some("fallback")
    );

    stage
        .upstream("coder")
        .script()
        .set_default(Behaviour::status(StatusCode::BAD_GATEWAY));
    let seen = stage.chat(&chat("code")).await;
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told(&seen, "x-ai-semantic-picked-instance"), Some("coder"));
}

#[tokio::test]
async fn headers_tell_nothing_to_others() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    let seen = stage.chat(&chat("code")).await;
    assert_eq!(told(&seen, "x-ai-semantic-scores"), None);
    assert_eq!(told(&seen, "x-ai-semantic-picked-instance"), None);
}

#[tokio::test]
async fn nothing_of_the_client_reaches_the_embeddings_server() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    let theirs = [
        ("cookie", "a=b"),
        ("authorization", "Bearer theirs"),
        ("x-mine", "1"),
    ];
    stage
        .ask("/v1/chat/completions?key=mine", &chat("code"), &theirs)
        .await;
    let request = server.journal().last().expect("a request").request;
    assert_eq!(request.uri, "/v1/embeddings");
    assert_eq!(request.header("authorization"), Some("Bearer embeddings"));
    assert_eq!(
        request.json(),
        json!({ "model": "m-embed", "input": ["code"] })
    );
    let mut names: Vec<_> = request
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    names.sort_unstable();
    let expected = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn azure_is_asked_at_its_whole_url_and_not_told_the_model() {
    let server = server().await;
    let place = "/openai/deployments/d/embeddings?api-version=2024-02-01";
    let embeddings = json!({
        "provider": "azure-openai",
        "model": "m-embed",
        "endpoint": server.url(place),
        "auth": { "header": { "api-key": "k" }, "query": { "api-version": "x", "more": "a b" } },
    });
    let stage = stage(&server, json!({ "embeddings": embeddings })).await;
    assert_eq!(asked(&stage, "code").await, "coder");
    let request = server.journal().last().expect("a request").request;
    let target = "/openai/deployments/d/embeddings?more=a%20b&api-version=2024-02-01";
    assert_eq!(request.uri, target);
    assert_eq!(request.header("api-key"), Some("k"));
    assert_eq!(request.json(), json!({ "input": ["code"] }));
}

/// How a server answers that knows the examples, and gives `body` for a prompt.
async fn answering(status: StatusCode, body: &'static str) -> Running {
    let server = server().await;
    server.script().choose(move |received| {
        let broken = Behaviour::json(status, Bytes::from_static(body.as_bytes()));
        Some(if is_batch(received) {
            embeddings(received)
        } else {
            broken
        })
    });
    server
}

#[tokio::test]
async fn answers_that_cannot_be_used_lead_to_the_fallback() {
    let (ok, secret) = (StatusCode::OK, r#"{"error":"secret"}"#);
    let cases = [
        (StatusCode::INTERNAL_SERVER_ERROR, secret),
        (StatusCode::NO_CONTENT, ""),
        (ok, "1"),
        (ok, "<html>"),
        (ok, r#"{"data":[1]}"#),
        (ok, r#"{"data":[{"embedding":null}]}"#),
        (ok, r#"{"data":[{"embedding":[]}]}"#),
        (ok, r#"{"data":[{"embedding":[NaN,0,0]}]}"#),
        (ok, r#"{"data":[{"embedding":[null,0,0]}]}"#),
        (ok, r#"{"data":[{"index":-1,"embedding":[1,0,0]}]}"#),
        (ok, r#"{"data":[{"index":0.5,"embedding":[1,0,0]}]}"#),
        (ok, r#"{"data":[]}"#),
        (StatusCode::CREATED, r#"{"data":[{"embedding":[1,0,0]}]}"#),
        (ok, r#"{"data":[{"embedding":[1e999,0,0]}]}"#),
        (ok, r#"{"data":[{"embedding":[1,0]}]}"#),
        (ok, r#"{"data":[{"index":1,"embedding":[1,0,0]}]}"#),
    ];
    for (status, body) in cases {
        let server = answering(status, body).await;
        let stage = stage(&server, json!({ "debugging": true })).await;
        let seen = stage.chat(&chat("code")).await;
        assert_eq!(seen.status, StatusCode::OK, "{body}");
        assert_eq!(instance_of(&seen), "general", "{body}");
        assert_eq!(told(&seen, "x-ai-semantic-scores"), None, "{body}");
        assert_eq!(told(&seen, "x-ai-semantic-picked-instance"), None, "{body}");
        assert_eq!(server.journal().stats().requests, 2, "{body}");
    }
}

#[tokio::test]
async fn examples_without_vectors_lead_to_the_fallback_and_are_asked_for_again() {
    let server = server().await;
    server
        .script()
        .push(Behaviour::status(StatusCode::TOO_MANY_REQUESTS));
    let stage = stage(&server, json!({})).await;
    assert_eq!(asked(&stage, "code").await, "general");
    assert_eq!(server.journal().stats().requests, 1);
    assert_eq!(asked(&stage, "code").await, "coder");
    assert_eq!(batches(&server), 2);
}

#[tokio::test]
async fn requests_at_once_ask_for_the_examples_once() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    let first = tokio::join!(
        asked(&stage, "code"),
        asked(&stage, "translate"),
        asked(&stage, "code")
    );
    assert_eq!(first, ("coder".into(), "translator".into(), "coder".into()));
    assert_eq!(batches(&server), 1);
}

#[tokio::test]
async fn requests_at_once_share_a_failure() {
    let server = server().await;
    server
        .script()
        .set_default(Behaviour::status(StatusCode::UNAUTHORIZED));
    server.script().choose(|_| None);
    let stage = stage(&server, json!({})).await;
    let all = tokio::join!(
        asked(&stage, "code"),
        asked(&stage, "code"),
        asked(&stage, "code")
    );
    assert_eq!(all, ("general".into(), "general".into(), "general".into()));
    assert_eq!(server.journal().stats().requests, 1);
}

#[tokio::test]
async fn examples_are_asked_for_again_after_an_hour() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    asked(&stage, "code").await;
    for (seconds, expected) in [(3590, 1), (20, 2)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        assert_eq!(asked(&stage, "code").await, "coder");
        assert_eq!(batches(&server), expected);
    }
}

#[tokio::test]
async fn the_next_snapshot_takes_the_vectors_over() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    asked(&stage, "code").await;
    let mut config = stage.config.clone();
    config["timeout"] = json!(1234);
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &config);
    let seen = next
        .send(crate::support::post(CHAT, &chat("code"), &[]))
        .await;
    assert_eq!(instance_of(&seen), "coder");
    assert_eq!(batches(&server), 1);
    config["instances"][0]["examples"][0] = json!("more code");
    let next = stage.bench.next("/routes/1", "ai-proxy-multi", &config);
    next.send(crate::support::post(CHAT, &chat("code"), &[]))
        .await;
    assert_eq!(batches(&server), 2);
}

#[tokio::test]
async fn a_long_prompt_is_cut_between_characters() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    let start = "a".repeat(16_383);
    asked(&stage, &format!("{start}\u{e9}code")).await;
    assert_eq!(last_input(&server), json!([start]));
}

#[tokio::test]
async fn an_instance_that_fails_is_followed_by_the_next_most_alike() {
    let server = server().await;
    let mut config = semantic(&server, &json!({ "fallback": "translator" }));
    config["fallback_strategy"] = json!(["http_5xx"]);
    let stage = Stage::new([translator(), general(), coder()], config).await;
    let down = Behaviour::status(StatusCode::SERVICE_UNAVAILABLE);
    stage.upstream("coder").script().set_default(down.clone());
    let seen = stage.chat(&chat("code")).await;
    assert_eq!(statuses(&seen), [503, 200]);
    let expected = [
        ("coder", "semantic", "status"),
        ("general", "fallback", "complete"),
    ];
    let expected = expected.map(|(name, reason, ended)| (name.to_owned(), reason, ended));
    assert_eq!(trail(&seen), expected);

    stage.upstream("general").script().set_default(down);
    let seen = stage.chat(&chat("code")).await;
    assert_eq!(instance_of(&seen), "translator");
}

#[tokio::test]
async fn an_instance_that_is_not_well_is_passed_over_for_the_next_most_alike() {
    let server = server().await;
    let checked = |member: Member| {
        let mut more = member.more.clone();
        more["checks"] = health::checks();
        member.with(more)
    };
    let members = [coder(), translator(), general()].map(checked);
    let config = semantic(
        &server,
        &json!({ "debugging": true, "fallback": "translator" }),
    );
    let stage = Stage::new(members, config).await;
    for (sick, expected, told_of) in [
        ("coder", "general", "general"),
        ("general", "translator", "fallback"),
        // None is well, so that health says nothing.
        ("translator", "coder", "coder"),
    ] {
        health::answer_health(&stage, sick, StatusCode::SERVICE_UNAVAILABLE);
        health::turn(&stage).await;
        let seen = stage.chat(&chat("code")).await;
        assert_eq!(instance_of(&seen), expected);
        let picked = told(&seen, "x-ai-semantic-picked-instance");
        assert_eq!(picked, Some(told_of));
    }
}

#[tokio::test]
async fn an_open_breaker_moves_prompts_to_the_next_most_alike() {
    let server = server().await;
    let mut config = semantic(
        &server,
        &json!({ "fallback": "translator", "debugging": true }),
    );
    config["fallback_strategy"] = json!("instance_health_and_rate_limiting");
    let stage = Stage::new([translator(), general(), coder()], config).await;
    let down = |name: &str| {
        let failure = Behaviour::status(StatusCode::SERVICE_UNAVAILABLE);
        stage.upstream(name).script().set_default(failure);
    };
    let told_of = |seen: &Seen| {
        let first = trail(seen)[0].clone();
        let picked = told(seen, "x-ai-semantic-picked-instance");
        (first.0, first.1, picked.unwrap_or_default().to_owned())
    };
    let code = chat("code");
    down("coder");
    for _ in 0..5 {
        let first = ("coder".into(), "semantic", "coder".into());
        assert_eq!(told_of(&stage.chat(&code).await), first);
    }
    // `coder` is open: who is next in the order leads, and is told of.
    let next = ("general".into(), "semantic", "general".into());
    assert_eq!(told_of(&stage.chat(&code).await), next);
    down("general");
    for _ in 0..5 {
        stage.chat(&code).await;
    }
    // Nobody who fits is closed: the fallback leads.
    let last = ("translator".into(), "semantic", "fallback".into());
    assert_eq!(told_of(&stage.chat(&code).await), last);

    // All are open: whoever recovers soonest is asked all the same, by likeness where that is equal.
    down("translator");
    for _ in 0..5 {
        stage.chat(&code).await;
    }
    let seen = stage.chat(&code).await;
    assert_eq!(seen.status, StatusCode::BAD_GATEWAY);
    let reasons: Vec<_> = trail(&seen).iter().map(|(_, reason, _)| *reason).collect();
    assert_eq!(reasons, ["soonest"; 3]);
    assert!(seen.headers.contains_key("retry-after"));
    stage
        .upstream("coder")
        .script()
        .set_default(Behaviour::text("well"));
    let seen = stage.chat(&code).await;
    assert_eq!(
        (seen.status, instance_of(&seen)),
        (StatusCode::OK, "coder".into())
    );
    assert_eq!(asked(&stage, "code").await, "coder");
}

#[tokio::test]
async fn when_all_are_open_it_is_time_that_counts_and_not_likeness() {
    let server = server().await;
    let mut config = semantic(&server, &json!({}));
    config["fallback_strategy"] = json!("http_5xx");
    let failing = |(member, wait): (Member, u64)| {
        let breaker = json!({ "faults": 1, "open_ms": wait, "max_open_ms": wait });
        let mut more = member.more;
        more["breaker"] = breaker;
        let behaviour = Behaviour::status(StatusCode::SERVICE_UNAVAILABLE);
        Member {
            behaviour,
            more,
            ..member
        }
    };
    let members = [
        (general(), 200_000),
        (translator(), 100_000),
        (coder(), 300_000),
    ];
    let stage = Stage::new(members.map(failing), config).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        let seen = stage.chat(&chat("code")).await;
        let names = trail(&seen).into_iter().map(|(name, ..)| name);
        asked.push(names.collect::<Vec<_>>());
    }
    assert_eq!(asked[0], ["coder", "general", "translator"]);
    assert_eq!(asked[1], ["translator", "general", "coder"]);
}

#[tokio::test]
async fn a_single_instance_is_compared_too() {
    let server = server().await;
    let config = semantic(&server, &json!({ "debugging": true, "fallback": null }));
    let stage = Stage::new([coder()], config).await;
    let seen = stage.chat(&chat("code")).await;
    assert_eq!(told(&seen, "x-ai-semantic-scores"), Some("coder:1.0000"));
    let seen = stage.chat(&chat("lunch")).await;
    assert_eq!(instance_of(&seen), "coder");
    assert_eq!(
        told(&seen, "x-ai-semantic-picked-instance"),
        Some("fallback")
    );
}

#[tokio::test]
async fn the_log_tells_scores_and_reasons_and_nothing_that_the_server_said() {
    let heard = Heard::listening();
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    for _ in 0..3 {
        asked(&stage, "what is for lunch").await;
    }
    let scores = "coder:0.0000,translator:0.0000,general:0.0000";
    // That nobody fits is as frequent as clients like: the operator is told once.
    let counts = (heard.count("WARN", scores), heard.count("DEBUG", scores));
    assert_eq!(counts, (1, 2), "{}", heard.lines());

    let server = answering(StatusCode::FORBIDDEN, r#"{"error":"secret"}"#).await;
    let stage = self::stage(&server, json!({})).await;
    asked(&stage, "my words").await;
    let reason = "the embeddings server answered 403 Forbidden";
    assert!(heard.has("WARN", reason), "{}", heard.lines());
    for word in ["secret", "my words", "lunch", "write code", "Bearer"] {
        assert!(!heard.has("", word), "{word}: {}", heard.lines());
    }
}

#[tokio::test]
async fn requests_that_come_one_by_one_while_the_server_is_down_have_one_call_at_a_time() {
    let server = server().await;
    server.script().choose(|_| None);
    server.script().set_default(Behaviour {
        delay: Duration::from_millis(50),
        ..Behaviour::status(StatusCode::SERVICE_UNAVAILABLE)
    });
    let stage = stage(&server, json!({})).await;
    let crowd = join_all((0..40).map(|_| asked(&stage, "code"))).await;
    assert!(crowd.iter().all(|name| name == "general"));
    assert_eq!(server.journal().stats().requests, 1);
    // A failure is not kept: the next one asks again.
    server
        .script()
        .choose(|received| Some(embeddings(received)));
    let crowd = join_all((0..40).map(|_| asked(&stage, "code"))).await;
    assert!(crowd.iter().all(|name| name == "coder"));
    assert_eq!(batches(&server), 2);
}

#[tokio::test]
async fn vectors_of_a_configuration_serve_it_alone() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    asked(&stage, "code").await;
    let mut other = stage.config.clone();
    other["semantic_opts"]["embeddings"]["model"] = json!("another");
    let other = stage.bench.next("/routes/2", "ai-proxy-multi", &other);
    let seen = other
        .send(crate::support::post(CHAT, &chat("code"), &[]))
        .await;
    assert_eq!(instance_of(&seen), "coder");
    assert_eq!(batches(&server), 2);
}

#[tokio::test]
async fn a_server_that_is_silent_costs_its_timeout_and_no_answer() {
    let server = server().await;
    server.script().choose(|_| None);
    server.script().set_default(stall(Place::Head));
    let embeddings = json!({
        "provider": "openai", "model": "m", "auth": {}, "timeout": 20, "endpoint": server.url(""),
    });
    let stage = stage(&server, json!({ "embeddings": embeddings })).await;
    let seen = stage.chat(&chat("code")).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(instance_of(&seen), "general");
}

#[tokio::test]
async fn a_server_that_is_gone_costs_no_answer() {
    let server = server().await;
    let stage = stage(&server, json!({})).await;
    drop(server);
    let seen = stage.chat(&chat("code")).await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(instance_of(&seen), "general");
}

/// A judge of one group, beside any plugin.
fn judge(server: &Running, timeout: Duration) -> Likeness {
    let settings = EmbeddingsSettings {
        provider: Provider::find("openai").expect("the provider"),
        model: "m".to_owned(),
        endpoint: Some(server.url("")),
        headers: Vec::new(),
        query: Vec::new(),
        timeout,
        verify: true,
    };
    let examples = vec![vec!["write code".to_owned(), "review code".to_owned()]];
    Likeness::new(settings, examples, &Living::default()).expect("good settings")
}

#[tokio::test]
async fn examples_and_prompt_together_wait_for_one_timeout() {
    let server = server().await;
    server.script().choose(|received| {
        Some(if is_batch(received) {
            Behaviour {
                delay: Duration::from_secs(2),
                ..embeddings(received)
            }
        } else {
            stall(Place::Head)
        })
    });
    let judge = judge(&server, Duration::from_secs(3));
    tokio::time::pause();
    let start = Instant::now();
    assert_eq!(judge.scores("code").await, Err(EmbeddingsError::Late));
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn errors_do_not_repeat_what_the_server_said() {
    let server = answering(StatusCode::FORBIDDEN, r#"{"error":"secret"}"#).await;
    let judge = judge(&server, Duration::from_secs(30));
    let error = judge.scores("code").await.expect_err("a refusal");
    assert_eq!(error, EmbeddingsError::Refused(StatusCode::FORBIDDEN));
    assert_eq!(
        error.to_string(),
        "the embeddings server answered 403 Forbidden"
    );
    assert!(!format!("{error:?}").contains("secret"));
}
