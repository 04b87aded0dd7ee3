//! What logs do not show: values of headers, arguments and cookies that hold secrets.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

/// What stands for a value that is not shown.
pub(crate) const MASK: &str = "***";

/// Last words of names whose values are secrets: `x-api-key`, `access_token`.
const LAST_WORDS: [&str; 15] = [
    "apikey",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "jwt",
    "key",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sig",
    "signature",
    "token",
    "cookie",
];

/// Names that run their words together.
const JOINED: [&str; 7] = [
    "accesskey",
    "accesstoken",
    "authtoken",
    "clientsecret",
    "secretkey",
    "sessiontoken",
    "subscriptionkey",
];

/// Whether values under this name of a header, argument or cookie are secrets.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let last = name
        .rsplit(['-', '_', '.', ':', '[', ']'])
        .find(|word| !word.is_empty());
    let last = last.unwrap_or(name);
    LAST_WORDS
        .iter()
        .chain(&JOINED)
        .any(|word| last.eq_ignore_ascii_case(word))
        || ["apikey", "token"].iter().any(|word| ends_with(last, word))
}

/// The value of a header as logs show it.
pub(crate) fn header<'a>(
    name: &HeaderName,
    value: &'a HeaderValue,
    known: &[Arc<str>],
) -> Cow<'a, str> {
    // An auth plugin marks the credential that it read, wherever it stands.
    if value.is_sensitive() || is_secret_name(name.as_str()) {
        return Cow::Borrowed(MASK);
    }
    let text = String::from_utf8_lossy(value.as_bytes());
    if name == http::header::REFERER || name == http::header::LOCATION {
        return Cow::Owned(target(&text, known).into_owned());
    }
    text
}

/// A URL, path with query, or request line as logs show it: the values of arguments masked whose
/// names are `known` to be secret or sound so.
pub(crate) fn target<'a>(text: &'a str, known: &[Arc<str>]) -> Cow<'a, str> {
    let Some(mark) = text.find('?') else {
        return Cow::Borrowed(text);
    };
    let (before, query) = text.split_at(mark + 1);
    let (query, after) = query.split_at(query.find([' ', '#']).unwrap_or(query.len()));
    match arguments(query, known) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(masked) => Cow::Owned([before, &masked, after].concat()),
    }
}

/// A query as logs show it.
pub(crate) fn arguments<'a>(query: &'a str, known: &[Arc<str>]) -> Cow<'a, str> {
    if !query.split('&').any(|pair| is_secret_pair(pair, known)) {
        return Cow::Borrowed(query);
    }
    let mut masked = String::with_capacity(query.len());
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            masked.push('&');
        }
        match pair.split_once('=') {
            Some((name, _)) if is_secret_pair(pair, known) => {
                masked.push_str(name);
                masked.push('=');
                masked.push_str(MASK);
            }
            _ => masked.push_str(pair),
        }
    }
    Cow::Owned(masked)
}

fn is_secret_pair(pair: &str, known: &[Arc<str>]) -> bool {
    let Some((name, _)) = pair.split_once('=') else {
        return false;
    };
    let name = wire::percent::decode(name);
    let name = String::from_utf8_lossy(&name);
    is_secret_name(&name) || known.iter().any(|known| **known == *name)
}

fn ends_with(text: &str, end: &str) -> bool {
    let start = text.len().checked_sub(end.len());
    start
        .and_then(|start| text.get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}
