//! One call to a token endpoint.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use net::{RequestBody, Timeouts};
use serde::Deserialize;

use super::TokenError;
use super::account::ServiceAccount;
use crate::record::Chain;

/// Longest silence of a token endpoint.
const SILENCE: Duration = Duration::from_secs(10);
/// Longest time of a whole call.
const WHOLE: Duration = Duration::from_secs(20);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 64 * 1024;
/// How long a token lives whose answer does not say it.
const LIFETIME: Duration = Duration::from_hours(1);
/// How long a token is believed to live at most.
const LONGEST: Duration = Duration::from_hours(24 * 365);
const GRANT: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// A token as it was given.
pub(super) struct Grant {
    /// `Bearer …`
    pub(super) header: HeaderValue,
    pub(super) lifetime: Duration,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    /// Seconds.
    expires_in: Option<f64>,
}

/// What it answers when it does not want to.
#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

/// Asks for a token.
///
/// # Errors
/// [`TokenError`]; its cause has the words of the endpoint.
pub(super) async fn ask(account: &ServiceAccount) -> Result<Grant, TokenError> {
    let assertion = account.assertion(SystemTime::now());
    let assertion = assertion.map_err(|_| TokenError::new("the private key cannot sign"))?;
    let mut request = Request::new(RequestBody::Full(Bytes::from(
        GRANT.to_owned() + &assertion,
    )));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = Uri::from(account.target.clone());
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, form);
    let call = async {
        let answer = account.origin.send(request, Timeouts::all(SILENCE)).await?;
        let status = answer.head.status;
        let body = answer.body.read_whole(LARGEST).await?;
        Ok((status, body.unwrap_or_default()))
    };
    match tokio::time::timeout(WHOLE, call).await {
        Ok(Ok((StatusCode::OK, body))) => read(&body),
        Ok(Ok((status, body))) => Err(refused(status, &body)),
        Ok(Err(error)) => Err(unreached(account, &error)),
        Err(_) => {
            let host = account.origin.authority();
            Err(TokenError::new(format!(
                "the token endpoint {host} took too long"
            )))
        }
    }
}

fn read(body: &[u8]) -> Result<Grant, TokenError> {
    let Ok(Answer {
        access_token: Some(token),
        expires_in,
    }) = serde_json::from_slice(body)
    else {
        return Err(TokenError::new(
            "the token endpoint answered without access_token",
        ));
    };
    let header = HeaderValue::from_maybe_shared(Bytes::from(format!("Bearer {token}")));
    let mut header = header.map_err(|_| {
        TokenError::new("the token endpoint gave an access_token that no header can carry")
    })?;
    header.set_sensitive(true);
    let lifetime = expires_in.map_or(LIFETIME, |seconds| {
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(LONGEST)
    });
    Ok(Grant {
        header,
        lifetime: lifetime.min(LONGEST),
    })
}

fn refused(status: StatusCode, body: &[u8]) -> TokenError {
    let why = format!("the token endpoint answered {}", status.as_u16());
    let error = TokenError::new(why);
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => error.because(refusal.to_string()),
        Err(_) => error,
    }
}

fn unreached(account: &ServiceAccount, error: &net::NetError) -> TokenError {
    let host = account.origin.authority();
    TokenError::new(format!("the token endpoint {host}: {error}")).because(Chain(error).to_string())
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [&self.error, &self.error_description];
        let mut mark = "";
        for text in words.into_iter().flatten() {
            // Somebody else's words: no line of the log may be forged, or grow without end.
            let shown: String = text
                .chars()
                .take(300)
                .flat_map(char::escape_debug)
                .collect();
            write!(formatter, "{mark}{shown}")?;
            mark = ": ";
        }
        Ok(())
    }
}
