use serde_json::json;

use super::*;

#[expect(
    clippy::needless_pass_by_value,
    reason = "a document written out at the call reads better"
)]
#[track_caller]
fn refused(kind: Kind, document: Value, message: &str) {
    let error = check_resource(kind, &document).expect_err("the document must be refused");
    assert_eq!(error.message, message, "for {document}");
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a document written out at the call reads better"
)]
#[track_caller]
fn accepted(kind: Kind, document: Value) {
    if let Err(error) = check_resource(kind, &document) {
        panic!("{document} was refused: {error}, {}", error.plain());
    }
}

#[test]
fn every_kind_has_a_schema_that_compiles_and_is_closed() {
    for kind in Kind::ALL {
        let schema = schema(kind);
        let closed = schema.get("additionalProperties") == Some(&json!(false));
        assert_eq!(closed, kind != Kind::PluginMetadata, "{kind}");
        assert!(!schema.to_string().contains("null"), "{kind}: {schema:#}");
        assert!(!schema.to_string().contains("$ref"), "{kind}");
    }
}

#[test]
fn routes_are_refused_in_the_words_of_apisix() {
    let route = Kind::Route;
    refused(
        route,
        json!({ "uri": 5, "plugins": {} }),
        r#"property "uri" validation failed: wrong type: expected string, got number"#,
    );
    refused(
        route,
        json!({ "plugins": {} }),
        "allOf 1 failed: value should match only one schema, but matches none",
    );
    refused(
        route,
        json!({ "uri": "/", "uris": ["/"], "plugins": {} }),
        "allOf 1 failed: value should match only one schema, but matches both schemas 1 and 2",
    );
    refused(
        route,
        json!({ "uri": "/" }),
        "object matches none of the required",
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "foo": 1 }),
        "additional properties forbidden, found foo",
    );
    refused(
        route,
        json!({ "uris": [], "plugins": {} }),
        r#"property "uris" validation failed: expect array to have at least 1 items"#,
    );
    refused(
        route,
        json!({ "uris": ["/a", "/b", "/a"], "plugins": {} }),
        r#"property "uris" validation failed: expected unique items but items 1 and 3 are equal"#,
    );
    refused(
        route,
        json!({ "uris": ["/a", 7], "plugins": {} }),
        r#"property "uris" validation failed: failed to validate item 2: wrong type: expected string, got number"#,
    );
    refused(
        route,
        json!({ "uri": "", "plugins": {} }),
        r#"property "uri" validation failed: string too short, expected at least 1, got 0"#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "methods": ["GOT"] }),
        r#"property "methods" validation failed: failed to validate item 1: matches none of the enum values"#,
    );
}

#[test]
fn values_of_routes_are_refused_in_the_words_of_apisix() {
    let route = Kind::Route;
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "host": "a b" }),
        r#"property "host" validation failed: failed to match pattern "^\*$|^\*?[0-9a-zA-Z-._\[\]:]+$" with "a b""#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "status": 2 }),
        r#"property "status" validation failed: matches none of the enum values"#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "labels": { "env": "a b" } }),
        r#"property "labels" validation failed: failed to validate env (matching ".*"): failed to match pattern "^\S+$" with "a b""#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "id": "not good" }),
        r#"property "id" validation failed: object matches none of the required"#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "name": null }),
        r#"property "name" validation failed: wrong type: expected string, got userdata"#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "timeout": { "connect": 0, "send": 1, "read": 1 } }),
        r#"property "timeout" validation failed: property "connect" validation failed: expected 0 to be greater than 0"#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "timeout": { "connect": 1 } }),
        r#"property "timeout" validation failed: property "send" is required"#,
    );
    refused(
        route,
        json!({ "uri": "/", "plugins": {}, "remote_addr": "10.0.0.0/33" }),
        r#"property "remote_addr" validation failed: object matches none of the required"#,
    );
}

#[test]
fn fields_that_exclude_each_other_are_told_apart() {
    refused(
        Kind::Route,
        json!({ "uri": "/", "plugins": {}, "host": "a", "hosts": ["b"] }),
        "only one of host or hosts is allowed",
    );
    refused(
        Kind::Route,
        json!({ "uri": "/", "plugins": {}, "remote_addr": "::1", "remote_addrs": ["::1/64"] }),
        "only one of remote_addr or remote_addrs is allowed",
    );
}

#[test]
fn lua_is_refused_with_a_reason() {
    refused(
        Kind::Route,
        json!({ "uri": "/", "plugins": {}, "filter_func": "function(vars) return true end" }),
        r#"property "filter_func" is not supported: Lua code does not run here, use vars"#,
    );
    refused(
        Kind::Service,
        json!({ "script": "return 1" }),
        r#"property "script" is not supported: Lua code does not run here, use plugins"#,
    );
}

#[test]
fn routes_are_accepted() {
    accepted(
        Kind::Route,
        json!({ "uri": "/*", "plugins": { "ai-proxy": {} } }),
    );
    accepted(
        Kind::Route,
        json!({ "uris": ["/a", "/b"], "service_id": 1, "id": 7, "priority": -3 }),
    );
    accepted(
        Kind::Route,
        json!({
            "id": "chat", "name": "chat", "desc": "", "labels": { "team": "a" }, "uri": "/v1/*",
            "methods": ["GET", "PURGE"], "hosts": ["*", "*.foo.com", "foo.com:8080"],
            "remote_addrs": ["127.0.0.1", "10.0.0.0/8", "::1", "fe80::/10"],
            "vars": [["arg_x", "==", "1"]], "plugin_config_id": "p", "upstream_id": "u",
            "timeout": { "connect": 0.5, "send": 6, "read": 6 }, "enable_websocket": true,
            "status": 0, "create_time": 1, "update_time": 2,
            "upstream": { "nodes": { "127.0.0.1:80": 1 } },
        }),
    );
}

#[test]
fn whole_floats_are_read_as_integers() {
    let route: Route =
        check(&json!({ "uri": "/", "plugins": {}, "priority": 3.0 })).expect("an integer");
    assert_eq!(route.priority, 3);
}

#[test]
fn defaults_are_filled_in_by_the_type() {
    let route: Route = check(&json!({
        "uri": "/",
        "upstream": {
            "nodes": [{ "host": "a", "weight": 2 }],
            "keepalive_pool": { "size": 5 },
            "checks": { "active": {} },
        },
    }))
    .expect("a valid route");
    let upstream = route.upstream.expect("an upstream");
    assert_eq!(upstream.r#type, "roundrobin");
    assert_eq!(upstream.keepalive_pool.expect("a pool").requests, 1000);
    let checks = upstream.checks.expect("checks");
    assert_eq!(checks.active.healthy.http_statuses, [200, 302]);
    assert_eq!(checks.active.unhealthy.timeouts, 3);
    let nodes = upstream.nodes.expect("nodes").0;
    assert_eq!(
        (nodes[0].host.as_str(), nodes[0].port, nodes[0].weight),
        ("a", None, 2)
    );
}

#[test]
fn upstreams_are_refused_in_the_words_of_apisix() {
    let upstream = Kind::Upstream;
    refused(
        upstream,
        json!({ "nodes": {}, "pass_host": "rewrite" }),
        "`upstream_host` can't be empty when `pass_host` is `rewrite`",
    );
    refused(
        upstream,
        json!({ "nodes": {}, "type": "chash" }),
        "missing key",
    );
    refused(
        upstream,
        json!({ "nodes": { "::1": 1 } }),
        "IPv6 address must be enclosed with '[' and ']'",
    );
    refused(
        upstream,
        json!({ "type": "roundrobin" }),
        "value should match only one schema, but matches none",
    );
    refused(
        upstream,
        json!({ "nodes": { "a:80": -1 } }),
        r#"property "nodes" validation failed: object matches none of the required"#,
    );
    refused(
        upstream,
        json!({ "nodes": {}, "retries": -1 }),
        r#"property "retries" validation failed: expected -1 to be at least 0"#,
    );
    refused(
        upstream,
        json!({ "nodes": {}, "checks": { "passive": {} } }),
        r#"property "checks" validation failed: property "active" is required"#,
    );
    refused(
        upstream,
        json!({ "nodes": {}, "checks": { "active": { "healthy": { "http_statuses": [199] } } } }),
        r#"property "checks" validation failed: property "active" validation failed: property "healthy" validation failed: property "http_statuses" validation failed: failed to validate item 1: expected 199 to be at least 200"#,
    );
    refused(
        Kind::Route,
        json!({ "uri": "/", "upstream": { "nodes": {}, "pass_host": "rewrite" } }),
        r#"property "upstream" validation failed: `upstream_host` can't be empty when `pass_host` is `rewrite`"#,
    );
    refused(
        upstream,
        json!({ "nodes": {}, "tls": { "client_cert": "x".repeat(128) } }),
        r#"property "tls" validation failed: property "client_key" is required when "client_cert" is set"#,
    );
}

#[test]
fn upstreams_are_accepted() {
    let upstream = Kind::Upstream;
    accepted(upstream, json!({ "nodes": {} }));
    accepted(upstream, json!({ "nodes": [] }));
    accepted(
        upstream,
        json!({ "nodes": { "a": 1, "a:80": 0, "[::1]:80": 1, "[::1]": 1 } }),
    );
    accepted(
        upstream,
        json!({ "service_name": "s", "discovery_type": "dns" }),
    );
    accepted(
        upstream,
        json!({ "nodes": {}, "type": "chash", "key": "arg_x" }),
    );
    accepted(
        upstream,
        json!({ "nodes": {}, "type": "chash", "hash_on": "consumer" }),
    );
    accepted(upstream, json!({ "nodes": {}, "type": "something else" }));
}

#[test]
fn the_other_kinds_know_their_required_fields() {
    refused(
        Kind::Consumer,
        json!({}),
        r#"property "username" is required"#,
    );
    refused(
        Kind::Consumer,
        json!({ "username": "a b" }),
        r#"property "username" validation failed: failed to match pattern "^[a-zA-Z0-9_\-]+$" with "a b""#,
    );
    refused(
        Kind::ConsumerGroup,
        json!({}),
        r#"property "plugins" is required"#,
    );
    refused(
        Kind::PluginConfig,
        json!({}),
        r#"property "plugins" is required"#,
    );
    refused(
        Kind::GlobalRule,
        json!({}),
        r#"property "plugins" is required"#,
    );
    refused(
        Kind::GlobalRule,
        json!({ "plugins": {}, "name": "x" }),
        "additional properties forbidden, found name",
    );
    refused(
        Kind::Credential,
        json!({ "plugins": { "a": {}, "b": {} } }),
        r#"property "plugins" validation failed: expect object to have at most 1 properties"#,
    );
}

#[test]
fn metadata_certificates_and_secret_managers_are_judged() {
    refused(
        Kind::PluginMetadata,
        json!(5),
        "wrong type: expected object, got number",
    );
    refused(
        Kind::Ssl,
        json!({ "sni": "a" }),
        "then clause did not match",
    );
    refused(
        Kind::Secret,
        json!({ "id": "vault/1", "uri": "http://127.0.0.1" }),
        r#"property "prefix" is required"#,
    );
    accepted(
        Kind::Consumer,
        json!({ "username": "jack", "group_id": "g", "plugins": {} }),
    );
    accepted(
        Kind::Credential,
        json!({ "id": "jack/credentials/a", "plugins": { "key-auth": {} } }),
    );
    accepted(
        Kind::PluginMetadata,
        json!({ "id": "prometheus", "anything": [] }),
    );
    accepted(
        Kind::Ssl,
        json!({ "sni": "a", "cert": "$env://CERT", "key": "$secret://vault/1/k/k" }),
    );
}

#[test]
fn a_fault_says_where_and_what_in_plain_words_too() {
    let plain = |kind, document: Value| {
        check_resource(kind, &document)
            .expect_err("a fault")
            .plain()
    };
    assert_eq!(
        plain(
            Kind::Upstream,
            json!({ "nodes": [{ "host": "a", "weight": "hot" }] })
        ),
        r#"nodes[0].weight: expected an integer, found "hot""#
    );
    assert_eq!(
        plain(Kind::Route, json!({ "plugins": {} })),
        r#"expected exactly one of the fields "uri", "uris""#
    );
    assert_eq!(
        plain(
            Kind::Route,
            json!({ "uri": "/", "plugins": {}, "hots": "a" })
        ),
        r#"hots: expected no field "hots": did you mean "host"?"#
    );
    assert_eq!(
        plain(Kind::Consumer, json!({ "username": "" })),
        r#"username: expected at least 1 characters, found """#
    );
    assert_eq!(
        plain(Kind::Upstream, json!({ "nodes": {}, "scheme": "gopher" })),
        r#"scheme: expected "http" or "https" or "grpc" or "grpcs" or "tcp" or "tls" or "udp" or "kafka", found "gopher""#
    );
}

#[test]
fn all_faults_are_found_at_once() {
    let error = check_resource(
        Kind::Route,
        &json!({ "uri": 1, "plugins": {}, "priority": "x", "hosts": [] }),
    )
    .expect_err("three faults");
    let pointers: Vec<_> = error.all().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(pointers, ["/uri", "/priority", "/hosts"]);
}

#[test]
fn secrets_are_not_repeated_in_messages() {
    let error = check_resource(
        Kind::Ssl,
        &json!({ "sni": "a", "cert": "c", "key": "hidden" }),
    )
    .expect_err("too short");
    let texts: Vec<_> = error
        .all()
        .map(|fault| format!("{fault} {}", fault.plain()))
        .collect();
    assert!(!texts.join("\n").contains("hidden"), "{texts:?}");
}
