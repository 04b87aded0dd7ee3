use std::sync::Arc;

use http::StatusCode;
use plugin::{Chain, Ctx, Reply};
use serde_json::{Value, json};

use crate::sample::{House, body, post, with_header};

/// Sends a request through `key-auth`, alone or on a route with `ai-proxy`.
async fn send(config: Value, mut ctx: Ctx, with_ai: bool) -> (Ctx, Option<Reply>) {
    let house = House::default();
    let mut links = vec![house.link("/routes/r1", "key-auth", &config)];
    if with_ai {
        let proxy = json!({ "provider": "openai", "auth": { "header": { "Authorization": "x" } } });
        links.push(house.link("/routes/r1", "ai-proxy", &proxy));
    }
    let chain = Arc::new(Chain::new(links));
    ctx.chains.push(chain.clone());
    let reply = chain.rewrite(&mut ctx).await;
    (ctx, reply)
}

fn sent(ctx: &Ctx, name: &str) -> Option<String> {
    let value = ctx.request.headers.get(name)?;
    Some(value.to_str().unwrap().to_owned())
}

#[track_caller]
fn expect_refusal(reply: Option<&Reply>, message: &str) {
    let reply = reply.expect("a refusal");
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let expected = format!("{{\"message\":\"{message}\"}}\n");
    assert_eq!(body(reply), expected.as_bytes());
    assert_eq!(reply.headers["www-authenticate"], "apikey realm=\"key\"");
    assert_eq!(reply.headers["content-type"], "application/json");
}

#[tokio::test]
async fn a_key_in_the_header_identifies_its_consumer() {
    let ctx = with_header(post("/", ""), "apikey", "key-1");
    let (ctx, reply) = send(json!({}), ctx, false).await;
    assert!(reply.is_none());
    assert_eq!(&*ctx.consumer.as_ref().unwrap().username, "jack");
    assert_eq!(sent(&ctx, "x-consumer-username").as_deref(), Some("jack"));
    assert_eq!(
        sent(&ctx, "x-credential-identifier").as_deref(),
        Some("id-1")
    );
    assert_eq!(sent(&ctx, "x-consumer-custom-id").as_deref(), Some("id-1"));
    assert_eq!(sent(&ctx, "apikey").as_deref(), Some("key-1"));
    assert!(ctx.request.headers["apikey"].is_sensitive());
}

#[tokio::test]
async fn a_key_in_the_query_serves_when_there_is_no_header() {
    let (ctx, reply) = send(json!({}), post("/a?apikey=key-1&x=1", ""), false).await;
    assert!(reply.is_none());
    assert_eq!(ctx.request.uri, "/a?apikey=key-1&x=1");
    assert_eq!(&*ctx.secret_arguments[0], "apikey");

    let both = with_header(post("/a?apikey=key-1", ""), "apikey", "wrong");
    let (_, reply) = send(json!({}), both, false).await;
    expect_refusal(reply.as_ref(), "Invalid API key in request");
}

#[tokio::test]
async fn missing_and_unknown_keys_are_refused() {
    let (_, reply) = send(json!({}), post("/", ""), false).await;
    expect_refusal(reply.as_ref(), "Missing API key in request");
    for wrong in ["wrong", "KEY-1", "Bearer key-1", ""] {
        let ctx = with_header(post("/", ""), "apikey", wrong);
        let (ctx, reply) = send(json!({}), ctx, false).await;
        expect_refusal(reply.as_ref(), "Invalid API key in request");
        assert!(ctx.consumer.is_none(), "{wrong:?}");
    }
}

#[tokio::test]
async fn names_and_realm_are_configurable() {
    let config = json!({ "header": "X-Key", "query": "k", "realm": "shop" });
    let ctx = with_header(post("/", ""), "x-key", "key-1");
    let (ctx, reply) = send(config.clone(), ctx, false).await;
    assert!(reply.is_none() && ctx.consumer.is_some());
    let (ctx, _) = send(config.clone(), post("/?k=key-1", ""), false).await;
    assert!(ctx.consumer.is_some());
    let (_, reply) = send(config, post("/?apikey=key-1", ""), false).await;
    assert_eq!(
        reply.unwrap().headers["www-authenticate"],
        "apikey realm=\"shop\""
    );
}

#[tokio::test]
async fn hidden_credentials_do_not_go_on() {
    let config = json!({ "hide_credentials": true });
    let ctx = with_header(post("/?apikey=other", ""), "apikey", "key-1");
    let (ctx, reply) = send(config.clone(), ctx, false).await;
    assert!(reply.is_none());
    assert_eq!(sent(&ctx, "apikey"), None);
    assert_eq!(ctx.request.uri, "/?apikey=other");

    let (ctx, _) = send(config, post("/a?x=1&apikey=key-1", ""), false).await;
    assert_eq!(ctx.request.uri, "/a?x=1");
}

#[tokio::test]
async fn on_ai_routes_credentials_never_go_on() {
    let ctx = with_header(post("/", ""), "apikey", "key-1");
    let (ctx, _) = send(json!({}), ctx, true).await;
    assert!(ctx.consumer.is_some());
    assert_eq!(sent(&ctx, "apikey"), None);
    let (ctx, _) = send(json!({}), post("/a?apikey=key-1", ""), true).await;
    assert_eq!(ctx.request.uri, "/a");
    // Nor does a wrong one, on behalf of the anonymous consumer.
    let ctx = with_header(post("/", ""), "apikey", "mistyped");
    let (ctx, reply) = send(json!({ "anonymous_consumer": "guest" }), ctx, true).await;
    assert!(reply.is_none());
    assert_eq!(sent(&ctx, "apikey"), None);
}

#[tokio::test]
async fn bearer_keys_of_sdks_are_understood_in_authorization() {
    let config = json!({ "header": "Authorization" });
    for value in ["Bearer key-1", "bearer  key-1", "key-1", "Bearer whole"] {
        let ctx = with_header(post("/", ""), "authorization", value);
        let (ctx, reply) = send(config.clone(), ctx, false).await;
        assert!(reply.is_none() && ctx.consumer.is_some(), "{value}");
    }
    let ctx = with_header(post("/", ""), "authorization", "Basic key-1");
    let (_, reply) = send(config, ctx, false).await;
    expect_refusal(reply.as_ref(), "Invalid API key in request");
}

#[tokio::test]
async fn what_clients_claim_to_be_is_removed() {
    let claim = |ctx| {
        let ctx = with_header(ctx, "x-consumer-username", "admin");
        let ctx = with_header(ctx, "x-credential-identifier", "forged");
        with_header(ctx, "x-consumer-custom-id", "forged")
    };
    let ctx = with_header(claim(post("/", "")), "apikey", "key-1");
    let (ctx, _) = send(json!({}), ctx, false).await;
    assert_eq!(
        ctx.request
            .headers
            .get_all("x-consumer-username")
            .iter()
            .count(),
        1
    );
    assert_eq!(sent(&ctx, "x-consumer-username").as_deref(), Some("jack"));

    let config = json!({ "anonymous_consumer": "guest" });
    let (ctx, reply) = send(config, claim(post("/", "")), false).await;
    assert!(reply.is_none());
    assert_eq!(sent(&ctx, "x-consumer-username").as_deref(), Some("guest"));
    assert_eq!(sent(&ctx, "x-credential-identifier"), None);
    assert_eq!(sent(&ctx, "x-consumer-custom-id"), None);
}

#[tokio::test]
async fn an_anonymous_consumer_that_does_not_exist_lets_nobody_in() {
    let config = json!({ "anonymous_consumer": "missing" });
    let (_, reply) = send(config, post("/", ""), false).await;
    expect_refusal(reply.as_ref(), "Invalid user authorization");
}
