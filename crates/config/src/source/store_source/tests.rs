use std::time::Duration;

use serde_json::json;

use super::*;
use crate::document::Fate;

fn source() -> StoreSource {
    StoreSource::new(Store::in_memory().expect("a store in memory"))
}

#[tokio::test]
async fn resources_are_found_by_their_keys() {
    let mut source = source();
    let put = |key: &str, value| source.store().put(key, &value, None).expect("written");
    put(
        "/apisix/routes/1",
        json!({ "id": "1", "uri": "/", "plugins": {} }),
    );
    put("/apisix/consumers/jack", json!({ "username": "jack" }));
    put(
        "/apisix/consumers/jack/credentials/a",
        json!({ "plugins": { "key-auth": {} } }),
    );
    put(
        "/apisix/secrets/vault/1",
        json!({ "uri": "u", "prefix": "p", "token": "t" }),
    );
    put("/apisix/gen_id", json!(7));
    put("/apisix/plugins", json!([]));
    let loaded = source.load().await.expect("loaded");
    assert!(loaded.rejected.is_empty(), "{:?}", loaded.rejected);
    let document = loaded.document;
    assert_eq!((document.revision, document.len()), (6, 4));
    assert_eq!(&*document.routes["1"].key, "/apisix/routes/1");
    assert_eq!(&*document.credentials["jack/credentials/a"].id, "a");
    assert_eq!(document.credentials_of("jack").count(), 1);
    assert_eq!(document.credentials_of("jac").count(), 0);
    assert!(document.secrets.contains_key("vault/1"));
}

#[tokio::test]
async fn items_that_did_not_change_are_the_same() {
    let mut source = source();
    let route = json!({ "uri": "/", "plugins": {} });
    source
        .store()
        .put("/apisix/routes/1", &route, None)
        .expect("written");
    source
        .store()
        .put("/apisix/routes/2", &route, None)
        .expect("written");
    let before = source.load().await.expect("loaded").document;
    source
        .store()
        .put("/apisix/routes/2", &route, None)
        .expect("written");
    let after = source.load().await.expect("loaded").document;
    assert!(Arc::ptr_eq(&before.routes["1"], &after.routes["1"]));
    assert!(!Arc::ptr_eq(&before.routes["2"], &after.routes["2"]));
    assert_eq!(
        (after.routes["2"].created, after.routes["2"].modified),
        (2, 3)
    );
}

#[tokio::test]
async fn a_bad_item_keeps_its_previous_version_and_blocks_no_other() {
    let mut source = source();
    let good = json!({ "uri": "/", "plugins": {} });
    source
        .store()
        .put("/apisix/routes/1", &good, None)
        .expect("written");
    let before = source.load().await.expect("loaded").document;
    source
        .store()
        .put("/apisix/routes/1", &json!({ "uri": 5 }), None)
        .expect("written");
    source
        .store()
        .put("/apisix/routes/2", &json!({ "uri": 5 }), None)
        .expect("written");
    source
        .store()
        .put("/apisix/routes/3", &good, None)
        .expect("written");
    let loaded = source.load().await.expect("loaded");
    let document = loaded.document;
    assert!(Arc::ptr_eq(&before.routes["1"], &document.routes["1"]));
    assert!(!document.routes.contains_key("2"));
    assert!(document.routes.contains_key("3"));
    let reports: Vec<_> = loaded
        .rejected
        .iter()
        .map(|one| (one.to_string(), one.fate))
        .collect();
    assert_eq!(
        reports,
        [
            (
                "/apisix/routes/1: uri: expected a string, found 5".to_owned(),
                Fate::Kept
            ),
            (
                "/apisix/routes/2: uri: expected a string, found 5".to_owned(),
                Fate::LeftOut
            ),
        ]
    );
}

#[tokio::test]
async fn a_write_wakes_the_source() {
    let mut source = source();
    source.load().await.expect("loaded");
    let store = source.store().clone();
    let writer = tokio::task::spawn_blocking(move || store.put("/apisix/x/1", &json!(1), None));
    source.changed().await.expect("woken");
    writer.await.expect("no panic").expect("written");
    source
        .changed()
        .await
        .expect("a change stays noticed until it is loaded");
    source.load().await.expect("loaded");
    assert!(!source.written.has_changed().expect("the store lives"));
}

#[tokio::test]
async fn the_end_of_a_life_wakes_the_source() {
    let mut source = source();
    let route = json!({ "uri": "/", "plugins": {} });
    let life = Some(Duration::from_millis(20));
    source
        .store()
        .put("/apisix/routes/1", &route, life)
        .expect("written");
    assert_eq!(source.load().await.expect("loaded").document.len(), 1);
    source.changed().await.expect("woken");
    assert!(source.load().await.expect("loaded").document.is_empty());
}
