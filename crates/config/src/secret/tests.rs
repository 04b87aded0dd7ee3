use serde_json::json;

use super::*;
use crate::check::check_resource;
use crate::document::{Draft, Entry};
use crate::resource::Kind;
use crate::settings;
use crate::source::{Seal, Store};

const CANARY: &str = "sk-canary-canary-canary-32-bytes";

fn printed_of(kind: Kind, id: &str, value: &Value) -> String {
    let resource = check_resource(kind, value).expect("a valid resource");
    let mut draft = Draft::new(None, None);
    draft.take(Entry {
        kind,
        id: id.to_owned(),
        key: format!("/apisix/{}", kind.path(id)),
        created: 1,
        modified: 1,
        value: value.clone(),
    });
    let store = Store::in_memory().expect("a store");
    let key = format!("/apisix/{}", kind.path(id));
    let stored = store.put(&key, value, None).expect("written");
    format!("{resource:?} {:?} {stored:?} {store:?}", draft.finish(1))
}

#[test]
fn resources_print_no_secret() {
    let pem = format!("-----BEGIN PRIVATE KEY-----{CANARY}{CANARY}");
    let chain = "c".repeat(128);
    let plugins = json!({
        "ai-proxy": { "provider": "openai", "auth": { "header": { "authorization": CANARY } } },
        "key-auth": { "key": CANARY },
    });
    let tls = json!({ "client_cert": chain, "client_key": pem });
    let upstream = json!({ "nodes": { "a:80": 1 }, "tls": tls });
    for (kind, id, value) in [
        (
            Kind::Route,
            "1",
            json!({ "uri": "/x", "plugins": plugins, "upstream": upstream }),
        ),
        (
            Kind::Service,
            "1",
            json!({ "plugins": plugins, "upstream": upstream }),
        ),
        (
            Kind::Consumer,
            "a",
            json!({ "username": "a", "plugins": plugins }),
        ),
        (
            Kind::Credential,
            "a/credentials/1",
            json!({ "plugins": { "key-auth": { "key": CANARY } } }),
        ),
        (Kind::ConsumerGroup, "1", json!({ "plugins": plugins })),
        (Kind::PluginConfig, "1", json!({ "plugins": plugins })),
        (Kind::PluginMetadata, "any", json!({ "password": CANARY })),
        (Kind::GlobalRule, "1", json!({ "plugins": plugins })),
        (
            Kind::Ssl,
            "1",
            json!({ "sni": "a.example", "cert": chain, "key": pem, "certs": [chain], "keys": [pem] }),
        ),
        (Kind::Upstream, "1", upstream),
    ] {
        let printed = printed_of(kind, id, &value);
        assert!(!printed.contains(CANARY), "{kind:?}: {printed}");
    }
}

#[test]
fn secret_managers_print_no_secret() {
    let service_account = json!({
        "client_email": "a@b.example", "private_key": CANARY, "project_id": "p",
    });
    for (id, value) in [
        (
            "vault/1",
            json!({ "uri": "http://v", "prefix": "kv", "token": CANARY }),
        ),
        (
            "aws/1",
            json!({ "access_key_id": "a", "secret_access_key": CANARY, "session_token": CANARY }),
        ),
        ("gcp/1", json!({ "auth_config": service_account })),
    ] {
        let printed = printed_of(Kind::Secret, id, &value);
        assert!(!printed.contains(CANARY), "{id}: {printed}");
    }
}

#[test]
fn settings_print_no_secret() {
    let text = json!({
        "admin": { "key": CANARY, "keys": [{ "name": "a", "key": CANARY }] },
        "data_encryption": { "keyring": [CANARY] },
        "etcd": { "endpoints": ["http://e"], "user": "u", "password": CANARY },
    });
    let environment = crate::substitute::Environment::new();
    let parsed = settings::parse(None, &text.to_string(), &environment);
    let printed = match parsed {
        Ok(loaded) => format!("{loaded:?} {:?}", loaded.settings),
        Err(error) => format!("{error:?} {error}"),
    };
    assert!(!printed.contains(CANARY), "{printed}");

    let short = &CANARY[..31];
    let text =
        json!({ "admin": { "key": 7, "keys": short }, "data_encryption": { "keyring": [short] } });
    let error = settings::parse(None, &text.to_string(), &environment).expect_err("faults");
    let printed = format!("{error:?} {error}");
    assert!(!printed.contains(short), "{printed}");
}

#[test]
fn secrets_and_their_keepers_print_no_secret() {
    let secret = Secret::new(CANARY.to_owned());
    let keyring = crate::Keyring::new(std::slice::from_ref(&secret)).expect("a key");
    let seal = Seal::new(keyring.clone(), []);
    let printed = format!("{secret:?} {secret} {keyring:?} {seal:?}");
    assert!(!printed.contains(CANARY), "{printed}");
    assert_eq!(json!(secret), json!(CANARY), "what is stored is the value");
}
