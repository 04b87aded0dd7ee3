use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::document::{Draft, Entry};
use crate::resource::Kind;

const CANARY: &str = "sk-canary-5f2e";

/// A Vault with answers by path, which notes who asks.
struct Vault {
    address: String,
    shared: Arc<Shared>,
    serving: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    answers: Mutex<HashMap<String, (u16, Value)>>,
    heads: Mutex<Vec<String>>,
}

impl Vault {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            serving,
        }
    }

    fn answer(&self, path: &str, status: u16, body: Value) {
        let mut answers = self.shared.answers.lock().unwrap();
        answers.insert(path.to_owned(), (status, body));
    }

    fn holds(&self, path: &str, fields: &Value) {
        self.answer(path, 200, json!({ "data": fields }));
    }

    fn heads(&self) -> Vec<String> {
        self.shared.heads.lock().unwrap().clone()
    }

    async fn kill(&mut self) {
        self.serving.shutdown().await;
    }

    fn manager(&self) -> Value {
        json!({ "uri": self.address, "prefix": "kv/apisix", "token": CANARY })
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let path = head.split(' ').nth(1).unwrap();
        let known = shared.answers.lock().unwrap().get(path).cloned();
        let (status, body) = known.unwrap_or((404, json!({ "errors": [CANARY] })));
        shared.heads.lock().unwrap().push(head);
        let body = body.to_string();
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        socket.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// A document with one consumer whose credentials are these texts, and these secret managers.
fn document(texts: &[&str], managers: &[(&str, &Value)]) -> Arc<Document> {
    document_after(&Document::default(), texts, managers)
}

fn document_after(last: &Document, texts: &[&str], managers: &[(&str, &Value)]) -> Arc<Document> {
    let mut draft = Draft::new(Some(last), None);
    let consumer = json!({ "username": "jack", "plugins": { "any": { "keys": texts } } });
    let consumer = (Kind::Consumer, "jack", consumer);
    let managers = managers
        .iter()
        .map(|(id, value)| (Kind::Secret, *id, (*value).clone()));
    for (kind, id, value) in managers.chain([consumer]) {
        let modified = last.revision + 1;
        if !draft.keeps(kind, id, modified) {
            draft.take(Entry {
                kind,
                id: id.to_owned(),
                key: format!("/apisix/{}", kind.path(id)),
                created: 1,
                modified,
                value,
            });
        }
    }
    let loaded = draft.finish(last.revision + 1);
    assert!(loaded.rejected.is_empty(), "{:?}", loaded.rejected);
    loaded.document
}

fn lookup() -> Lookup {
    Lookup::new(Environment::new(), Lifetimes::default())
}

/// A lookup that asks again as soon as it may.
fn restless() -> Lookup {
    let soon = Duration::from_millis(1);
    let lifetimes = Lifetimes {
        found: soon,
        failed: soon,
    };
    Lookup::new(Environment::new(), lifetimes)
}

const KEY: &str = "$secret://vault/main/openai/key";

#[tokio::test]
async fn both_versions_of_the_engine_are_read_with_token_and_namespace() {
    let vault = Vault::start().await;
    vault.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-1", "n": 7 }));
    let second = json!({ "data": { "key": "sk-2" }, "metadata": { "version": 3, "x": "y" } });
    vault.holds("/v1/kv/apisix/deep/er%20path", &second);
    let mut manager = vault.manager();
    manager["namespace"] = json!("team");
    let texts = [
        KEY,
        "$secret://vault/main/openai/n",
        "$secret://vault/main/deep/er path/key",
        "$secret://vault/main/deep/er path/metadata",
    ];
    let document = document(&texts, &[("vault/main", &manager)]);
    let values = lookup().resolve(&document).await;
    assert_eq!(values.get(texts[0]), Ok("sk-1"));
    assert_eq!(values.get(texts[1]), Ok("7"));
    assert_eq!(values.get(texts[2]), Ok("sk-2"));
    let missing = values.get(texts[3]).unwrap_err();
    assert!(missing.contains("has no field \"metadata\""), "{missing}");

    let heads = vault.heads();
    assert_eq!(heads.len(), 2, "each secret is asked for once: {heads:?}");
    for head in heads {
        assert!(
            head.contains(&format!("x-vault-token: {CANARY}\r\n")),
            "{head}"
        );
        assert!(head.contains("x-vault-namespace: team\r\n"), "{head}");
    }
}

#[tokio::test]
async fn the_token_may_come_from_the_environment() {
    let vault = Vault::start().await;
    vault.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-1" }));
    let mut manager = vault.manager();
    manager["token"] = json!("$ENV://TOKENS/vault");
    let document = document(&[KEY], &[("vault/main", &manager)]);
    let tokens = json!({ "vault": "from-outside" }).to_string();
    let environment = Environment::from([("TOKENS".to_owned(), tokens)]);
    let mut able = Lookup::new(environment, Lifetimes::default());
    assert_eq!(able.resolve(&document).await.get(KEY), Ok("sk-1"));
    assert!(vault.heads()[0].contains("x-vault-token: from-outside\r\n"));

    let without = lookup().resolve(&document).await.get(KEY).unwrap_err();
    let expected = "vault/main: token: environment variable \"TOKENS\" is not set";
    assert_eq!(without, expected);
    assert_eq!(vault.heads().len(), 1, "nothing was sent");
}

#[tokio::test]
async fn answers_hold_and_nobody_is_asked_twice() {
    let vault = Vault::start().await;
    vault.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-1" }));
    let absent = "$secret://vault/main/none/key";
    let document = document(&[KEY, absent], &[("vault/main", &vault.manager())]);
    let mut lookup = lookup();
    let begun = Instant::now();
    let first = lookup.resolve(&document).await;
    let ended = Instant::now();
    assert_eq!(
        first.get(absent),
        Err("vault/main: there is no secret \"none\"".to_owned())
    );
    let again = lookup.resolve(&document).await;
    assert_eq!(vault.heads().len(), 2);
    let unsettled = again.unsettled(&first);
    assert_eq!(
        unsettled.iter().map(|text| &**text).collect::<Vec<_>>(),
        [absent]
    );
    let lifetimes = [Duration::from_mins(1), Duration::from_mins(5)];
    for (known, life) in lookup.known.values().zip(lifetimes) {
        assert!(
            (begun + life..=ended + life).contains(&known.due),
            "{known:?}"
        );
    }
}

/// Lets `time` pass at once, without a request in between being late for it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Whether anybody is asked at this moment; whoever is, is heard.
async fn asks(lookup: &mut Lookup) -> bool {
    lookup.ask_due();
    let asks = !lookup.asked.is_empty();
    while let Some(joined) = lookup.asked.join_next_with_id().await {
        lookup.take(joined);
    }
    asks
}

#[tokio::test]
async fn what_was_found_is_asked_for_anew_after_300_seconds() {
    let vault = Vault::start().await;
    vault.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-1" }));
    let document = document(&[KEY], &[("vault/main", &vault.manager())]);
    let mut lookup = lookup();
    lookup.resolve(&document).await;
    pass(Duration::from_secs(290)).await;
    assert!(!asks(&mut lookup).await);
    pass(Duration::from_secs(10)).await;
    vault.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-2" }));
    assert!(asks(&mut lookup).await);
    assert_eq!(lookup.resolve(&document).await.get(KEY), Ok("sk-2"));
    assert!(!asks(&mut lookup).await, "and then for as long again");
    assert_eq!(vault.heads().len(), 2);
}

#[tokio::test]
async fn what_failed_is_asked_for_anew_after_60_seconds_whatever_the_failure() {
    let mut vault = Vault::start().await;
    let absent = "$secret://vault/main/none/key";
    let sealed = "$secret://vault/main/sealed/key";
    vault.answer("/v1/kv/apisix/sealed", 503, json!({ "errors": [] }));
    let document = document(&[absent, sealed], &[("vault/main", &vault.manager())]);
    let mut lookup = lookup();
    lookup.resolve(&document).await;
    pass(Duration::from_secs(50)).await;
    assert!(!asks(&mut lookup).await);
    pass(Duration::from_secs(10)).await;
    assert!(asks(&mut lookup).await);
    assert_eq!(vault.heads().len(), 4);

    vault.kill().await;
    pass(Duration::from_mins(1)).await;
    assert!(
        asks(&mut lookup).await,
        "one that cannot be reached as well"
    );
    assert!(!asks(&mut lookup).await);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_anew_is_tried_every_60_seconds() {
    let vault = Vault::start().await;
    let place = "/v1/kv/apisix/openai";
    vault.holds(place, &json!({ "key": "sk-1" }));
    let document = document(&[KEY], &[("vault/main", &vault.manager())]);
    let mut lookup = lookup();
    lookup.resolve(&document).await;
    vault.answer(place, 503, json!({ "errors": [] }));
    pass(Duration::from_mins(5)).await;
    for _ in 0..2 {
        assert!(asks(&mut lookup).await);
        assert!(!asks(&mut lookup).await);
        assert_eq!(lookup.resolve(&document).await.get(KEY), Ok("sk-1"));
        pass(Duration::from_mins(1)).await;
    }
}

#[tokio::test]
async fn only_what_a_configuration_names_is_kept() {
    let vault = Vault::start().await;
    let texts: Vec<_> = (0..600)
        .map(|number| format!("$secret://vault/main/many/{number}/key"))
        .collect();
    for number in 0..600 {
        let path = format!("/v1/kv/apisix/many/{number}");
        vault.holds(&path, &json!({ "key": number.to_string() }));
    }
    let names: Vec<_> = texts.iter().map(String::as_str).collect();
    let manager = vault.manager();
    let managers = [("vault/main", &manager)];
    let many = document(&names, &managers);
    let mut lookup = lookup();
    let values = lookup.resolve(&many).await;
    assert_eq!(
        (values.get(names[0]), values.get(names[599])),
        (Ok("0"), Ok("599"))
    );
    lookup.resolve(&many).await;
    assert_eq!(
        vault.heads().len(),
        600,
        "no number of them pushes others out"
    );
    let few = document_after(&many, &names[..2], &managers);
    lookup.resolve(&few).await;
    assert_eq!((lookup.known.len(), lookup.wanted.len()), (2, 2));
}

#[tokio::test]
async fn certificates_refer_to_secrets_too() {
    let vault = Vault::start().await;
    vault.holds("/v1/kv/apisix/tls", &json!({ "chain": "c", "key": "k" }));
    let texts = ["chain", "key"].map(|field| format!("$secret://vault/main/tls/{field}"));
    let [chain, key] = &texts;
    let ssl = json!({
        "sni": "a.example", "cert": chain, "key": key, "certs": [chain], "keys": [key],
    });
    let mut draft = Draft::new(None, None);
    for (kind, id, value) in [
        (Kind::Ssl, "1", ssl),
        (Kind::Secret, "vault/main", vault.manager()),
    ] {
        draft.take(Entry {
            kind,
            id: id.to_owned(),
            key: format!("/apisix/{}", kind.path(id)),
            created: 1,
            modified: 1,
            value,
        });
    }
    let loaded = draft.finish(1);
    assert!(loaded.rejected.is_empty(), "{:?}", loaded.rejected);
    let values = lookup().resolve(&loaded.document).await;
    assert_eq!((values.get(chain), values.get(key)), (Ok("c"), Ok("k")));
}

#[tokio::test]
async fn a_rotated_secret_is_told_of() {
    let vault = Vault::start().await;
    let place = "/v1/kv/apisix/openai";
    vault.holds(place, &json!({ "key": "sk-1" }));
    let document = document(&[KEY], &[("vault/main", &vault.manager())]);
    let mut lookup = restless();
    let first = lookup.resolve(&document).await;
    vault.holds(place, &json!({ "key": "sk-2" }));
    lookup.changed().await;
    let second = lookup.resolve(&document).await;
    assert_eq!((first.get(KEY), second.get(KEY)), (Ok("sk-1"), Ok("sk-2")));
    assert!(second.unsettled(&first).contains(KEY));
    assert!(second.unsettled(&second).is_empty());
}

#[tokio::test]
async fn a_vault_that_is_gone_takes_no_value_away() {
    let mut vault = Vault::start().await;
    vault.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-1" }));
    let document = document(&[KEY], &[("vault/main", &vault.manager())]);
    let mut lookup = restless();
    lookup.resolve(&document).await;
    vault.kill().await;
    while !lookup.known.values().any(|known| known.is_stale) {
        lookup.ask_due();
        if let Some(joined) = lookup.asked.join_next_with_id().await {
            assert!(!lookup.take(joined), "a failure is no new answer");
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(lookup.resolve(&document).await.get(KEY), Ok("sk-1"));
}

#[tokio::test]
async fn a_vault_that_refuses_takes_no_value_away_and_one_that_lost_the_secret_does() {
    let vault = Vault::start().await;
    let place = "/v1/kv/apisix/openai";
    vault.holds(place, &json!({ "key": "sk-1" }));
    let document = document(&[KEY], &[("vault/main", &vault.manager())]);
    let mut lookup = restless();
    lookup.resolve(&document).await;
    vault.answer(place, 403, json!({ "errors": ["permission denied"] }));
    let refusals = vault.heads().len() + 2;
    while vault.heads().len() < refusals {
        let another = tokio::task::yield_now();
        tokio::select! {
            () = lookup.changed() => panic!("a refusal is no new answer"),
            () = another => {}
        }
    }
    assert_eq!(lookup.resolve(&document).await.get(KEY), Ok("sk-1"));
    vault.answer(place, 404, json!({ "errors": [] }));
    lookup.changed().await;
    let gone = lookup.resolve(&document).await;
    assert!(gone.get(KEY).unwrap_err().contains("there is no secret"));
}

#[tokio::test]
async fn a_vault_that_comes_up_later_is_told_of() {
    let vault = Vault::start().await;
    let place = "/v1/kv/apisix/openai";
    vault.answer(place, 503, json!({ "errors": ["sealed"] }));
    let document = document(&[KEY], &[("vault/main", &vault.manager())]);
    let mut lookup = restless();
    let sealed = lookup.resolve(&document).await;
    let why = "vault/main: status 503 for the secret \"openai\"".to_owned();
    assert_eq!(sealed.get(KEY), Err(why));
    vault.holds(place, &json!({ "key": "sk-1" }));
    lookup.changed().await;
    assert_eq!(lookup.resolve(&document).await.get(KEY), Ok("sk-1"));
}

#[tokio::test]
async fn a_manager_that_changed_is_asked_at_once() {
    let (one, other) = (Vault::start().await, Vault::start().await);
    one.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-1" }));
    other.holds("/v1/kv/apisix/openai", &json!({ "key": "sk-2" }));
    let mut lookup = lookup();
    let first = document(&[KEY], &[("vault/main", &one.manager())]);
    assert_eq!(lookup.resolve(&first).await.get(KEY), Ok("sk-1"));
    let second = document_after(&first, &[KEY], &[("vault/main", &other.manager())]);
    assert_eq!(lookup.resolve(&second).await.get(KEY), Ok("sk-2"));
    let third = document_after(&second, &[KEY], &[]);
    let gone = lookup.resolve(&third).await;
    let why = "there is no secret manager vault/main".to_owned();
    assert_eq!(gone.get(KEY), Err(why));
    assert!(lookup.known.is_empty(), "what nobody names is forgotten");
}

#[tokio::test]
async fn references_that_can_have_no_value_say_why() {
    let aws = json!({ "access_key_id": "a", "secret_access_key": CANARY });
    let shape = "expected $secret://vault/<id>/<path>/<field>";
    let unavailable =
        |kind| format!("secret manager {kind} is not available in this version, expected vault");
    let cases = [
        ("$secret://aws/main/key", unavailable("aws")),
        ("$secret://gcp/main/key", unavailable("gcp")),
        ("$secret://", shape.to_owned()),
        ("$secret://vault/main/key", shape.to_owned()),
        ("$secret://vault/main/../other/key", shape.to_owned()),
        (
            "$secret://vault/none/a/key",
            "there is no secret manager vault/none".to_owned(),
        ),
    ];
    let texts: Vec<_> = cases.iter().map(|(text, _)| *text).collect();
    let document = document(&texts, &[("aws/main", &aws)]);
    let values = lookup().resolve(&document).await;
    for (text, why) in cases {
        assert_eq!(values.get(text), Err(why), "{text}");
    }
}

#[tokio::test]
async fn what_a_check_does_not_ask_for_is_neither_there_nor_missing() {
    let vault = Vault::start().await;
    let unknown = "$secret://vault/none/a/key";
    let document = document(&[KEY, unknown], &[("vault/main", &vault.manager())]);
    let values = SecretValues::unasked(&document);
    assert!(values.is_unasked(KEY) && !values.is_unasked(unknown));
    assert!(
        values
            .get(unknown)
            .unwrap_err()
            .contains("no secret manager")
    );
    assert!(vault.heads().is_empty());
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let vault = Vault::start().await;
    vault.holds("/v1/kv/apisix/openai", &json!({ "key": CANARY }));
    vault.answer("/v1/kv/apisix/text", 200, json!(CANARY));
    vault.answer("/v1/kv/apisix/sealed", 503, json!({ "errors": [CANARY] }));
    let texts = [
        KEY,
        "$secret://vault/main/openai/other",
        "$secret://vault/main/text/key",
        "$secret://vault/main/sealed/key",
        "$secret://vault/main/none/key",
    ];
    let document = document(&texts, &[("vault/main", &vault.manager())]);
    let environment = Environment::from([("OTHER".to_owned(), CANARY.to_owned())]);
    let mut lookup = Lookup::new(environment, Lifetimes::default());
    let values = lookup.resolve(&document).await;
    assert_eq!(values.get(KEY), Ok(CANARY));
    let faults = texts[1..].iter().map(|text| values.get(text).unwrap_err());
    let mut printed: Vec<String> = faults.collect();
    printed.extend([
        format!("{lookup:?}"),
        format!("{values:?}"),
        format!("{document:?}"),
        format!("{:?}", document.secrets["vault/main"].value),
    ]);
    for text in printed {
        assert!(!text.contains(CANARY), "{text}");
    }
}
