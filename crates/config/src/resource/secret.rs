//! Secret managers: where secret references are looked up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared;
use super::{AnyResource, Kind, Plugins, Resource};
use crate::check::CheckError;
use crate::secret::Secret;

/// The identity of a service account at Google.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpAuth {
    /// The address of the service account.
    pub client_email: String,
    /// Its private key in PEM.
    pub private_key: Secret,
    /// The project that holds the secrets.
    pub project_id: String,
    /// Where access tokens are issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_uri: Option<String>,
    /// What an access token is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Vec<String>>,
    /// Where secrets are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_uri: Option<String>,
}

/// A secret manager. Its `id` is `<manager>/<id>`, and the manager says which fields it needs:
///
/// `vault` needs `uri`, `prefix` and `token`; `aws` needs `access_key_id` and
/// `secret_access_key`; `gcp` needs one of `auth_config` and `auth_file`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretManager {
    /// The identifier of the manager, `<manager>/<id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(?:(?:vault|aws|gcp)/)?[a-zA-Z0-9_.-]+$"))]
    pub id: Option<String>,
    /// vault: where it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// vault: the path below which secrets are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// vault: the token to read with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// vault: the namespace, where several are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// aws: the name of the access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// aws: the access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<Secret>,
    /// aws: the token of a temporary access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
    /// aws: the region, `us-east-1` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// aws: where secrets are read, when not at the region's own address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_url: Option<String>,
    /// gcp: the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_config: Option<GcpAuth>,
    /// gcp: a file with the service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_file: Option<String>,
    /// gcp: whether certificates are checked; yes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_verify: Option<bool>,
    /// When the manager was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the manager was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl SecretManager ===

impl SecretManager {
    /// Judges the fields that a manager of this name (`vault`, `aws` or `gcp`) needs.
    ///
    /// # Errors
    ///
    /// The first field that is missing, or a manager that is not known.
    pub fn rules_of(&self, manager: &str) -> Result<(), CheckError> {
        let needed: &[(&str, bool)] = match manager {
            "vault" => &[
                ("uri", self.uri.is_some()),
                ("prefix", self.prefix.is_some()),
                ("token", self.token.is_some()),
            ],
            "aws" => &[
                ("access_key_id", self.access_key_id.is_some()),
                ("secret_access_key", self.secret_access_key.is_some()),
            ],
            "gcp" if self.auth_config.is_some() && self.auth_file.is_some() => {
                return Err(CheckError::only_one_of("auth_config", "auth_file"));
            }
            "gcp" => &[(
                "auth_config",
                self.auth_config.is_some() || self.auth_file.is_some(),
            )],
            _ => {
                let message = format!("invalid secret manager: {manager}");
                return Err(CheckError::rule(
                    "/id",
                    message,
                    "vault, aws or gcp, `/` and a name",
                ));
            }
        };
        match needed.iter().find(|(_, present)| !present) {
            Some((name, _)) => Err(CheckError::required(name)),
            None => Ok(()),
        }
    }
}

impl Resource for SecretManager {
    const KIND: Kind = Kind::Secret;

    fn rules(&self) -> Result<(), CheckError> {
        match self.id.as_deref().and_then(|id| id.split_once('/')) {
            Some((manager, _)) => self.rules_of(manager),
            None => Ok(()),
        }
    }

    fn own_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn plugins(&self) -> &Plugins {
        Plugins::none()
    }

    fn into_any(self) -> AnyResource {
        AnyResource::Secret(Box::new(self))
    }
}
