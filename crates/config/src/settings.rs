//! The process's own settings: `tollgate.yaml`, or an APISIX `config.yaml` taken as it is.
//!
//! Every key is optional. Every scalar can be overridden by an environment variable: the path in
//! capitals, joined by `_`, after `TOLLGATE_`, such as `TOLLGATE_ADMIN_KEY`.

mod apisix;
mod environment;
mod fault;
mod listen;
mod load;
mod rules;

pub use fault::{SettingsError, SettingsFault, Source as FaultSource};
pub use listen::{Address, Listener, ListenerTls};
pub use load::{Dialect, LoadedSettings, load, parse, schema};

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secret::Secret;

/// The settings of the process.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where traffic is accepted, and how.
    pub proxy: Proxy,
    /// The Admin API.
    pub admin: Admin,
    /// The control API, with status and readiness.
    pub control: Control,
    /// The metrics endpoint.
    pub metrics: Metrics,
    /// The directory of the embedded store and of generated keys.
    pub data_dir: PathBuf,
    /// A standalone file to read resources from, instead of the embedded store. It is watched, and
    /// the Admin API refuses writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<PathBuf>,
    /// An etcd to read resources from, instead of the embedded store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd: Option<Etcd>,
    /// How secrets lie in the embedded store.
    pub data_encryption: DataEncryption,
    /// The access log.
    pub access_log: AccessLog,
    /// How many threads work; 0 for one per core.
    #[schemars(range(max = 1024))]
    pub workers: usize,
    /// Milliseconds that requests in flight get to finish after a signal to stop.
    pub drain_timeout_ms: u64,
    /// The names of the plugins that may be used; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins: Option<Vec<String>>,
    /// Settings of plugins that hold everywhere, by plugin name.
    pub plugin_attr: Map<String, Value>,
}

/// Where traffic is accepted, and how.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own in the file"
)]
pub struct Proxy {
    /// The listeners, each as an address or as an object with an address.
    pub listen: Vec<Listener>,
    /// What a client may ask of a connection.
    pub limits: Limits,
    /// How hosts and paths are matched.
    pub router: Router,
    /// Whether one `/` at the end of a path is ignored when routes are matched.
    pub delete_uri_tail_slash: bool,
    /// Whether `%2F` in a path stays encoded when routes are matched.
    pub match_uri_encoded_slash: bool,
    /// The addresses and networks of proxies whose `X-Forwarded-*` headers are believed.
    pub trusted_addresses: Vec<String>,
    /// Whether every answer tells the status of the upstream in `X-APISIX-Upstream-Status`, and not
    /// only one that failed.
    pub show_upstream_status_in_response_header: bool,
    /// Whether the `Server` header tells the version.
    pub enable_server_tokens: bool,
    /// Whether nothing is probed, whatever `checks` say; everything counts as healthy then.
    pub disable_upstream_healthcheck: bool,
}

/// How hosts and paths are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Router {
    /// By host first, then by path.
    #[default]
    RadixtreeHostUri,
    /// By path first; the host is one of the conditions.
    RadixtreeUri,
    /// By path first, with `:name` parameters in paths.
    RadixtreeUriWithParameter,
}

/// What a client may ask of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Milliseconds in which the head of a request must arrive.
    #[schemars(range(min = 1))]
    pub header_timeout_ms: u64,
    /// Milliseconds that may pass between two parts of a request's body.
    #[schemars(range(min = 1))]
    pub body_timeout_ms: u64,
    /// Milliseconds that may pass until the client takes the next part of a reply.
    #[schemars(range(min = 1))]
    pub send_timeout_ms: u64,
    /// Milliseconds that a connection may be idle between two requests.
    #[schemars(range(min = 1))]
    pub keepalive_timeout_ms: u64,
    /// Bytes that the head of a request may have.
    #[schemars(range(min = 8192, max = 1_048_576))]
    pub max_header_bytes: usize,
    /// Lines that the head of a request may have.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_headers: usize,
    /// Bytes that the body of a request may have; 0 for no limit.
    pub max_body_bytes: u64,
    /// Bytes of a body that are read for a route condition such as `post_arg.model`; 0 for no
    /// limit.
    pub max_condition_body_bytes: u64,
    /// Requests that one HTTP/2 connection may have in flight.
    #[schemars(range(min = 1))]
    pub max_http2_streams: u32,
}

/// The Admin API.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Whether the Admin API is served.
    pub enabled: bool,
    /// The address it is served at.
    pub listen: Address,
    /// The key that a caller must show in `X-API-KEY`. One is generated when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Further keys, each with a name and a role.
    pub keys: Vec<AdminKey>,
    /// Whether a key must be shown at all.
    pub key_required: bool,
}

/// A key of the Admin API.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminKey {
    /// Whose key it is.
    #[serde(default)]
    pub name: String,
    /// The key.
    pub key: Secret,
    /// What it allows.
    #[serde(default)]
    pub role: AdminRole,
}

/// What a key of the Admin API allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdminRole {
    /// Everything.
    #[default]
    Admin,
    /// Reading only.
    Viewer,
}

/// The control API, with status and readiness.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// Whether the control API is served.
    pub enabled: bool,
    /// The address it is served at.
    pub listen: Address,
}

/// The metrics endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// Whether metrics are served.
    pub enabled: bool,
    /// The address they are served at.
    pub listen: Address,
    /// The path they are served at.
    #[schemars(regex(pattern = "^/"))]
    pub path: String,
}

/// An etcd with the keys that APISIX uses.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Etcd {
    /// Where it is served.
    #[schemars(length(min = 1))]
    pub endpoints: Vec<String>,
    /// The prefix of all keys.
    pub prefix: String,
    /// The user to log in as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user's password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// How secrets lie in the embedded store: encrypted when there is a key, else as they are.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataEncryption {
    /// Whether keys are used.
    pub enabled: bool,
    /// The keys, each of 16 or 32 bytes: the first encrypts, all are tried to decrypt.
    pub keyring: Vec<Secret>,
}

/// The access log.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccessLog {
    /// Whether requests are logged.
    pub enabled: bool,
    /// The file that is appended to; `-` for standard output.
    #[schemars(length(min = 1))]
    pub path: String,
    /// `json`, or a text with `$variables`.
    #[schemars(length(min = 1))]
    pub format: String,
}

// === defaults ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            proxy: Proxy::default(),
            admin: Admin::default(),
            control: Control::default(),
            metrics: Metrics::default(),
            data_dir: PathBuf::from("./data"),
            resources: None,
            etcd: None,
            data_encryption: DataEncryption::default(),
            access_log: AccessLog::default(),
            workers: 0,
            drain_timeout_ms: 30_000,
            plugins: None,
            plugin_attr: Map::new(),
        }
    }
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            listen: vec![Listener::plain(Address::loopback(9080))],
            limits: Limits::default(),
            router: Router::default(),
            delete_uri_tail_slash: false,
            match_uri_encoded_slash: false,
            trusted_addresses: Vec::new(),
            show_upstream_status_in_response_header: false,
            enable_server_tokens: true,
            disable_upstream_healthcheck: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout_ms: 60_000,
            body_timeout_ms: 60_000,
            send_timeout_ms: 60_000,
            keepalive_timeout_ms: 60_000,
            max_header_bytes: 32_768,
            max_headers: 100,
            max_body_bytes: 0,
            max_condition_body_bytes: 64 << 20,
            max_http2_streams: 128,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: Address::loopback(9180),
            key: None,
            keys: Vec::new(),
            key_required: true,
        }
    }
}

impl Default for Control {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: Address::loopback(9090),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: Address::loopback(9091),
            path: "/apisix/prometheus/metrics".to_owned(),
        }
    }
}

impl Default for Etcd {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://127.0.0.1:2379".to_owned()],
            prefix: "/apisix".to_owned(),
            user: None,
            password: None,
        }
    }
}

impl Default for DataEncryption {
    fn default() -> Self {
        Self {
            enabled: true,
            keyring: Vec::new(),
        }
    }
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            enabled: true,
            path: "-".to_owned(),
            format: "json".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
