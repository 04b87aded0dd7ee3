use std::path::Path;

use serde_json::json;

use super::*;
use crate::scratch::Scratch;
use crate::substitute::Environment;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn own(text: &str, pairs: &[(&str, &str)]) -> Result<LoadedSettings, SettingsError> {
    parse(Some(Path::new("tollgate.yaml")), text, &environment(pairs))
}

fn settings(text: &str) -> Settings {
    own(text, &[]).expect("usable settings").settings
}

fn faults(text: &str) -> Vec<String> {
    let error = own(text, &[]).expect_err("settings that cannot be used");
    error.faults.iter().map(ToString::to_string).collect()
}

fn apisix(text: &str) -> LoadedSettings {
    parse(
        Some(Path::new("conf/config.yaml")),
        text,
        &Environment::new(),
    )
    .expect("usable")
}

fn addresses(settings: &Settings) -> Vec<String> {
    settings
        .proxy
        .listen
        .iter()
        .map(|listener| listener.addr.to_string())
        .collect()
}

// === our own file ===

#[test]
fn without_a_file_everything_is_on_this_machine_only() {
    let loaded = load(None, &Environment::new()).expect("defaults");
    let settings = loaded.settings;
    assert_eq!(addresses(&settings), ["127.0.0.1:9080"]);
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:9180");
    assert_eq!(settings.control.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(settings.metrics.listen.to_string(), "127.0.0.1:9091");
    assert_eq!(settings.metrics.path, "/apisix/prometheus/metrics");
    assert_eq!(settings.data_dir, Path::new("./data"));
    assert_eq!(settings.access_log.format, "json");
    assert!(settings.admin.key.is_none());
    assert!(loaded.ignored.is_empty());
}

#[test]
fn the_documented_file_is_read_key_by_key() {
    let settings = settings(
        r#"
proxy:
  listen:
    - "127.0.0.1:9080"
    - { addr: "[::1]:9443", tls: { cert: c.pem, key: k.pem }, http2: false }
    - localhost:9081
  router: radixtree_uri
  limits: { header_timeout_ms: 5, max_body_bytes: 7, max_header_bytes: 65536 }
admin:   { listen: "127.0.0.1:9181", key: "abc" }
control: { listen: "127.0.0.1:9091" }
metrics: { listen: "127.0.0.1:9092", path: "/metrics" }
data_dir: ./elsewhere
resources: ./apisix.yaml
access_log: { path: "a.log", format: "$remote_addr" }
workers: 2
drain_timeout_ms: 10
plugins: [ai-proxy]
plugin_attr: { prometheus: { metric_prefix: x_ } }
"#,
    );
    assert_eq!(
        addresses(&settings),
        ["127.0.0.1:9080", "[::1]:9443", "127.0.0.1:9081"]
    );
    let tls = &settings.proxy.listen[1];
    assert_eq!(
        tls.tls.as_ref().expect("TLS").cert.as_deref(),
        Some(Path::new("c.pem"))
    );
    assert!(!tls.http2);
    assert_eq!(settings.proxy.router, Router::RadixtreeUri);
    assert_eq!(settings.proxy.limits.header_timeout_ms, 5);
    assert_eq!(settings.proxy.limits.send_timeout_ms, 60_000);
    assert_eq!(settings.proxy.limits.max_headers, 100);
    assert_eq!(settings.admin.key.as_ref().map(Secret::expose), Some("abc"));
    assert_eq!(
        settings.resources.as_deref(),
        Some(Path::new("./apisix.yaml"))
    );
    assert_eq!(settings.workers, 2);
    assert_eq!(
        settings.plugins.as_deref(),
        Some(&["ai-proxy".to_owned()][..])
    );
    assert_eq!(
        settings.plugin_attr["prometheus"]["metric_prefix"],
        json!("x_")
    );
}

#[test]
fn unknown_keys_are_errors_with_a_hint() {
    assert_eq!(
        faults("proxy:\n  listne: []\nadmn: {}\n"),
        [
            "tollgate.yaml:2:3: proxy.listne: expected no field \"listne\": did you mean \"listen\"?",
            "tollgate.yaml:3:1: admn: expected no field \"admn\": did you mean \"admin\"?",
        ]
    );
}

#[test]
fn faults_name_line_path_and_what_was_found() {
    assert_eq!(
        faults("workers: many\nproxy:\n  listen: [\"9080\"]\n  limits:\n    max_headers: 0\n"),
        [
            "tollgate.yaml:1:1: workers: expected an integer, found \"many\"",
            "tollgate.yaml:3:12: proxy.listen[0]: expected an address and a port such as \
             127.0.0.1:9080 or an object, found \"9080\"",
            "tollgate.yaml:5:5: proxy.limits.max_headers: expected at least 1, found 0",
        ]
    );
    assert_eq!(
        faults("proxy: { listen: [{ addr: \"127.0.0.1:1\", tls: { cert: a } }] }"),
        [
            "tollgate.yaml:1:42: proxy.listen[0].tls: expected a field \"key\", because \"cert\" is set"
        ]
    );
    assert_eq!(faults("proxy: { listen: [] }").len(), 1);
    assert_eq!(
        faults("proxy:\n  trusted_addresses: [\"::1\", 10.0.0.0/8, here]"),
        [
            "tollgate.yaml:2:42: proxy.trusted_addresses[2]: expected an address or a network such \
             as 10.0.0.0/8, found \"here\""
        ]
    );
}

#[test]
fn an_admin_api_in_the_open_needs_a_long_key() {
    let because = "because the Admin API listens on 0.0.0.0:9180";
    assert_eq!(
        faults("admin: { listen: 0.0.0.0:9180 }"),
        [format!(
            "tollgate.yaml:1:1: admin.key: expected a key of at least 16 characters, {because}"
        )]
    );
    assert_eq!(
        faults("admin:\n  listen: 0.0.0.0:9180\n  key: short"),
        [format!(
            "tollgate.yaml:3:3: admin.key: expected a key of at least 16 characters, {because}, \
             found one of 5"
        )]
    );
    assert_eq!(
        faults("admin: { listen: 0.0.0.0:9180, key_required: false }").len(),
        1
    );
    settings("admin: { listen: 0.0.0.0:9180, key: 0123456789abcdef }");
    settings("admin: { listen: \"[::1]:9180\", key: short }");
    settings("admin: { listen: 0.0.0.0:9180, enabled: false }");
}

#[test]
fn etcd_is_known_but_not_available() {
    let faults = faults("etcd: { endpoints: [\"http://127.0.0.1:2379\"], prefix: /apisix }");
    assert!(
        faults[0].starts_with("tollgate.yaml:1:1: etcd: expected `data_dir`"),
        "{faults:?}"
    );
    assert!(
        faults[0].contains("cannot read resources from etcd"),
        "{faults:?}"
    );
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", settings("admin: { key: hidden-key }"));
    assert!(
        !shown.contains("hidden-key") && shown.contains("***"),
        "{shown}"
    );
    let faults = faults("admin: { key: [hidden-key], keys: [{ key: 12345678 }] }").join("\n");
    assert!(!faults.contains("hidden-key"), "{faults}");
    assert!(!faults.contains("12345678"), "{faults}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    let scratch = Scratch::new();
    let path = scratch.path().join("none.yaml");
    let error = load(Some(&path), &Environment::new())
        .expect_err("not there")
        .to_string();
    assert!(
        error.contains("none.yaml: expected a file that can be read"),
        "{error}"
    );
    let path = scratch.write("tollgate.yaml", "workers: 3\n");
    let loaded = load(Some(&path), &Environment::new()).expect("read");
    assert_eq!(
        (loaded.settings.workers, loaded.dialect),
        (3, Dialect::Tollgate)
    );
    assert!(faults("a: [")[0].starts_with("tollgate.yaml:1:"));
}

// === the environment ===

#[test]
fn every_scalar_can_be_overridden() {
    let loaded = own(
        "admin: { key: from-the-file }\n",
        &[
            ("TOLLGATE_ADMIN_KEY", "from-the-environment"),
            ("TOLLGATE_ADMIN_LISTEN", "0.0.0.0:1"),
            ("TOLLGATE_ADMIN_KEY_REQUIRED", "true"),
            ("TOLLGATE_PROXY_LISTEN", "0.0.0.0:80, 0.0.0.0:81"),
            ("TOLLGATE_PROXY_LIMITS_MAX_BODY_BYTES", "9"),
            ("TOLLGATE_PROXY_ROUTER", "radixtree_uri"),
            ("TOLLGATE_WORKERS", "4"),
            ("TOLLGATE_DATA_DIR", "/d"),
            ("TOLLGATE_RESOURCES", "r.yaml"),
            ("TOLLGATE_METRICS_ENABLED", "false"),
            ("TOLLGATE_PLUGINS", "a,b"),
            ("TOLLGATE_LOG", "debug"),
            ("HOME", "/root"),
        ],
    )
    .expect("usable");
    let settings = loaded.settings;
    assert_eq!(
        settings.admin.key.as_ref().map(Secret::expose),
        Some("from-the-environment")
    );
    assert_eq!(addresses(&settings), ["0.0.0.0:80", "0.0.0.0:81"]);
    assert_eq!(settings.proxy.limits.max_body_bytes, 9);
    assert_eq!(settings.proxy.router, Router::RadixtreeUri);
    assert_eq!(settings.workers, 4);
    assert_eq!(settings.data_dir, Path::new("/d"));
    assert_eq!(settings.resources.as_deref(), Some(Path::new("r.yaml")));
    assert!(!settings.metrics.enabled);
    assert_eq!(settings.plugins.expect("plugins"), ["a", "b"]);
    assert!(loaded.ignored.is_empty(), "{:?}", loaded.ignored);
}

#[test]
fn a_fault_in_the_environment_names_the_variable() {
    let error = own("workers: 1\n", &[("TOLLGATE_WORKERS", "many")]).expect_err("no number");
    assert_eq!(
        error.to_string(),
        "TOLLGATE_WORKERS: workers: expected an integer, found \"many\""
    );
    let loaded = own("", &[("TOLLGATE_ADMIN_KEYY", "x"), ("TOLLGATE_ZZZ", "x")]).expect("usable");
    assert_eq!(
        loaded.ignored,
        [
            "environment variable TOLLGATE_ADMIN_KEYY, did you mean TOLLGATE_ADMIN_KEY?",
            "environment variable TOLLGATE_ZZZ",
        ]
    );
}

// === an APISIX file ===

#[test]
fn an_apisix_file_is_known_by_its_keys() {
    let is = |name: &str, text: &str| {
        parse(Some(Path::new(name)), text, &Environment::new())
            .expect("usable")
            .dialect
    };
    assert_eq!(is("x.yaml", "apisix: {}"), Dialect::Apisix);
    assert_eq!(is("x.yaml", "deployment: {}"), Dialect::Apisix);
    assert_eq!(is("x.yaml", "nginx_config: {}"), Dialect::Apisix);
    assert_eq!(is("config.yaml", "plugins: [a]"), Dialect::Apisix);
    assert_eq!(is("tollgate.yaml", "plugins: [a]"), Dialect::Tollgate);
    assert_eq!(
        is("config.yaml", "plugins: [a]\nworkers: 1"),
        Dialect::Tollgate
    );
}

#[test]
fn the_defaults_of_apisix_hold_for_the_proxy_and_ours_for_the_admin_api() {
    let settings = apisix("apisix: {}").settings;
    assert_eq!(addresses(&settings), ["0.0.0.0:9080"]);
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:9180");
    assert!(settings.resources.is_none() && settings.etcd.is_none());
}

#[test]
fn node_listen_has_three_forms() {
    let listens = |text: &str| addresses(&apisix(text).settings);
    assert_eq!(listens("apisix: { node_listen: 80 }"), ["0.0.0.0:80"]);
    assert_eq!(
        listens("apisix: { node_listen: [80, 81] }"),
        ["0.0.0.0:80", "0.0.0.0:81"]
    );
    assert_eq!(
        listens("apisix: { node_listen: [{ ip: 127.0.0.2, port: 80 }, { ip: \"::\" }] }"),
        ["127.0.0.2:80", "[::]:9080"]
    );
}

/// Every key of an APISIX file that has a meaning here.
const MAPPED: &str = "
apisix:
  ssl: { enable: true, listen: [{ port: 8443 }] }
  enable_http2: false
  enable_control: false
  control: { ip: 127.0.0.3, port: 9 }
  router: { http: radixtree_uri_with_parameter }
  delete_uri_tail_slash: true
  trusted_addresses: [10.0.0.0/8]
  show_upstream_status_in_response_header: true
  enable_server_tokens: false
  disable_upstream_healthcheck: true
  max_post_args_readable_size: 2
deployment:
  role: traditional
  admin:
    admin_listen: { ip: 127.0.0.4, port: 7 }
    admin_key_required: true
    admin_key:
      - { name: admin, key: secret-key, role: admin }
      - { name: viewer, key: other-key, role: viewer }
plugins: [ai-proxy, prometheus]
plugin_attr:
  prometheus: { export_uri: /m, export_addr: { ip: 127.0.0.5, port: 6 }, metric_prefix: a_ }
nginx_config:
  worker_processes: 3
  worker_shutdown_timeout: 4m
  http:
    enable_access_log: true
    access_log: logs/a.log
    access_log_format: $remote_addr
    keepalive_timeout: 1m30s
    client_header_timeout: 5s
    client_body_timeout: 500ms
    send_timeout: 7
    client_max_body_size: 10m
";

#[test]
fn the_keys_with_a_meaning_are_mapped() {
    let loaded = apisix(MAPPED);
    assert!(loaded.ignored.is_empty(), "{:?}", loaded.ignored);
    let settings = loaded.settings;
    assert_eq!(addresses(&settings), ["0.0.0.0:9080", "0.0.0.0:8443"]);
    assert_eq!(settings.proxy.listen[1].tls, Some(ListenerTls::default()));
    assert!(settings.proxy.listen.iter().all(|listener| !listener.http2));
    assert_eq!(settings.control.listen.to_string(), "127.0.0.3:9");
    assert!(!settings.control.enabled);
    assert_eq!(settings.proxy.router, Router::RadixtreeUriWithParameter);
    assert!(settings.proxy.delete_uri_tail_slash);
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.4:7");
    assert_eq!(settings.proxy.trusted_addresses, ["10.0.0.0/8"]);
    assert!(settings.proxy.show_upstream_status_in_response_header);
    assert!(!settings.proxy.enable_server_tokens);
    assert!(settings.proxy.disable_upstream_healthcheck);
    let keys: Vec<_> = settings
        .admin
        .all_keys()
        .map(|(key, role)| (key.expose(), role))
        .collect();
    assert_eq!(
        keys,
        [
            ("secret-key", AdminRole::Admin),
            ("other-key", AdminRole::Viewer)
        ]
    );
    assert_eq!(settings.metrics.listen.to_string(), "127.0.0.5:6");
    assert_eq!(settings.metrics.path, "/m");
    assert_eq!(
        settings.plugin_attr["prometheus"]["metric_prefix"],
        json!("a_")
    );
    assert_eq!((settings.workers, settings.drain_timeout_ms), (3, 240_000));
    assert_eq!(settings.access_log.path, "logs/a.log");
    let limits = settings.proxy.limits;
    assert_eq!(
        (limits.keepalive_timeout_ms, limits.header_timeout_ms),
        (90_000, 5000)
    );
    assert_eq!(
        (limits.body_timeout_ms, limits.send_timeout_ms),
        (500, 7000)
    );
    assert_eq!(limits.max_body_bytes, 10 << 20);
    assert_eq!(limits.max_condition_body_bytes, 2 << 20);
}

#[test]
fn every_key_without_a_meaning_is_named() {
    let loaded = apisix(
        "
apisix:
  node_listen: 80
  proxy_protocol: { listen_http_port: 9181 }
  dns_resolver: [127.0.0.1]
  ssl: { ssl_ciphers: x, listen: [{ port: 1, enable_http3: true }] }
nginx_config: { error_log_level: warn, http: { lua_shared_dict: { a: 1m } } }
ext-plugin: { cmd: [a] }
",
    );
    assert_eq!(
        loaded.ignored,
        [
            "apisix.ssl.listen.enable_http3",
            "apisix.proxy_protocol.listen_http_port",
            "apisix.dns_resolver",
            "apisix.ssl.ssl_ciphers",
            "nginx_config.error_log_level",
            "nginx_config.http.lua_shared_dict.a",
            "ext-plugin.cmd",
        ]
    );
}

#[test]
fn a_file_mode_reads_the_file_beside_it_and_a_data_plane_has_no_admin_api() {
    let yaml = "deployment: { role: data_plane, role_data_plane: { config_provider: yaml } }";
    let settings = apisix(yaml).settings;
    assert_eq!(
        settings.resources.as_deref(),
        Some(Path::new("conf/apisix.yaml"))
    );
    assert!(!settings.admin.enabled);
    let json = "deployment: { role_traditional: { config_provider: json } }";
    let settings = apisix(json).settings;
    assert_eq!(
        settings.resources.as_deref(),
        Some(Path::new("conf/apisix.json"))
    );
    assert!(settings.admin.enabled);
}

#[test]
fn an_etcd_that_is_named_is_refused() {
    let refused = |text: &str| {
        let path = Path::new("config.yaml");
        parse(Some(path), text, &Environment::new())
            .expect_err("no etcd")
            .to_string()
    };
    let text = "deployment:\n  etcd:\n    host: [\"http://e:2379\"]\n";
    assert!(refused(text).starts_with("config.yaml:2:3: deployment.etcd: expected"));
    let text = "deployment:\n  role_traditional:\n    config_provider: etcd\n";
    let message = refused(text);
    assert!(
        message.starts_with("config.yaml:3:5: deployment.role_traditional.config_provider: "),
        "{message}"
    );
}

#[test]
fn faults_in_an_apisix_file_are_told_in_its_own_words() {
    let path = Path::new("config.yaml");
    let text = "apisix:\n  node_listen:\n    - 80\n    - ip: nowhere\n      port: 81\n\
                nginx_config:\n  http: { keepalive_timeout: soon }\n";
    let error = parse(Some(path), text, &Environment::new())
        .expect_err("two faults")
        .to_string();
    assert_eq!(
        error,
        "config.yaml:4:7: apisix.node_listen[1].addr: expected an address and a port such as \
         127.0.0.1:9080, found \"nowhere:81\"\n\
         config.yaml:7:11: nginx_config.http.keepalive_timeout: expected an integer, found \"soon\""
    );
}

#[test]
fn the_key_rule_holds_for_an_apisix_file_too() {
    let refused = |text: &str| {
        let path = Path::new("config.yaml");
        parse(Some(path), text, &Environment::new())
            .expect_err("no good key")
            .to_string()
    };
    let open = "deployment:\n  admin:\n    admin_listen: { port: 9180 }\n";
    assert!(refused(open).contains("deployment.admin.admin_key: expected a key of at least 16"));
    let short = format!("{open}    admin_key: [{{ name: a, key: short, role: admin }}]\n");
    assert!(refused(&short).contains("config.yaml:4:5: deployment.admin.admin_key: "));
    let empty = "deployment: { admin: { admin_key: [{ name: a, key: '', role: admin }] } }";
    assert_eq!(
        apisix(empty).settings.admin.all_keys().count(),
        0,
        "one is generated later"
    );
}

#[test]
fn variables_and_overrides_work_in_an_apisix_file() {
    let path = Path::new("config.yaml");
    let pairs = [
        ("PORT", "81"),
        ("TOLLGATE_ADMIN_LISTEN", "127.0.0.1:5"),
        ("APISIX_WORKER_PROCESSES", "6"),
    ];
    let text = "apisix: { node_listen: ${{PORT}} }";
    let settings = parse(Some(path), text, &environment(&pairs))
        .expect("usable")
        .settings;
    assert_eq!(addresses(&settings), ["0.0.0.0:81"]);
    assert_eq!(settings.admin.listen.to_string(), "127.0.0.1:5");
    assert_eq!(settings.workers, 6);
}

#[test]
fn the_keyring_is_read_from_either_file() {
    let ours = own("data_encryption: { keyring: [qeddd145sfvddff3] }", &[]).unwrap();
    let moved = apisix("apisix: { data_encryption: { keyring: [qeddd145sfvddff3] } }");
    let single = apisix("apisix: { data_encryption: { keyring: qeddd145sfvddff3 } }");
    for loaded in [ours, moved, single] {
        assert!(loaded.ignored.is_empty(), "{:?}", loaded.ignored);
        let keyring = loaded.settings.data_encryption.keys().unwrap();
        let encrypted = keyring.encrypt("Bearer sk-123").unwrap();
        assert_eq!(encrypted, "CrJVY1vByZjl8KcUfjE7fw==");
    }
}

#[test]
fn without_a_keyring_or_with_encryption_off_there_is_no_key() {
    let off = "apisix: { data_encryption: { enable_encrypt_fields: false, keyring: [qeddd145sfvddff3] } }";
    for text in [off, "apisix: {}"] {
        let loaded = apisix(text);
        assert!(loaded.ignored.is_empty(), "{:?}", loaded.ignored);
        assert!(loaded.settings.data_encryption.keys().unwrap().is_empty());
    }
}

#[test]
fn faults_of_the_keyring_do_not_tell_the_keys() {
    let all = faults("data_encryption: { keyring: [qeddd145sfvddff3, sk-canary] }");
    assert_eq!(all.len(), 1);
    let text = &all[0];
    assert!(text.contains("data_encryption.keyring[1]"), "{text}");
    assert!(text.contains("a key of 16 or 32 bytes"), "{text}");
    for wrong in ["keyring: sk-canary-of-text", "keyring: { sk-canary: 1 }"] {
        for fault in faults(&format!("data_encryption: {{ {wrong} }}")) {
            assert!(!fault.contains("canary"), "{fault}");
        }
    }
    let loaded = settings("data_encryption: { keyring: [qeddd145sfvddff3] }");
    assert!(!format!("{loaded:?}").contains("qeddd145sfvddff3"));
}
