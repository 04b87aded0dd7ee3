use std::fs;

use super::*;
use crate::document::Fate;
use crate::scratch::Scratch;

fn read(text: &str) -> Loaded {
    read_after(text, &Document::default(), 1)
}

fn read_after(text: &str, previous: &Document, revision: u64) -> Loaded {
    let path = Path::new("apisix.yaml");
    read_document(path, text, &Environment::new(), previous, revision).expect("a usable file")
}

fn fault(text: &str) -> String {
    let path = Path::new("apisix.yaml");
    let environment = Environment::new();
    read_document(path, text, &environment, &Document::default(), 1)
        .expect_err("an unusable file")
        .to_string()
}

fn reports(loaded: &Loaded) -> Vec<String> {
    loaded.rejected.iter().map(ToString::to_string).collect()
}

#[test]
fn identifiers_come_from_where_apisix_takes_them() {
    let loaded = read(
        "routes:
  - { uri: /a, plugins: {} }
  - { id: 7, uri: /b, plugins: {} }
  - { id: seven, uri: /c, plugins: {} }
consumers:
  - username: jack
    plugins: { key-auth: { key: k } }
  - id: jack/credentials/laptop
    plugins: { key-auth: { key: l } }
plugin_metadata:
  - { id: prometheus, x: 1 }
secrets:
  - { id: vault/1, uri: u, prefix: p, token: t }
plugins:
  - name: ai-proxy
  - { name: mqtt-proxy, stream: true }
#END
",
    );
    assert_eq!(reports(&loaded), [""; 0]);
    let document = loaded.document;
    let routes: Vec<_> = document.routes.values().map(|item| &*item.key).collect();
    assert_eq!(routes, ["/routes/7", "/routes/arr_1", "/routes/seven"]);
    assert_eq!(&*document.consumers["jack"].key, "/consumers/jack");
    let credential = &document.credentials["jack/credentials/laptop"];
    assert_eq!(
        (&*credential.id, &*credential.key),
        ("laptop", "/consumers/jack/credentials/laptop")
    );
    assert!(document.plugin_metadata.contains_key("prometheus"));
    assert!(document.secrets.contains_key("vault/1"));
    assert_eq!(
        document.plugins.as_deref(),
        Some(&["ai-proxy".to_owned()][..])
    );
}

#[test]
fn a_faulty_item_is_told_with_line_and_path_and_blocks_no_other() {
    let loaded = read(
        "routes:
  - id: good
    uri: /a
    plugins: {}
  - id: bad
    uri: /b
    plugins: {}
    upstream:
      nodes:
        - host: a
          weight: hot
  - id: odd
    uri: /c
    plugins: {}
    hots: [a]
upstreams:
  - id: 1
#END",
    );
    assert_eq!(
        reports(&loaded),
        [
            "apisix.yaml:11:11: routes[1].upstream.nodes[0].weight: expected an integer, found \"hot\"",
            "apisix.yaml:15:5: routes[2].hots: expected no field \"hots\": did you mean \"host\"?",
            "apisix.yaml:17:5: upstreams[0]: expected exactly one of the fields \"nodes\", \
             \"service_name\" with \"discovery_type\"",
        ]
    );
    assert_eq!(loaded.document.len(), 1);
}

#[test]
fn sections_that_are_not_known_are_told() {
    let loaded = read(
        "route: []
stream_routes: []
services: {}
credentials: []
routes_conf_version: 3
upstreams:
#END",
    );
    assert_eq!(
        reports(&loaded),
        [
            "apisix.yaml:1:1: route: expected no field \"route\": did you mean \"routes\"?",
            "apisix.yaml:2:1: stream_routes: expected no \"stream_routes\": only HTTP routes are served",
            "apisix.yaml:3:1: services: expected an array, found an object of 0",
            "apisix.yaml:4:1: credentials: expected credentials in \"consumers\", with an id such as \
             jack/credentials/a",
        ]
    );
}

#[test]
fn of_items_with_one_identifier_the_last_is_used() {
    let loaded = read(
        "routes:
  - { id: 1, uri: /a, plugins: {} }
  - { id: \"1\", uri: /b, plugins: {} }
#END",
    );
    assert_eq!(loaded.document.routes["1"].value.uri.as_deref(), Some("/b"));
    assert_eq!(
        reports(&loaded),
        ["apisix.yaml:2:5: routes[0]: expected no other item with id \"1\": the last one is used"]
    );
    assert_eq!(
        loaded.rejected[0].error.message,
        "found duplicate id 1 in routes"
    );
}

#[test]
fn files_that_cannot_be_used_say_why() {
    assert_eq!(
        fault("routes:\n  - uri: /a\n"),
        "apisix.yaml:2:1: expected the last line to be #END, which says that the file is complete"
    );
    assert_eq!(
        fault("a: 1\nb: ${{NONE}}\n#END"),
        "apisix.yaml:2:1: expected environment variable NONE to be set, or a default as in \
         ${{NONE:=default}}"
    );
    assert_eq!(
        fault("- a\n#END"),
        "apisix.yaml:1:1: expected an object of resource lists, found array"
    );
    assert!(fault("a: [1\nb: 2\n#END").starts_with("apisix.yaml:2:"));
}

#[test]
fn the_end_mark_may_be_followed_by_white_space_and_a_file_may_be_empty() {
    assert!(read("#END \n\n").document.is_empty());
}

#[test]
fn variables_are_replaced_before_yaml_is_read() {
    let environment: Environment = [
        ("URI".to_owned(), "/v1".to_owned()),
        ("STATUS".to_owned(), "0".to_owned()),
        ("KEY".to_owned(), "a\n      b".to_owned()),
    ]
    .into();
    let text = "consumers:
  - username: ${{KEY}}
routes:
  - id: a
    uri: ${{URI}}/*
    status: ${{STATUS}}
    plugins: {}
  - id: b
    uri: ${{NONE:=5}}
    plugins: {}
#END";
    let path = Path::new("apisix.yaml");
    let loaded = read_document(path, text, &environment, &Document::default(), 1).expect("read");
    let route = &loaded.document.routes["a"].value;
    assert_eq!(route.uri.as_deref(), Some("/v1/*"));
    assert!(!route.status.is_enabled());
    assert_eq!(
        reports(&loaded)[1],
        "apisix.yaml:9:5: routes[1].uri: expected a string, found 5",
        "a value of several lines does not shift the lines"
    );
}

#[test]
fn json_needs_no_end_mark_and_converts_variables() {
    let environment: Environment = [("WEIGHT".to_owned(), "3".to_owned())].into();
    let text = r#"{
  "upstreams": [
    { "id": 1, "nodes": { "a:80": "${{WEIGHT}}" } },
    { "id": 2,
      "nodes": 4 }
  ]
}"#;
    let path = Path::new("apisix.json");
    let loaded = read_document(path, text, &environment, &Document::default(), 1).expect("read");
    let nodes = loaded.document.upstreams["1"]
        .value
        .nodes
        .as_ref()
        .expect("nodes");
    assert_eq!(nodes.0[0].weight, 3);
    assert_eq!(
        reports(&loaded),
        ["apisix.json:5:16: upstreams[1].nodes: expected an object or an array, found 4"]
    );
}

#[test]
fn items_that_did_not_change_are_the_same_after_a_reload() {
    let before = read(
        "routes:\n  - { id: 1, uri: /a, plugins: {} }\n  - { id: 2, uri: /b, plugins: {} }\n#END",
    )
    .document;
    let after = read_after(
        "# moved\nroutes:\n  - { id: 2, uri: /c, plugins: {} }\n  - { id: 1, uri: /a, plugins: {} }\n#END",
        &before,
        2,
    )
    .document;
    assert!(Arc::ptr_eq(&before.routes["1"], &after.routes["1"]));
    assert_eq!(
        (after.routes["2"].created, after.routes["2"].modified),
        (1, 2)
    );
    let place = after.place("/routes/1", "/uri").expect("a place");
    assert_eq!(
        (place.line, &*place.path),
        (4, "routes[1].uri"),
        "the place is the new one"
    );
}

#[test]
fn an_item_that_becomes_faulty_keeps_its_previous_version() {
    let before = read("routes:\n  - { id: 1, uri: /a, plugins: {} }\n#END").document;
    let loaded = read_after(
        "routes:\n  - { id: 1, uri: 5, plugins: {} }\n#END",
        &before,
        2,
    );
    assert!(Arc::ptr_eq(
        &before.routes["1"],
        &loaded.document.routes["1"]
    ));
    assert_eq!(loaded.rejected[0].fate, Fate::Kept);
    let gone = read_after("routes: []\n#END", &before, 2).document;
    assert!(gone.is_empty(), "an item that was taken out is gone");
}

#[tokio::test]
async fn edits_renames_and_links_are_noticed() {
    let scratch = Scratch::new();
    let one = "routes:\n  - { id: 1, uri: /a, plugins: {} }\n#END";
    let two = "routes:\n  - { id: 2, uri: /b, plugins: {} }\n#END";
    let first = scratch.write("first.yaml", one);
    let second = scratch.write("second.yaml", two);
    let link = scratch.path().join("apisix.yaml");
    std::os::unix::fs::symlink(&first, &link).expect("a link");
    let mut source =
        FileSource::new(&link, Environment::new()).looked_at_every(Duration::from_millis(2));
    let loaded = source.load().await.expect("loaded");
    assert!(loaded.document.routes.contains_key("1"));

    // a link that points elsewhere, put in place by a rename
    let other = scratch.path().join("other");
    std::os::unix::fs::symlink(&second, &other).expect("a link");
    fs::rename(&other, &link).expect("renamed");
    source.changed().await;
    let loaded = source.load().await.expect("loaded");
    assert!(loaded.document.routes.contains_key("2"));

    // an edit in place
    fs::write(&second, format!("# longer\n{one}")).expect("written");
    source.changed().await;
    let loaded = source.load().await.expect("loaded");
    assert!(loaded.document.routes.contains_key("1"));
}

#[tokio::test]
async fn a_bad_file_is_told_once_per_change_and_mended_by_the_next() {
    let scratch = Scratch::new();
    let path = scratch.path().join("apisix.yaml");
    let mut source =
        FileSource::new(&path, Environment::new()).looked_at_every(Duration::from_millis(2));
    let missing = source.load().await.expect_err("not there");
    assert!(matches!(missing.reason, FileReason::Unreadable(_)));

    fs::write(&path, "routes: [").expect("written");
    source.changed().await;
    let half = source.load().await.expect_err("half a file");
    assert_eq!(half.reason, FileReason::NoEnd);
    let quiet = tokio::time::timeout(Duration::from_millis(20), source.changed()).await;
    assert!(quiet.is_err(), "a fault is told once");

    fs::write(&path, "routes: []\n#END").expect("written");
    source.changed().await;
    assert_eq!(source.load().await.expect("loaded").document.revision, 1);
}

#[test]
fn a_file_with_every_kind_is_read() {
    let loaded = read(
        r#"
consumers:
  - username: team_a
    group_id: paid
    plugins:
      key-auth: { key: "$ENV://TEAM_A_KEY" }
  - id: team_a/credentials/laptop
    plugins:
      key-auth: { key: "$secret://vault/main/keys/team_a/laptop" }
consumer_groups:
  - id: paid
    plugins:
      limit-conn: { conn: 20, burst: 0, default_conn_delay: 0.1, key: consumer_name }
secrets:
  - { id: vault/main, uri: "http://127.0.0.1:8200", prefix: kv, token: "$ENV://VAULT_TOKEN" }
plugin_configs:
  - { id: common, plugins: { prometheus: {}, file-logger: { path: logs/llm.log } } }
upstreams:
  - { id: 1, nodes: { "127.0.0.1:80": 1 } }
services:
  - { id: 1, upstream_id: 1 }
global_rules:
  - { id: 1, plugins: { prometheus: {} } }
ssls:
  - { id: 1, sni: a.example, cert: "$env://CERT", key: "$env://KEY" }
routes:
  - id: chat
    uri: /v1/chat/completions
    methods: [POST]
    vars: [["post_arg.model", "~~", "^gpt-"]]
    plugin_config_id: common
    plugins:
      ai-proxy:
        provider: openai
        auth: { header: { Authorization: "$ENV://OPENAI_AUTH" } }
        options: { model: gpt-4o, temperature: 1.0 }
#END
"#,
    );
    assert_eq!(reports(&loaded), [""; 0]);
    assert_eq!(loaded.document.len(), 10);
    let plugins = &loaded.document.routes["chat"].value.plugins;
    let options = &plugins.get("ai-proxy").expect("ai-proxy")["options"];
    assert_eq!(
        options.to_string(),
        r#"{"model":"gpt-4o","temperature":1.0}"#
    );
}
