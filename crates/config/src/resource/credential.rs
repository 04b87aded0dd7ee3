//! Credentials: further ways for a consumer to prove who they are.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::shared;
use super::{AnyResource, Id, Kind, Labels, Plugins, Resource};

/// A credential of a consumer: one authentication plugin with its key.
///
/// Source: `apache/apisix`, `apisix/schema_def.lua`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Credential {
    /// The identifier of the credential, alone or as `<consumer>/credentials/<id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "credential_id")]
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
    /// The authentication plugin and its configuration: at most one.
    #[schemars(schema_with = "one_plugin")]
    pub plugins: Plugins,
    /// When the credential was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the credential was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl Credential ===

impl Resource for Credential {
    const KIND: Kind = Kind::Credential;

    fn own_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    fn into_any(self) -> AnyResource {
        AnyResource::Credential(Box::new(self))
    }
}

fn credential_id(generator: &mut SchemaGenerator) -> Schema {
    let id = Id::json_schema(generator);
    json_schema!({
        "anyOf": [
            id,
            {
                "type": "string",
                "minLength": 15,
                "maxLength": 128,
                "pattern": "^[a-zA-Z0-9_-]+/credentials/[a-zA-Z0-9-_.]+$",
            },
        ],
    })
}

fn one_plugin(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "maxProperties": 1 })
}
