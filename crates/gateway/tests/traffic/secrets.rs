//! What becomes of items when the secrets that they refer to change.

use config::Document;
use config::lookup::SecretValues;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::{House, Workshop, document};

const KEY: &str = "$secret://vault/main/people/jack";
const TEXT: &str = "$secret://vault/main/texts/it";
const GROUPED: &str = "$secret://vault/main/texts/group";

/// Values by reference; `None` for one that has none.
fn values(pairs: &[(&str, Option<&str>)]) -> SecretValues {
    let pairs = pairs.iter().map(|(text, value)| {
        let value = value.map(|value| value.to_owned().into());
        let value = value.ok_or_else(|| "vault/main: status 503".to_owned());
        ((*text).into(), value)
    });
    pairs.collect::<SecretValues>()
}

fn resources() -> Value {
    json!({
        "consumers": [{
            "username": "jack",
            "plugins": { "who": { "key": KEY }, "suffix": {} },
        }],
        "routes": [
            { "id": "1", "uri": "/x", "plugins": { "who": {}, "answer": { "text": TEXT } } },
            { "id": "2", "uri": "/other", "plugins": { "answer": { "text": "secrets-other" } } },
        ],
    })
}

/// A gateway whose configuration is built again and again from the same document.
struct Served {
    house: House,
    document: std::sync::Arc<Document>,
}

impl Served {
    async fn new(resources: &Value) -> Self {
        let door = crate::support::door();
        let settings = gateway::Settings::default();
        let house = House::behind(door, settings, json!({}), Workshop::new()).await;
        Self {
            house,
            document: document(resources, None),
        }
    }

    /// Puts the configuration with these values in force; returns what was wrong with it.
    fn with(&self, secrets: SecretValues) -> Vec<String> {
        let mut workshop = Workshop::new();
        workshop.process = workshop.process.with_secrets(secrets);
        let before = self.house.gateway.snapshot();
        let (snapshot, reported) = workshop.build(&self.document, Some(&before));
        self.house.gateway.replace(snapshot);
        reported.iter().map(ToString::to_string).collect()
    }

    async fn ask(&self, key: &str) -> (StatusCode, String) {
        let request = Request::get("/x").header("authorization", key);
        let request = request.body(Full::default()).expect("a request");
        let answer = self.house.send(request).await;
        (answer.status, answer.body)
    }
}

#[tokio::test]
async fn what_uses_a_changed_secret_is_compiled_again_and_nothing_else() {
    let mut resources = resources();
    // A text of its own: what is compiled is counted for all tests of this process together.
    resources["routes"][1]["plugins"]["answer"]["text"] = json!("secrets-untouched");
    let served = Served::new(&resources).await;
    let count = |text: &str| crate::plugins::seen(text).compiled();
    let first = values(&[(KEY, Some("k-1")), (TEXT, Some("secrets-one"))]);
    assert!(served.with(first.clone()).is_empty());
    assert!(served.with(first).is_empty());
    assert_eq!((count("secrets-one"), count("secrets-untouched")), (1, 1));
    assert!(served.ask("k-1").await.1.starts_with("secrets-one"));

    let second = values(&[(KEY, Some("k-2")), (TEXT, Some("secrets-two"))]);
    assert!(served.with(second).is_empty());
    assert_eq!((count("secrets-two"), count("secrets-untouched")), (1, 1));
    assert!(served.ask("k-2").await.1.starts_with("secrets-two"));
    for key in ["k-1", KEY] {
        assert_eq!(served.ask(key).await.0, StatusCode::UNAUTHORIZED, "{key}");
    }
}

#[tokio::test]
async fn a_route_outlives_its_secret_and_a_key_does_not() {
    let served = Served::new(&resources()).await;
    let all = values(&[(KEY, Some("k-1")), (TEXT, Some("secrets-kept"))]);
    assert!(served.with(all).is_empty());
    let gone = values(&[(KEY, Some("k-1")), (TEXT, None)]);
    let kept = format!(
        "/routes/1: plugins.answer.text: no value for {TEXT}: vault/main: status 503 \
         (the version before it stays in use)"
    );
    for _ in 0..2 {
        assert_eq!(served.with(gone.clone()), [&*kept], "told each time");
    }
    assert!(served.ask("k-1").await.1.starts_with("secrets-kept"));

    let without_key = values(&[(KEY, None), (TEXT, Some("secrets-kept"))]);
    let unknown =
        format!("/consumers/jack: plugins.who.key: no value for {KEY}: vault/main: status 503");
    for _ in 0..2 {
        assert_eq!(served.with(without_key.clone()), [&*unknown]);
        for key in ["k-1", KEY] {
            assert_eq!(served.ask(key).await.0, StatusCode::UNAUTHORIZED, "{key}");
        }
    }
    let back = values(&[(KEY, Some("k-1")), (TEXT, Some("secrets-kept"))]);
    assert!(served.with(back).is_empty());
    assert_eq!(served.ask("k-1").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_reference_that_never_had_a_value_takes_nothing_away_and_works_once_it_has_one() {
    let served = Served::new(&resources()).await;
    let none = values(&[(KEY, Some("k-1")), (TEXT, None)]);
    let lacking =
        format!("/routes/1: plugins.answer.text: no value for {TEXT}: vault/main: status 503");
    for _ in 0..2 {
        assert_eq!(
            served.with(none.clone()),
            [&*lacking],
            "told of each configuration"
        );
        assert_eq!(served.ask("k-1").await, (StatusCode::OK, TEXT.to_owned()));
    }
    let all = values(&[(KEY, Some("k-1")), (TEXT, Some("secrets-late"))]);
    assert!(served.with(all).is_empty());
    assert!(served.ask("k-1").await.1.starts_with("secrets-late"));
}

#[tokio::test]
async fn a_consumer_is_there_without_its_key_and_known_by_its_other_ones() {
    let mut resources = resources();
    resources["credentials"] = json!([{
        "id": "jack/credentials/spare", "plugins": { "who": { "key": "k-spare" } },
    }]);
    let served = Served::new(&resources).await;
    let told = served.with(values(&[(KEY, None), (TEXT, Some("secrets-spare"))]));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(served.ask("k-spare").await.1.starts_with("secrets-spare"));
    assert_eq!(served.ask(KEY).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_consumer_outlives_the_secrets_of_what_it_brings() {
    let resources = json!({
        "consumer_groups": [{ "id": "g", "plugins": { "answer": { "text": GROUPED } } }],
        "consumers": [{
            "username": "jack", "group_id": "g", "plugins": { "who": { "key": "k-1" } },
        }],
        "routes": [{ "id": "1", "uri": "/x", "plugins": { "who": {} } }],
    });
    let served = Served::new(&resources).await;
    assert!(
        served
            .with(values(&[(GROUPED, Some("group-one"))]))
            .is_empty()
    );
    assert_eq!(served.ask("k-1").await.1, "group-one");
    assert!(
        served
            .with(values(&[(GROUPED, Some("group-two"))]))
            .is_empty()
    );
    assert_eq!(served.ask("k-1").await.1, "group-two");
    assert_eq!(served.with(values(&[(GROUPED, None)])).len(), 1);
    assert_eq!(served.ask("k-1").await.1, "group-two");
}

#[tokio::test]
async fn a_secret_that_nobody_asked_for_is_no_fault() {
    let mut all = resources();
    all["secrets"] = json!([{
        "id": "vault/main", "uri": "http://127.0.0.1:1", "prefix": "kv", "token": "t",
    }]);
    let served = Served::new(&all).await;
    let open = SecretValues::unasked(&served.document);
    assert!(served.with(open).is_empty());
    let unknown = SecretValues::unasked(&document(&resources(), None));
    assert_eq!(served.with(unknown).len(), 2);
}

#[tokio::test]
async fn nothing_secret_is_told_of_a_configuration_with_secrets() {
    let canary = "sk-canary-77";
    let served = Served::new(&resources()).await;
    let secrets = values(&[(KEY, Some(canary)), (TEXT, Some(""))]);
    let faults = served.with(secrets);
    assert!(!faults.is_empty(), "an empty text is refused");
    let printed = format!("{faults:?} {:?}", served.house.gateway.snapshot());
    assert!(!printed.contains(canary), "{printed}");
}
