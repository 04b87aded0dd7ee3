//! Types and schema rules that several kinds use.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Free labels of a resource.
pub type Labels = BTreeMap<String, String>;

/// The identifier of a resource.
///
/// Written as a string or as an integer from 1; compared as a string, so `1` and `"1"` are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Arc<str>);

/// Whether a resource takes part: `1` on the wire for yes, `0` for no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// The resource is used.
    #[default]
    Enabled,
    /// The resource is kept but not used.
    Disabled,
}

/// Time limits towards an upstream, each in seconds and above 0.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// Seconds to wait for a connection.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub connect: f64,
    /// Seconds to wait between two writes of the request.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub send: f64,
    /// Seconds to wait between two reads of the reply.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub read: f64,
}

// === impl Id ===

impl Id {
    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifier as shared text.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or an integer from 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.into()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string().into()))
            }
        }

        deserializer.deserialize_any(IdVisitor)
    }
}

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-_.]+$" },
                { "type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_991_u64 },
            ],
        })
    }
}

// === impl Status ===

impl Status {
    /// Whether the resource is used.
    pub const fn is_enabled(self) -> bool {
        matches!(self, Self::Enabled)
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(self.is_enabled()))
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Disabled),
            1 => Ok(Self::Enabled),
            other => Err(de::Error::custom(format_args!(
                "expected 0 or 1, found {other}"
            ))),
        }
    }
}

impl JsonSchema for Status {
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": [1, 0] })
    }
}

// === schema rules ===

/// A resource name: 1 to 256 characters.
pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "minLength": 1, "maxLength": 256 })
}

/// A description: at most 256 characters.
pub(super) fn desc(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 256 })
}

/// Labels: any keys, values of 1 to 256 characters without white space.
pub(super) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "patternProperties": {
            ".*": { "type": "string", "pattern": "^\\S+$", "minLength": 1, "maxLength": 256 },
        },
    })
}

/// One host name, exact, `*` or with a leading `*`.
pub(super) fn host(_: &mut SchemaGenerator) -> Schema {
    host_rule()
}

/// Several host names, at least one, none twice.
pub(super) fn hosts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "items": host_rule(), "minItems": 1, "uniqueItems": true,
    })
}

/// One client address or network.
pub(super) fn remote_addr(_: &mut SchemaGenerator) -> Schema {
    address_rule()
}

/// Several client addresses or networks, at least one, none twice.
pub(super) fn remote_addrs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "items": address_rule(), "minItems": 1, "uniqueItems": true,
    })
}

/// A time that the server sets: seconds since 1970.
pub(super) fn timestamp(_: &mut SchemaGenerator) -> Schema {
    // the largest whole number that APISIX, whose numbers are doubles, can hold
    json_schema!({ "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64 })
}

fn host_rule() -> Schema {
    json_schema!({ "type": "string", "pattern": "^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$" })
}

fn address_rule() -> Schema {
    json_schema!({
        "anyOf": [
            { "title": "IPv4", "type": "string", "format": "ipv4" },
            { "title": "IPv4/CIDR", "type": "string", "format": "ipv4-network" },
            { "title": "IPv6", "type": "string", "format": "ipv6" },
            { "title": "IPv6/CIDR", "type": "string", "format": "ipv6-network" },
        ],
    })
}
