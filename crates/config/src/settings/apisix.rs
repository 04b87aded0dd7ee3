//! An APISIX `config.yaml` as settings.
//!
//! What has a meaning here is moved over, key by key; what is left when all are moved is what is
//! ignored, so nothing can be forgotten in silence. Source: `apache/apisix`,
//! `conf/config.yaml.example`, `apisix/cli/config.lua`.

mod convert;
mod keys;

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::substitute::Environment;
use convert::{address, bytes, milliseconds};
use keys::Keys;

/// Keys that only an APISIX file has at its top.
const CERTAIN: [&str; 3] = ["apisix", "deployment", "nginx_config"];

/// Keys that only a file of our own has at its top.
const OWN: [&str; 10] = [
    "proxy",
    "admin",
    "control",
    "metrics",
    "data_dir",
    "resources",
    "data_encryption",
    "access_log",
    "workers",
    "drain_timeout_ms",
];

/// An APISIX file in our own shape.
pub(super) struct Translation {
    /// The settings, not yet checked.
    pub(super) settings: Value,
    /// The keys that have no meaning here.
    pub(super) ignored: Vec<String>,
    /// The pointer in the file by the pointer in the settings.
    pub(super) origins: Vec<(String, String)>,
}

/// Whether a file is APISIX's, by its top-level keys.
///
/// `plugins`, `plugin_attr` and `etcd` alone are in both: then the name of the file decides.
pub(super) fn is_apisix(path: Option<&Path>, value: &Value) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| value.get(name).is_some());
    if has(&CERTAIN) {
        return true;
    }
    let named = path
        .and_then(Path::file_name)
        .is_some_and(|name| name == "config.yaml");
    named && !has(&OWN) && has(&["plugins", "plugin_attr", "etcd"])
}

/// Moves what has a meaning here.
pub(super) fn translate(value: Value, directory: &Path, environment: &Environment) -> Translation {
    let mut keys = Keys::new(value);
    proxy(&mut keys);
    control(&mut keys);
    let is_data_plane = source(&mut keys, directory);
    admin(&mut keys, is_data_plane);
    metrics(&mut keys);
    encryption(&mut keys);
    nginx(&mut keys, environment);
    keys.keep("plugins", "/plugins");
    keys.keep("plugin_attr", "/plugin_attr");
    let (settings, ignored, origins) = keys.finish();
    Translation {
        settings,
        ignored,
        origins,
    }
}

fn proxy(keys: &mut Keys) {
    listeners(keys);
    keys.keep("apisix.router.http", "/proxy/router");
    for name in [
        "delete_uri_tail_slash",
        "match_uri_encoded_slash",
        "trusted_addresses",
        "show_upstream_status_in_response_header",
        "enable_server_tokens",
        "disable_upstream_healthcheck",
    ] {
        keys.keep(&format!("apisix.{name}"), &format!("/proxy/{name}"));
    }
    keys.convert(
        "apisix.max_post_args_readable_size",
        "/proxy/limits/max_condition_body_bytes",
        |megabytes| match megabytes.as_u64() {
            Some(megabytes) => json!(megabytes << 20),
            None => megabytes.clone(),
        },
    );
}

fn listeners(keys: &mut Keys) {
    let http2 = keys.take("apisix.enable_http2");
    let http2 = http2.and_then(|value| value.as_bool()).unwrap_or(true);
    let speaks_http2 = |item: &Value| {
        let own = item.get("enable_http2").and_then(Value::as_bool);
        own.unwrap_or(http2)
    };
    let mut listeners = Vec::new();
    let plain = match keys.take("apisix.node_listen") {
        Some(Value::Array(items)) => items,
        Some(single) => vec![single],
        None => vec![json!(9080)],
    };
    for (index, item) in plain.iter().enumerate() {
        keys.origin(
            &format!("/proxy/listen/{}", listeners.len()),
            &format!("/apisix/node_listen/{index}"),
        );
        listeners.push(json!({ "addr": address(item, 9080), "http2": speaks_http2(item) }));
    }
    for (index, item) in tls_listeners(keys).iter().enumerate() {
        keys.origin(
            &format!("/proxy/listen/{}", listeners.len()),
            &format!("/apisix/ssl/listen/{index}"),
        );
        let addr = address(item, 9443);
        listeners.push(json!({ "addr": addr, "tls": {}, "http2": speaks_http2(item) }));
        if item.get("enable_http3") == Some(&json!(true)) {
            keys.ignore("apisix.ssl.listen.enable_http3");
        }
    }
    keys.set("/proxy/listen", Value::Array(listeners));
}

/// The listeners with TLS: only where the file speaks of TLS at all.
fn tls_listeners(keys: &mut Keys) -> Vec<Value> {
    if !keys.has("apisix.ssl") {
        return Vec::new();
    }
    let is_off = keys.take("apisix.ssl.enable") == Some(json!(false));
    match keys.take("apisix.ssl.listen") {
        _ if is_off => Vec::new(),
        Some(Value::Array(items)) => items,
        Some(single) => vec![single],
        None => vec![json!({ "port": 9443 })],
    }
}

fn control(keys: &mut Keys) {
    keys.keep("apisix.enable_control", "/control/enabled");
    listen_at(
        keys,
        "apisix.control",
        "/control/listen",
        ("127.0.0.1", 9090),
    );
}

/// Finds where resources come from; says whether the role is one that has no Admin API.
fn source(keys: &mut Keys, directory: &Path) -> bool {
    let text = |value: Value| value.as_str().map(str::to_owned);
    let role = keys.take("deployment.role").and_then(text);
    let role = role.unwrap_or_else(|| "traditional".to_owned());
    let named = format!("deployment.role_{role}.config_provider");
    let provider = keys.take(&named).and_then(text);
    match provider.as_deref() {
        Some(format @ ("yaml" | "json")) => {
            let file = directory.join(format!("apisix.{format}"));
            keys.origin("/resources", &named.replace('.', "/"));
            keys.set("/resources", json!(file));
            // what the file says wins, so an etcd that is named as well has no meaning
        }
        Some("etcd") => etcd(keys, &named),
        Some(other) => keys.ignore(&format!("{named}: {other}")),
        None if keys.has("deployment.etcd") => etcd(keys, "deployment.etcd"),
        None if keys.has("etcd") => etcd(keys, "etcd"),
        // compat: apache/apisix reads etcd when nothing is said; here nothing said means the
        // embedded store
        None => {}
    }
    role == "data_plane"
}

fn etcd(keys: &mut Keys, named: &str) {
    let own = if keys.has("deployment.etcd") {
        "deployment.etcd"
    } else {
        "etcd"
    };
    keys.origin("/etcd", &format!("/{}", named.replace('.', "/")));
    keys.set("/etcd", json!({}));
    keys.keep(&format!("{own}.host"), "/etcd/endpoints");
    keys.keep(&format!("{own}.prefix"), "/etcd/prefix");
    keys.keep(&format!("{own}.user"), "/etcd/user");
    keys.keep(&format!("{own}.password"), "/etcd/password");
}

fn admin(keys: &mut Keys, is_data_plane: bool) {
    let enabled = keys
        .take("apisix.enable_admin")
        .is_none_or(|value| value != json!(false));
    keys.set("/admin/enabled", json!(enabled && !is_data_plane));
    // compat: apache/apisix listens on all addresses when none is named; here that takes a key
    listen_at(
        keys,
        "deployment.admin.admin_listen",
        "/admin/listen",
        ("0.0.0.0", 9180),
    );
    keys.keep("deployment.admin.admin_key_required", "/admin/key_required");
    keys.origin("/admin/keys", "/deployment/admin/admin_key");
    keys.origin("/admin/key", "/deployment/admin/admin_key");
    let Some(Value::Array(listed)) = keys.take("deployment.admin.admin_key") else {
        return;
    };
    let is_given = |key: &Value| key.get("key").and_then(Value::as_str) != Some("");
    let given: Vec<Value> = listed.into_iter().filter(is_given).collect();
    keys.set("/admin/keys", Value::Array(given));
}

fn metrics(keys: &mut Keys) {
    let prometheus = "plugin_attr.prometheus";
    keys.copy(
        &format!("{prometheus}.enable_export_server"),
        "/metrics/enabled",
    );
    keys.copy(&format!("{prometheus}.export_uri"), "/metrics/path");
    if let Some(listen) = keys.get(&format!("{prometheus}.export_addr")) {
        let listen = with_defaults(listen, ("127.0.0.1", 9091));
        keys.origin("/metrics/listen", "/plugin_attr/prometheus/export_addr");
        keys.set("/metrics/listen", address(&listen, 9091));
    }
}

/// compat: apache/apisix has two built-in keys when the file names none; keys that everybody knows
/// keep nothing secret, so here there is none then.
fn encryption(keys: &mut Keys) {
    keys.keep(
        "apisix.data_encryption.enable_encrypt_fields",
        "/data_encryption/enabled",
    );
    keys.convert(
        "apisix.data_encryption.keyring",
        "/data_encryption/keyring",
        |keyring| match keyring {
            Value::String(_) => json!([keyring]),
            other => other.clone(),
        },
    );
}

fn nginx(keys: &mut Keys, environment: &Environment) {
    let http = "nginx_config.http";
    keys.keep(&format!("{http}.enable_access_log"), "/access_log/enabled");
    keys.keep(&format!("{http}.access_log"), "/access_log/path");
    keys.keep(&format!("{http}.access_log_format"), "/access_log/format");
    for (name, pointer) in [
        ("client_header_timeout", "/proxy/limits/header_timeout_ms"),
        ("client_body_timeout", "/proxy/limits/body_timeout_ms"),
        ("send_timeout", "/proxy/limits/send_timeout_ms"),
        ("keepalive_timeout", "/proxy/limits/keepalive_timeout_ms"),
    ] {
        keys.convert(&format!("{http}.{name}"), pointer, milliseconds);
    }
    keys.convert(
        &format!("{http}.client_max_body_size"),
        "/proxy/limits/max_body_bytes",
        bytes,
    );
    keys.convert(
        "nginx_config.worker_shutdown_timeout",
        "/drain_timeout_ms",
        milliseconds,
    );
    let workers = |value: &Value| match value.as_str() {
        Some("auto") => json!(0),
        Some(text) => text
            .parse::<u64>()
            .map_or_else(|_| value.clone(), Value::from),
        None => value.clone(),
    };
    keys.convert("nginx_config.worker_processes", "/workers", workers);
    if let Some(count) = environment.get("APISIX_WORKER_PROCESSES") {
        keys.set("/workers", workers(&json!(count)));
    }
}

/// Moves an `{ip, port}` whose parts have defaults.
fn listen_at(keys: &mut Keys, from: &str, to: &str, defaults: (&str, u16)) {
    if let Some(value) = keys.take(from) {
        keys.origin(to, &format!("/{}", from.replace('.', "/")));
        keys.set(to, address(&with_defaults(&value, defaults), defaults.1));
    }
}

fn with_defaults(value: &Value, (ip, port): (&str, u16)) -> Value {
    let mut filled: Map<String, Value> = value.as_object().cloned().unwrap_or_default();
    filled.entry("ip").or_insert(json!(ip));
    filled.entry("port").or_insert(json!(port));
    Value::Object(filled)
}
