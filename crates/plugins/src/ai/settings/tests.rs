use ai::Lack;
use serde_json::json;

use super::*;

const CANARY: &str = "sk-canary-73";

fn target(more: &Value) -> Target {
    let mut whole = json!({ "provider": "openai", "auth": {} });
    for (name, value) in more.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    serde_json::from_value(whole).expect("a target")
}

#[test]
fn a_configuration_prints_no_credential() {
    let target = target(&json!({ "auth": {
        "header": { "authorization": CANARY },
        "query": { "key": CANARY },
        "gcp": { "service_account_json": CANARY },
        "aws": { "access_key_id": "a", "secret_access_key": CANARY, "session_token": CANARY },
    } }));
    let printed = format!("{target:?} {:?}", target.auth.header.pairs());
    assert!(!printed.contains(CANARY), "{printed}");
    assert!(printed.contains("authorization"));
}

#[test]
fn the_first_reference_that_would_be_sent_is_named_with_its_field() {
    let gone = "$env://GONE";
    let credential = |field: &str| Some(Lack::Credential(format!("{field}: no value for {gone}")));
    let other = |field: &str| Some(Lack::Other(format!("{field}: no value for {gone}")));
    let aws = json!({ "access_key_id": gone, "secret_access_key": "s" });
    for (more, lack) in [
        (
            json!({ "auth": { "header": { "a": "x", "b": gone } } }),
            credential("auth.header.b"),
        ),
        (
            json!({ "auth": { "query": { "key": gone } } }),
            credential("auth.query.key"),
        ),
        (
            json!({ "auth": { "aws": aws } }),
            credential("auth.aws.access_key_id"),
        ),
        (
            json!({ "auth": { "gcp": { "service_account_json": gone } } }),
            credential("auth.gcp.service_account_json"),
        ),
        (
            json!({ "override": { "endpoint": gone } }),
            other("override.endpoint"),
        ),
        (
            json!({ "options": { "stop": ["x", { "a": gone }] } }),
            other("options.stop[1].a"),
        ),
        (
            json!({ "override": { "request_body": { "openai-chat": { "user": gone } } } }),
            other("override.request_body.user"),
        ),
        (json!({ "options": { "stop": "x $env://GONE" } }), None),
        (json!({}), None),
    ] {
        assert_eq!(target(&more).lack(), lack, "{more}");
    }
}

#[test]
fn values_that_are_there_are_kept_beside_one_that_is_not() {
    let target = target(&json!({ "auth": { "header": { "a": "x", "b": "$env://GONE", "n": 1 } } }));
    let pairs = target.auth.header.pairs();
    assert_eq!(pairs, [("a".to_owned(), Secret::new("x".to_owned()))]);
}
