//! What the schema accepts, the type reads; and a checked resource survives being written out.

use config::check::{check, check_schema, read};
use config::resource::{Resource, Route, Ssl, Upstream};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Values of every type, some of them at the borders of what fields allow.
fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..70_000).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3..400).prop_map(|number| Value::from(f64::from(number))),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "a",
            "a.example",
            "[::1]",
            "::1",
            "10.0.0.0/8",
            "/v1/*",
            "GET",
            "chash",
            "vars",
            "https",
            "node",
            "rewrite",
            "tcp",
            "$env://X",
            "TLSv1.2",
            "client",
            "jack",
        ])
        .prop_map(Value::from),
    ]
}

/// Objects whose members mostly have the names that the kind knows.
fn object(names: &'static [&'static str], depth: u32) -> BoxedStrategy<Value> {
    let member = if depth == 0 {
        scalar().boxed()
    } else {
        prop_oneof![
            6 => scalar(),
            2 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from),
            3 => object(names, depth - 1),
            1 => prop::collection::vec(object(names, depth - 1), 0..3).prop_map(Value::from),
        ]
        .boxed()
    };
    prop::collection::vec((prop::sample::select(names), member), 0..5)
        .prop_map(|members| {
            let members: Map<String, Value> = members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect();
            Value::Object(members)
        })
        .boxed()
}

const UPSTREAM: &[&str] = &[
    "id",
    "name",
    "desc",
    "labels",
    "nodes",
    "type",
    "hash_on",
    "key",
    "scheme",
    "retries",
    "retry_timeout",
    "timeout",
    "pass_host",
    "upstream_host",
    "keepalive_pool",
    "tls",
    "checks",
    "discovery_type",
    "service_name",
    "create_time",
    "host",
    "port",
    "weight",
    "priority",
    "connect",
    "send",
    "read",
    "size",
    "idle_timeout",
    "requests",
    "verify",
    "active",
    "passive",
    "healthy",
    "unhealthy",
    "interval",
    "http_statuses",
    "successes",
    "concurrency",
    "http_path",
];

const ROUTE: &[&str] = &[
    "id",
    "name",
    "labels",
    "uris",
    "priority",
    "methods",
    "host",
    "hosts",
    "remote_addr",
    "remote_addrs",
    "vars",
    "plugins",
    "service_id",
    "upstream_id",
    "timeout",
    "status",
    "enable_websocket",
    "update_time",
    "connect",
    "send",
    "read",
    "nodes",
];

const SSL: &[&str] = &[
    "id",
    "type",
    "sni",
    "snis",
    "certs",
    "keys",
    "client",
    "ca",
    "depth",
    "status",
    "ssl_protocols",
    "labels",
    "skip_mtls_uri_regex",
];

/// `base` with one generated object laid over it, so that many documents are accepted.
fn over(base: &Value, members: &Value) -> Value {
    let mut document = base.clone();
    if let (Value::Object(document), Value::Object(members)) = (&mut document, members) {
        document.extend(members.clone());
    }
    document
}

fn reads<R: Resource>(document: &Value) -> Result<(), TestCaseError> {
    if check_schema(R::KIND, document).is_err() {
        return Ok(());
    }
    let resource: Result<R, _> = read(document);
    prop_assert!(resource.is_ok(), "{document}: {:?}", resource.err());
    if let Ok(resource) = check::<R>(document) {
        let written = serde_json::to_value(&resource).expect("a resource is JSON");
        let again = check::<R>(&written);
        prop_assert!(
            again.is_ok(),
            "{document} became {written}: {:?}",
            again.err()
        );
        let twice = serde_json::to_value(again.expect("just seen")).expect("JSON");
        prop_assert_eq!(written, twice);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn upstreams_that_the_schema_accepts_are_read(members in object(UPSTREAM, 3)) {
        reads::<Upstream>(&members)?;
        reads::<Upstream>(&over(&json!({ "nodes": {} }), &members))?;
    }

    #[test]
    fn one_member_of_an_upstream_is_read(name in prop::sample::select(UPSTREAM), value in scalar()) {
        reads::<Upstream>(&over(&json!({ "nodes": {} }), &json!({ name: value })))?;
    }

    #[test]
    fn nodes_are_read_in_both_forms(host in "[a-z:\\[\\]0-9.]{0,8}", weight in scalar(), port in scalar()) {
        reads::<Upstream>(&json!({ "nodes": { &host: &weight } }))?;
        reads::<Upstream>(&json!({ "nodes": [{ "host": host, "port": port, "weight": weight }] }))?;
    }

    #[test]
    fn routes_that_the_schema_accepts_are_read(members in object(ROUTE, 2)) {
        reads::<Route>(&over(&json!({ "uri": "/", "plugins": {} }), &members))?;
    }

    #[test]
    fn one_member_of_a_route_is_read(name in prop::sample::select(ROUTE), value in scalar()) {
        reads::<Route>(&over(&json!({ "uri": "/", "plugins": {} }), &json!({ name: value })))?;
    }

    #[test]
    fn certificates_that_the_schema_accepts_are_read(members in object(SSL, 2)) {
        let base = json!({ "sni": "a", "cert": "$env://C", "key": "$env://K" });
        reads::<Ssl>(&over(&base, &members))?;
    }
}
