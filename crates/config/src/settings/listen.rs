//! Addresses to listen at.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An address and a port to listen at, such as `127.0.0.1:9080`, `[::1]:9080` or `localhost:9080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address(pub SocketAddr);

/// One listener: an address alone, or an object.
///
/// Shape: `"127.0.0.1:9080"`, or `{ addr: "0.0.0.0:9443", tls: { cert, key }, http2: true }`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(from = "Form")]
#[schemars(with = "Form")]
pub struct Listener {
    /// The address.
    pub addr: Address,
    /// TLS, when the listener speaks it.
    pub tls: Option<ListenerTls>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
}

/// TLS of a listener.
///
/// Certificates of `ssls` resources are chosen by server name. `cert` and `key` are shown to
/// clients for which there is none of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "cert": ["key"], "key": ["cert"] }))]
pub struct ListenerTls {
    /// The file with the certificate chain in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// The file with the private key in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// The two written forms of a listener.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Form {
    Address(Address),
    Full(Full),
}

/// The long form of a listener.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Full {
    /// The address.
    addr: Address,
    /// TLS, when the listener speaks it.
    #[serde(default)]
    tls: Option<ListenerTls>,
    /// Whether HTTP/2 is spoken.
    #[serde(default = "yes")]
    http2: bool,
}

const fn yes() -> bool {
    true
}

// === impl Address ===

impl Address {
    /// A port that only this machine can reach.
    pub const fn loopback(port: u16) -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    }

    /// Whether only this machine can reach the address.
    pub fn is_loopback(&self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }

    /// Reads an address and a port.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(port) = text.strip_prefix("localhost:") {
            return port.parse().ok().map(Self::loopback);
        }
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format_args!(
                "expected an address and a port such as 127.0.0.1:9080, found {text:?}"
            ))
        })
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "address:port" })
    }
}

// === impl Listener ===

impl Listener {
    /// A listener without TLS.
    pub const fn plain(addr: Address) -> Self {
        Self {
            addr,
            tls: None,
            http2: true,
        }
    }
}

impl From<Form> for Listener {
    fn from(form: Form) -> Self {
        match form {
            Form::Address(addr) => Self::plain(addr),
            Form::Full(Full { addr, tls, http2 }) => Self { addr, tls, http2 },
        }
    }
}
