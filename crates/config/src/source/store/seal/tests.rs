use serde_json::json;

use super::*;
use crate::Secret;
use crate::scratch::Scratch;
use crate::source::store::{ENTRIES, Store};
use redb::ReadableDatabase as _;

const OLD: &str = "qeddd145sfvddff3";
const NEW: &str = "edd1c9f0985e76a2edd1c9f0985e76a2";
const ROUTE: &str = "/apisix/routes/1";

fn seal(keys: &[&str]) -> Seal {
    let keys: Vec<Secret> = keys
        .iter()
        .map(|key| Secret::new((*key).to_owned()))
        .collect();
    let fields: [(&str, &[&str]); 2] = [
        ("key-auth", &["key"]),
        ("ai-proxy-multi", &["instances.auth.header", "tokens"]),
    ];
    Seal::new(Keyring::new(&keys).unwrap(), fields)
}

/// The text of an entry as it lies on the disk.
fn lying(store: &Store, key: &str) -> String {
    let reading = store.database.begin_read().unwrap();
    let entries = reading.open_table(ENTRIES).unwrap();
    let row = entries.get(key).unwrap().unwrap();
    String::from_utf8(row.value().3.to_vec()).unwrap()
}

fn route() -> Value {
    json!({
        "uri": "/v1/*",
        "plugins": {
            "ai-proxy-multi": {
                "instances": [
                    { "name": "a", "auth": { "header": { "Authorization": "sk-one", "n": 1 } } },
                    { "name": "b", "auth": { "header": { "Authorization": "$env://KEY" } } },
                ],
                "tokens": ["sk-two"],
            },
            "other": { "key": "sk-visible" },
        },
    })
}

#[test]
fn secret_fields_lie_encrypted_and_are_read_as_they_were_written() {
    let store = Store::in_memory().unwrap().sealed(seal(&[OLD]));
    let written = store.put(ROUTE, &route(), None).unwrap();
    assert_eq!(written.value, route());
    let text = lying(&store, ROUTE);
    assert!(
        !text.contains("sk-one") && !text.contains("sk-two"),
        "{text}"
    );
    assert!(
        text.contains("$env://KEY") && text.contains("sk-visible"),
        "{text}"
    );
    assert_eq!(store.get(ROUTE).unwrap().unwrap().value, route());
    assert_eq!(store.list("/apisix/").unwrap()[0].value, route());
}

#[test]
fn the_document_has_secrets_decrypted() {
    let store = Store::in_memory().unwrap().sealed(seal(&[OLD]));
    let consumer = json!({ "username": "jack", "plugins": { "key-auth": { "key": "opens" } } });
    store
        .put("/apisix/consumers/jack", &consumer, None)
        .unwrap();
    assert!(!lying(&store, "/apisix/consumers/jack").contains("opens"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut source = crate::source::StoreSource::new(store);
    let loaded = runtime.block_on(source.load()).unwrap();
    assert_eq!(loaded.document.consumers["jack"].raw, consumer);
}

#[test]
fn a_new_key_reads_what_the_old_one_encrypted_and_encrypts_what_is_written() {
    let scratch = Scratch::new();
    let before = Store::open(scratch.path()).unwrap().sealed(seal(&[OLD]));
    before.put(ROUTE, &route(), None).unwrap();
    let first = lying(&before, ROUTE);
    drop(before);

    let rotated = Store::open(scratch.path())
        .unwrap()
        .sealed(seal(&[NEW, OLD]));
    let read = rotated.get(ROUTE).unwrap().unwrap().value;
    assert_eq!(read, route());
    rotated.put(ROUTE, &read, None).unwrap();
    assert_ne!(lying(&rotated, ROUTE), first);
    drop(rotated);

    let only_new = Store::open(scratch.path()).unwrap().sealed(seal(&[NEW]));
    assert_eq!(only_new.get(ROUTE).unwrap().unwrap().value, route());
}

#[test]
fn what_no_key_decrypts_is_read_as_it_lies() {
    let store = Store::in_memory().unwrap();
    store.put(ROUTE, &route(), None).unwrap();
    assert!(
        lying(&store, ROUTE).contains("sk-one"),
        "without a key all is plain"
    );
    let sealed = store.clone().sealed(seal(&[NEW]));
    assert_eq!(sealed.get(ROUTE).unwrap().unwrap().value, route());
    sealed.put(ROUTE, &route(), None).unwrap();
    let header = "/plugins/ai-proxy-multi/instances/0/auth/header/Authorization";
    let other = store.clone().sealed(seal(&[OLD]));
    let read = other.get(ROUTE).unwrap().unwrap().value;
    let read = read.pointer(header).unwrap().as_str().unwrap();
    assert!(lying(&store, ROUTE).contains(read), "{read}");
}

#[test]
fn private_keys_are_encrypted_and_nothing_else_in_their_place() {
    let store = Store::in_memory().unwrap().sealed(seal(&[OLD]));
    let pem = "-----BEGIN PRIVATE KEY-----\nsk-pem\n";
    let ssl = json!({ "cert": "-----BEGIN CERTIFICATE-----", "key": pem, "keys": [pem, "plain"] });
    store.put("/apisix/ssls/1", &ssl, None).unwrap();
    let upstream = json!({ "tls": { "client_key": pem } });
    store.put("/apisix/upstreams/1", &upstream, None).unwrap();
    let service = json!({ "upstream": upstream });
    store.put("/apisix/services/1", &service, None).unwrap();
    for (key, value) in [
        ("/apisix/ssls/1", &ssl),
        ("/apisix/upstreams/1", &upstream),
        ("/apisix/services/1", &service),
    ] {
        assert!(!lying(&store, key).contains("sk-pem"), "{key}");
        assert_eq!(store.get(key).unwrap().unwrap().value, *value);
    }
    assert!(lying(&store, "/apisix/ssls/1").contains("\"plain\""));
}

/// `Bearer sk-123` by the key [`OLD`]: `openssl enc -aes-128-cbc -K … -iv … -base64`.
const KNOWN: &str = "CrJVY1vByZjl8KcUfjE7fw==";

#[test]
fn what_lies_is_what_another_aes_cbc_makes_element_by_element() {
    let store = Store::in_memory().unwrap().sealed(seal(&[OLD]));
    let of = |text: &str| {
        json!({ "plugins": { "ai-proxy-multi": {
            "instances": [{ "auth": { "header": { "a": text, "b": text } } }],
            "tokens": [text, text],
        } } })
    };
    store.put(ROUTE, &of("Bearer sk-123"), None).unwrap();
    let lies: Value = serde_json::from_str(&lying(&store, ROUTE)).unwrap();
    assert_eq!(lies, of(KNOWN));
}

#[test]
fn secret_fields_of_every_kind_are_encrypted() {
    let store = Store::in_memory().unwrap().sealed(seal(&[OLD]));
    let value = json!({ "plugins": { "key-auth": { "key": "Bearer sk-123" } } });
    for path in [
        "routes/1",
        "services/1",
        "plugin_configs/1",
        "global_rules/1",
        "consumer_groups/1",
        "consumers/jack",
        "consumers/jack/credentials/1",
    ] {
        let key = format!("/apisix/{path}");
        store.put(&key, &value, None).unwrap();
        assert!(lying(&store, &key).contains(KNOWN), "{path}");
        assert_eq!(store.get(&key).unwrap().unwrap().value, value, "{path}");
    }
}
