//! A service account: who asks for tokens, where, and how it proves who it is.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::uri::PathAndQuery;
use net::{Origin, OriginSettings};
use plugin::Secret;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The longest time that Google lets an assertion live, in seconds.
const ASSERTION_SECONDS: u64 = 3600;
const HEADER: &str = r#"{"alg":"RS256","typ":"JWT"}"#;

/// A service account that can sign.
pub(super) struct ServiceAccount {
    email: String,
    key: RsaKeyPair,
    scope: String,
    token_uri: String,
    pub(super) origin: Origin,
    pub(super) target: PathAndQuery,
}

/// A key file that cannot be used. Nothing of its content is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gcp service account: {0}")]
pub(super) struct AccountError(&'static str);

/// What is read of a key file.
#[derive(Deserialize)]
struct KeyFile {
    client_email: Option<String>,
    private_key: Option<Secret>,
    token_uri: Option<String>,
    scope: Option<Scope>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    One(String),
    Several(Vec<String>),
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    scope: &'a str,
    iat: u64,
    exp: u64,
}

// === impl ServiceAccount ===

impl ServiceAccount {
    /// Reads the content of a key file.
    ///
    /// # Errors
    /// [`AccountError`] names the member.
    pub(super) fn read(text: &Secret) -> Result<Self, AccountError> {
        let file: KeyFile = serde_json::from_str(text.expose()).map_err(|_| {
            AccountError("expected a JSON object with the texts client_email and private_key")
        })?;
        let email = file.client_email.filter(|email| !email.is_empty());
        let key = file.private_key.as_ref().and_then(rsa_key);
        let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        let (origin, target) =
            place(&token_uri).ok_or(AccountError("token_uri: expected a URL of http or https"))?;
        Ok(Self {
            email: email.ok_or(AccountError(
                "client_email: expected the name of the account",
            ))?,
            key: key.ok_or(AccountError(
                "private_key: expected an RSA key of 2048 to 8192 bits in PEM",
            ))?,
            scope: file.scope.map_or_else(|| SCOPE.to_owned(), Scope::joined),
            token_uri,
            origin,
            target,
        })
    }

    /// The name of the account.
    pub(super) fn email(&self) -> &str {
        &self.email
    }

    /// A signed JWT by which a token is asked for.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub(super) fn assertion(&self, now: SystemTime) -> Result<String, Unspecified> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let claims = Claims {
            iss: &self.email,
            aud: &self.token_uri,
            scope: &self.scope,
            iat: now,
            exp: now + ASSERTION_SECONDS,
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| Unspecified)?;
        let mut token = URL_SAFE_NO_PAD.encode(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut signature = vec![0; self.key.public_modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

// Written by hand: the key is a secret.
impl fmt::Debug for ServiceAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServiceAccount")
            .field("email", &self.email)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

fn rsa_key(pem: &Secret) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// Where tokens are asked for.
fn place(url: &str) -> Option<(Origin, PathAndQuery)> {
    let endpoint = Endpoint::parse(url).ok()?;
    let mut settings = OriginSettings::new(endpoint.scheme, endpoint.host, endpoint.port);
    // One call an hour is not worth a connection that waits.
    settings.keepalive = None;
    let path = endpoint.path.as_deref().unwrap_or("/");
    let target = match endpoint.query {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    Some((Origin::new(settings).ok()?, target.ok()?))
}

// === impl Scope ===

impl Scope {
    fn joined(self) -> String {
        match self {
            Self::One(scope) => scope,
            Self::Several(scopes) => scopes.join(" "),
        }
    }
}
