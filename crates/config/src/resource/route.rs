//! Routes: which requests are meant, and what happens to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::shared;
use super::{AnyResource, Id, Kind, Labels, Plugins, Resource, Status, Timeout, Upstream};
use crate::check::CheckError;

/// A request method that a route can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are the methods of HTTP")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
    Patch,
    Head,
    Options,
    Connect,
    Trace,
    Purge,
}

/// A route: which requests are meant, and what happens to them.
///
/// Needs `uri` or `uris`, and at least one of `plugins`, `upstream`, `upstream_id` and
/// `service_id`. Source: `apache/apisix`, `apisix/schema_def.lua`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "allOf" = [{ "oneOf": [{ "required": ["uri"] }, { "required": ["uris"] }] }],
    "anyOf" = [
        { "required": ["plugins"] },
        { "required": ["upstream"] },
        { "required": ["upstream_id"] },
        { "required": ["service_id"] },
    ],
))]
pub struct Route {
    /// The identifier of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// A name for people and for metrics.
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
    /// The path that matches: exact, with a trailing `*` as a prefix, or with parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub uri: Option<String>,
    /// Several paths, any of which matches. Not together with `uri`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1),
        inner(length(min = 1, max = 4096)),
        extend("uniqueItems" = true)
    )]
    pub uris: Option<Vec<String>>,
    /// Among routes with the same path, the one with the larger priority is tried first.
    #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))]
    pub priority: i64,
    /// The methods that match; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("uniqueItems" = true))]
    pub methods: Option<Vec<Method>>,
    /// The host name that matches; a leading `*.` stands for one or more labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::host")]
    pub host: Option<String>,
    /// Several host names, any of which matches. Not together with `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::hosts")]
    pub hosts: Option<Vec<String>>,
    /// The client address or network that matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::remote_addr")]
    pub remote_addr: Option<String>,
    /// Several client addresses or networks. Not together with `remote_addr`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::remote_addrs")]
    pub remote_addrs: Option<Vec<String>>,
    /// Conditions on variables, such as `[["arg_model", "==", "fast"]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vars: Option<Vec<Value>>,
    /// Plugin configurations by plugin name.
    pub plugins: Plugins,
    /// The plugin configuration whose plugins fill in what `plugins` does not name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_config_id: Option<Id>,
    /// The service whose settings hold where the route has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_id: Option<Id>,
    /// The upstream to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<Id>,
    /// An upstream of the route's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Time limits that win over those of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Whether the connection may be upgraded to a web socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_websocket: Option<bool>,
    /// `1` for a route in use, `0` for one that is not routed.
    pub status: Status,
    /// When the route was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the route was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl Route ===

impl Resource for Route {
    const KIND: Kind = Kind::Route;

    fn rules(&self) -> Result<(), CheckError> {
        if self.host.is_some() && self.hosts.is_some() {
            return Err(CheckError::only_one_of("host", "hosts"));
        }
        if self.remote_addr.is_some() && self.remote_addrs.is_some() {
            return Err(CheckError::only_one_of("remote_addr", "remote_addrs"));
        }
        self.upstream.as_ref().map_or(Ok(()), |upstream| {
            upstream.rules().map_err(|error| error.under("upstream"))
        })
    }

    fn own_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    fn into_any(self) -> AnyResource {
        AnyResource::Route(Box::new(self))
    }
}
