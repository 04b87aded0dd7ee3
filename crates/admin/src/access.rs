//! Who may use the Admin API.

use config::Secret;
use http::header::COOKIE;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::call::Query;
use crate::reply::Reply;

/// Who may use the Admin API.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody who reaches the listener: only where that is asked for in so many words.
    Open,
    /// Holders of one of these keys. With an empty list, nobody.
    Keys(Vec<AdminKey>),
}

/// A key to the Admin API.
#[derive(Clone, Debug)]
pub struct AdminKey {
    /// A name for logs.
    pub name: String,
    /// The key itself.
    pub key: Secret,
    /// What its holder may do.
    pub role: Role,
}

/// What the holder of a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Admin,
    /// Read.
    Viewer,
}

// === impl Access ===

impl Access {
    /// The name of the key that the request shows, or the answer that refuses it.
    pub(crate) fn admit(&self, head: &Parts) -> Result<&str, Reply> {
        let Self::Keys(keys) = self else {
            return Ok("");
        };
        let shown = shown(head).ok_or_else(|| refuse("missing apikey"))?;
        // every key is compared, so that the time taken does not tell which one is near
        let matching = keys.iter().fold(None, |found, key| {
            let equal = key.key.expose().as_bytes().ct_eq(shown.as_bytes());
            if bool::from(equal) { Some(key) } else { found }
        });
        let key = matching.ok_or_else(|| refuse("wrong apikey"))?;
        if key.role == Role::Viewer && head.method != Method::GET {
            return Err(refuse("invalid method for role viewer"));
        }
        Ok(&key.name)
    }
}

/// The key that a request shows: in its query, a header or a cookie, in this order.
fn shown(head: &Parts) -> Option<String> {
    let header = || head.headers.get("x-api-key")?.to_str().ok();
    Query::of(head)
        .get("api_key")
        .or_else(header)
        .map(str::to_owned)
        .or_else(|| cookie(&head.headers, "x_api_key"))
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then(|| value.to_owned()))
}

fn refuse(description: &str) -> Reply {
    Reply::json(
        StatusCode::UNAUTHORIZED,
        &json!({ "error_msg": "failed to check token", "description": description }),
    )
}
