use std::sync::Arc;

use serde_json::json;

use super::*;

#[test]
fn no_credential_is_printed() {
    let consumer = Arc::new(Consumer {
        username: "jack".into(),
        group_id: None,
        credential_id: None,
        custom_id: None,
        auth: json!({ "key": "canary-key" }),
        brings_plugins: false,
    });
    let mut consumers = Consumers::default();
    consumers.insert("key-auth", "canary-key".to_owned(), consumer.clone());
    consumers.insert_named(consumer.clone());
    let printed = format!("{consumer:?} {consumers:?}");
    assert!(
        printed.contains("jack") && !printed.contains("canary"),
        "{printed}"
    );
}
