//! Upstream nodes in both of their written forms.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// One server of an upstream.
///
/// Shape: `{"host": "10.0.0.1", "port": 8080, "weight": 1}`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Host name or address; an IPv6 address stands in brackets.
    #[schemars(extend("pattern" = "^\\*$|^\\*?[0-9a-zA-Z-._\\[\\]:]+$"))]
    pub host: String,
    /// The port; the scheme's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The node's share of requests; 0 for none.
    #[schemars(range(min = 0))]
    pub weight: u32,
    /// Nodes with a larger priority are used first.
    #[serde(default)]
    pub priority: i32,
    /// Anything that discovery knows about the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// The nodes of an upstream, written as `{"host:port": weight}` or as an array of [`Node`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Nodes(pub Vec<Node>);

// === impl Node ===

impl Node {
    /// A node from the key of the short form: `host`, `host:port`, `[v6]` or `[v6]:port`.
    ///
    /// A port that is none stays part of the host, where the rules of the upstream find it.
    fn from_key(key: &str, weight: u32) -> Self {
        let split = match key.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .map(|port| (host, port)),
            _ => None,
        };
        let (host, port) = split.map_or((key, None), |(host, port)| (host, Some(port)));
        Self {
            host: host.to_owned(),
            port,
            weight,
            priority: 0,
            metadata: None,
        }
    }
}

// === impl Nodes ===

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodesVisitor;

        impl<'de> Visitor<'de> for NodesVisitor {
            type Value = Nodes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of weights by host and port, or an array of nodes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Nodes, A::Error> {
                let mut nodes = Vec::new();
                while let Some((key, weight)) = map.next_entry::<Cow<'_, str>, u32>()? {
                    nodes.push(Node::from_key(&key, weight));
                }
                Ok(Nodes(nodes))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Nodes, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = items.next_element()? {
                    nodes.push(node);
                }
                Ok(Nodes(nodes))
            }
        }

        deserializer.deserialize_any(NodesVisitor)
    }
}

impl JsonSchema for Nodes {
    fn schema_name() -> Cow<'static, str> {
        "Nodes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let node = generator.subschema_for::<Node>();
        json_schema!({
            "anyOf": [
                {
                    "type": "object",
                    "additionalProperties": {
                        "type": "integer", "minimum": 0, "maximum": u32::MAX,
                    },
                },
                { "type": "array", "items": node },
            ],
        })
    }
}
