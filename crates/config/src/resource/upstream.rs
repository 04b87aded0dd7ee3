//! Upstreams: where requests are sent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shared;
use super::{AnyResource, Checks, Id, Kind, Labels, Nodes, Plugins, Resource, Timeout};
use crate::check::CheckError;
use crate::secret::Secret;

/// What `key` of a consistent hash names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    /// A variable of the request.
    #[default]
    Vars,
    /// A request header.
    Header,
    /// A cookie.
    Cookie,
    /// The name of the consumer; no `key` is needed.
    Consumer,
    /// A text with several variables in it.
    VarsCombinations,
}

/// How the upstream is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the protocols")]
pub enum Scheme {
    #[default]
    Http,
    Https,
    Grpc,
    Grpcs,
    Tcp,
    Tls,
    Udp,
    Kafka,
}

/// Which host name the upstream is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassHost {
    /// The one the client sent.
    #[default]
    Pass,
    /// The host of the node.
    Node,
    /// The one in `upstream_host`.
    Rewrite,
}

/// How many idle connections are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeepalivePool {
    /// Idle connections that are kept.
    #[schemars(range(min = 1))]
    pub size: u32,
    /// Seconds after which an idle connection is closed.
    #[schemars(range(min = 0))]
    pub idle_timeout: f64,
    /// Requests after which a connection is closed.
    #[schemars(range(min = 1))]
    pub requests: u32,
}

/// The gateway's own certificate towards the upstream, and whether the upstream's is checked.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "dependentRequired" = { "client_cert": ["client_key"], "client_key": ["client_cert"] },
))]
pub struct UpstreamTls {
    /// The `ssl` resource of type `client` that holds certificate and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert_id: Option<Id>,
    /// The certificate chain in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 128, max = 65536))]
    pub client_cert: Option<String>,
    /// The private key in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 65536))]
    pub client_key: Option<Secret>,
    /// Whether the upstream's certificate is checked.
    pub verify: bool,
}

/// An upstream: where requests are sent.
///
/// Has `nodes`, or `service_name` with `discovery_type`. Source: `apache/apisix`,
/// `apisix/schema_def.lua`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["nodes"] },
    { "required": ["service_name", "discovery_type"] },
]))]
pub struct Upstream {
    /// The identifier of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::name")]
    pub name: Option<String>,
    /// A note for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::desc")]
    pub desc: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "shared::labels")]
    pub labels: Labels,
    /// The servers, as weights by `host:port` or as an array of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    /// How a node is chosen: `roundrobin`, `chash`, `ewma` or `least_conn`.
    pub r#type: String,
    /// What `key` names when `type` is `chash`.
    pub hash_on: HashOn,
    /// The value that is hashed when `type` is `chash`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How the upstream is spoken to.
    pub scheme: Scheme,
    /// How often another node is tried; one less than there are nodes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub retries: Option<u32>,
    /// Seconds after which no further node is tried; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub retry_timeout: Option<f64>,
    /// Time limits; 60 seconds each when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Which host name the upstream is told.
    pub pass_host: PassHost,
    /// The host name for `pass_host: rewrite`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::host")]
    pub upstream_host: Option<String>,
    /// How connections are kept; the gateway's own pool when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keepalive_pool: Option<KeepalivePool>,
    /// The gateway's own certificate, and whether the upstream's is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Health checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// The kind of service discovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_type: Option<String>,
    /// What the service discovery needs to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery_args: Option<Map<String, Value>>,
    /// The name to look up with service discovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub service_name: Option<String>,
    /// When the upstream was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the upstream was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl KeepalivePool ===

impl Default for KeepalivePool {
    fn default() -> Self {
        Self {
            size: 320,
            idle_timeout: 60.0,
            requests: 1000,
        }
    }
}

// === impl Upstream ===

impl Default for Upstream {
    fn default() -> Self {
        Self {
            id: None,
            name: None,
            desc: None,
            labels: Labels::new(),
            nodes: None,
            r#type: "roundrobin".to_owned(),
            hash_on: HashOn::default(),
            key: None,
            scheme: Scheme::default(),
            retries: None,
            retry_timeout: None,
            timeout: None,
            pass_host: PassHost::default(),
            upstream_host: None,
            keepalive_pool: None,
            tls: None,
            checks: None,
            discovery_type: None,
            discovery_args: None,
            service_name: None,
            create_time: None,
            update_time: None,
        }
    }
}

impl Resource for Upstream {
    const KIND: Kind = Kind::Upstream;

    fn rules(&self) -> Result<(), CheckError> {
        self.host_rules()?;
        self.hash_rules()?;
        self.node_rules()
    }

    fn own_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    fn plugins(&self) -> &Plugins {
        Plugins::none()
    }

    fn into_any(self) -> AnyResource {
        AnyResource::Upstream(Box::new(self))
    }
}

impl Upstream {
    fn host_rules(&self) -> Result<(), CheckError> {
        let named = self
            .upstream_host
            .as_ref()
            .is_some_and(|host| !host.is_empty());
        if self.pass_host == PassHost::Rewrite && !named {
            return Err(CheckError::rule(
                "/upstream_host",
                "`upstream_host` can't be empty when `pass_host` is `rewrite`",
                "a host name, because `pass_host` is `rewrite`",
            ));
        }
        if let Some(UpstreamTls {
            client_cert: Some(_),
            client_cert_id: Some(_),
            ..
        }) = &self.tls
        {
            return Err(CheckError::only_one_of("client_cert", "client_cert_id").under("tls"));
        }
        Ok(())
    }

    fn hash_rules(&self) -> Result<(), CheckError> {
        if self.r#type != "chash" || self.hash_on == HashOn::Consumer {
            return Ok(());
        }
        let Some(key) = &self.key else {
            return Err(CheckError::rule(
                "/key",
                "missing key",
                "a key, because `type` is `chash`",
            ));
        };
        if self.hash_on == HashOn::Vars && !is_hash_variable(key) {
            return Err(CheckError::rule(
                "/key",
                format!("invalid configuration: {key} is no variable that can be hashed"),
                "uri, server_name, server_addr, request_uri, remote_port, remote_addr, \
                 query_string, host, hostname, mqtt_client_id or arg_ and a name",
            )
            .found(&Value::from(key.as_str())));
        }
        Ok(())
    }

    fn node_rules(&self) -> Result<(), CheckError> {
        let nodes = self.nodes.iter().flat_map(|nodes| &nodes.0);
        for node in nodes {
            let bare_ipv6 = !node.host.starts_with('[') && node.host.matches(':').count() > 1;
            if bare_ipv6 {
                return Err(CheckError::rule(
                    "/nodes",
                    "IPv6 address must be enclosed with '[' and ']'",
                    "an IPv6 address in brackets",
                )
                .found(&Value::from(node.host.as_str())));
            }
            let stray_port = node.host.contains(':') && !node.host.ends_with(']');
            if stray_port || !is_host(&node.host) {
                return Err(CheckError::rule(
                    "/nodes",
                    format!("invalid node {:?}", node.host),
                    "a host, or a host, `:` and a port from 1 to 65535",
                )
                .found(&Value::from(node.host.as_str())));
            }
        }
        Ok(())
    }
}

fn is_host(text: &str) -> bool {
    let name = text.strip_prefix('*').unwrap_or(text);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    !text.is_empty() && name.bytes().all(allowed)
}

fn is_hash_variable(key: &str) -> bool {
    const KNOWN: [&str; 10] = [
        "uri",
        "server_name",
        "server_addr",
        "request_uri",
        "remote_port",
        "remote_addr",
        "query_string",
        "host",
        "hostname",
        "mqtt_client_id",
    ];
    KNOWN.contains(&key)
        || key
            .strip_prefix("arg_")
            .is_some_and(|name| !name.is_empty())
}
