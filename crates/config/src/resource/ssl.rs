//! TLS certificates by server name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared;
use super::{AnyResource, Id, Kind, Labels, Plugins, Resource, Status};
use crate::check::CheckError;
use crate::secret::Secret;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SslType {
    /// Shown to clients.
    #[default]
    Server,
    /// Shown to upstreams.
    Client,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are the versions")]
pub enum TlsVersion {
    #[serde(rename = "TLSv1.1")]
    V1_1,
    #[serde(rename = "TLSv1.2")]
    V1_2,
    #[serde(rename = "TLSv1.3")]
    V1_3,
}

/// What is asked of a client's certificate.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SslClient {
    /// The authorities that sign client certificates, in PEM.
    #[schemars(length(min = 128, max = 65536))]
    pub ca: String,
    /// How many intermediate certificates are allowed.
    #[serde(default = "one")]
    #[schemars(range(min = 0))]
    pub depth: u32,
    /// Paths that need no client certificate, as regular expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub skip_mtls_uri_regex: Option<Vec<String>>,
}

/// A TLS certificate with its key, for one or more server names.
///
/// Source: `apache/apisix`, `apisix/schema_def.lua`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend(
    "if" = { "properties": { "type": { "const": "server" } } },
    "then" = { "oneOf": [
        { "required": ["sni", "key", "cert"] },
        { "required": ["snis", "key", "cert"] },
    ] },
    "else" = { "required": ["key", "cert"] },
))]
pub struct Ssl {
    /// The identifier of the certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// What the certificate is for.
    pub r#type: SslType,
    /// The certificate chain in PEM, or a secret reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 128, max = 65536))]
    pub cert: Option<String>,
    /// The private key in PEM, or a secret reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 65536))]
    pub key: Option<Secret>,
    /// The server name; a leading `*.` stands for one label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::host")]
    pub sni: Option<String>,
    /// Several server names. Not together with `sni`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::hosts")]
    pub snis: Option<Vec<String>>,
    /// Further certificate chains, such as one for another algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(length(min = 128, max = 65536)))]
    pub certs: Option<Vec<String>>,
    /// The private keys of `certs`, in the same order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(inner(length(min = 64, max = 65536)))]
    pub keys: Option<Vec<Secret>>,
    /// What is asked of a client's certificate; nothing when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<SslClient>,
    /// `1` for a certificate in use, `0` for one that is not.
    pub status: Status,
    /// The versions of TLS that are spoken; the listener's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3), extend("uniqueItems" = true))]
    pub ssl_protocols: Option<Vec<TlsVersion>>,
    /// A note for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::desc")]
    pub desc: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "shared::labels")]
    pub labels: Labels,
    /// When the certificate was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the certificate was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

const fn one() -> u32 {
    1
}

// === impl Ssl ===

impl Ssl {
    /// The server names that the certificate is for.
    pub fn server_names(&self) -> impl Iterator<Item = &str> {
        let many = self.snis.iter().flatten();
        self.sni.iter().chain(many).map(String::as_str)
    }
}

impl Resource for Ssl {
    const KIND: Kind = Kind::Ssl;

    fn rules(&self) -> Result<(), CheckError> {
        let certs = self.certs.as_ref().map_or(0, Vec::len);
        let keys = self.keys.as_ref().map_or(0, Vec::len);
        if certs != keys {
            return Err(CheckError::rule(
                "/keys",
                "mismatched number of certs and keys",
                format!("as many keys as there are certs, which is {certs}"),
            )
            .found(&keys.into()));
        }
        Ok(())
    }

    fn own_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    fn plugins(&self) -> &Plugins {
        Plugins::none()
    }

    fn into_any(self) -> AnyResource {
        AnyResource::Ssl(Box::new(self))
    }
}
