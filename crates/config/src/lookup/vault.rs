//! Reading a secret at a Vault.
//!
//! Source: `apache/apisix`, `apisix/secret/vault.lua`; the key-value engines of Vault, versions 1
//! and 2.

use std::fmt;
use std::time::Duration;

use http::{HeaderValue, Request, StatusCode, Uri};
use net::{Origin, OriginSettings, RequestBody, Scheme, Timeouts};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::resource::SecretManager;
use crate::secret::{Secret, environment_value, is_environment_reference};
use crate::substitute::Environment;

/// How long an answer may take in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer that is read.
const LARGEST: usize = 1 << 20;

/// What cannot stand in a path as it is.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The fields of a secret; never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Fields(Value);

/// Why there is no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not there, surely.
    Absent(String),
    /// Nobody said whether it is.
    Unanswered(String),
}

// === impl Fields ===

impl Fields {
    /// The value of a field: a text as it is, anything else as its JSON text.
    ///
    /// Version 1 of the engine has the fields in `data`, version 2 in `data.data` beside `metadata`.
    pub(super) fn get(&self, name: &str) -> Option<Secret> {
        let of = |fields: Option<&Value>| match fields?.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(Secret::new(text.clone())),
            other => Some(Secret::new(other.to_string())),
        };
        let inner = self.0.get("data").filter(|inner| inner.is_object());
        let is_second = inner.is_some() && self.0.get("metadata").is_some_and(Value::is_object);
        of(inner).or_else(|| if is_second { None } else { of(Some(&self.0)) })
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fields(***)")
    }
}

/// Reads the secret at `path`.
pub(super) async fn ask(
    manager: &SecretManager,
    path: &str,
    environment: &Environment,
) -> Result<Fields, Refused> {
    let unanswered = |why: String| Refused::Unanswered(why);
    let (origin, request) = request(manager, path, environment).map_err(unanswered)?;
    let answer = async {
        let answer = origin.send(request, Timeouts::all(PATIENCE)).await?;
        let status = answer.head.status;
        let body = answer.body.read_whole(LARGEST).await?;
        Ok::<_, net::NetError>((status, body))
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    let answer = answer.map_err(|_| unanswered("no answer in time".to_owned()))?;
    match answer.map_err(|error| unanswered(error.to_string()))? {
        (StatusCode::OK, Some(body)) => fields(&body),
        (StatusCode::OK, None) => Err(unanswered(format!("an answer above {LARGEST} bytes"))),
        (StatusCode::NOT_FOUND, _) => Err(Refused::Absent(format!("there is no secret {path:?}"))),
        (status, _) => Err(unanswered(format!(
            "status {} for the secret {path:?}",
            status.as_u16()
        ))),
    }
}

fn fields(body: &[u8]) -> Result<Fields, Refused> {
    // The parser's own words are left out: they may repeat a piece of the secret.
    let answer = serde_json::from_slice::<Value>(body).ok();
    let data = answer.and_then(|mut answer| Some(answer.get_mut("data")?.take()));
    let data = data.filter(Value::is_object);
    data.map(Fields).ok_or_else(|| {
        Refused::Unanswered("expected a JSON object with data, found something else".to_owned())
    })
}

/// What is sent, and whereto.
fn request(
    manager: &SecretManager,
    path: &str,
    environment: &Environment,
) -> Result<(Origin, Request<RequestBody>), String> {
    let uri = manager.uri.as_deref().unwrap_or_default();
    let wrong = || "uri: expected an address such as https://vault:8200".to_owned();
    let base: Uri = uri.parse().map_err(|_| wrong())?;
    let scheme = match base.scheme_str() {
        Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        _ => return Err(wrong()),
    };
    let host = base.host().ok_or_else(wrong)?.trim_matches(['[', ']']);
    let port = base.port_u16().unwrap_or(scheme.default_port());
    let mut settings = OriginSettings::new(scheme, host.into(), port);
    settings.keepalive = None;
    let origin = Origin::new(settings).map_err(|_| wrong())?;
    let prefix = manager.prefix.as_deref().unwrap_or_default();
    let target = format!(
        "{}/v1/{}/{}",
        base.path().trim_end_matches('/'),
        utf8_percent_encode(prefix.trim_matches('/'), PATH),
        utf8_percent_encode(path, PATH)
    );
    let mut request = Request::get(target);
    if let Some(namespace) = &manager.namespace {
        request = request.header("x-vault-namespace", namespace);
    }
    let token = token(manager, environment)?;
    let request = request
        .header("x-vault-token", token)
        .header("connection", "close")
        .body(RequestBody::Empty);
    let request = request.map_err(|_| "prefix or namespace: expected plain text".to_owned())?;
    Ok((origin, request))
}

fn token(manager: &SecretManager, environment: &Environment) -> Result<HeaderValue, String> {
    let written = manager.token.as_ref().map_or("", Secret::expose);
    let token = if is_environment_reference(written) {
        environment_value(written, |name| environment.get(name).map(String::as_str))
            .map_err(|why| format!("token: {why}"))?
    } else {
        written.to_owned()
    };
    let mut token = HeaderValue::from_str(&token)
        .map_err(|_| "token: expected a text that can stand in a header".to_owned())?;
    token.set_sensitive(true);
    Ok(token)
}
