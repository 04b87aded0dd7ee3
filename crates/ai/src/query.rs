//! Query strings as lists of pairs, each kept as it was written.

use std::borrow::Cow;

use wire::percent;

/// One argument of a query string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument<'a> {
    /// Name with its percent-coding undone.
    pub(crate) name: Cow<'a, [u8]>,
    /// The argument as written: `name`, `name=` or `name=value`.
    pub(crate) text: Cow<'a, str>,
}

/// The arguments of a query string, in order.
pub(crate) fn arguments(query: &str) -> impl Iterator<Item = Argument<'_>> {
    query
        .split('&')
        .filter(|text| !text.is_empty())
        .map(|text| {
            let name = text.split_once('=').map_or(text, |(name, _)| name);
            Argument {
                name: decoded(name),
                text: Cow::Borrowed(text),
            }
        })
}

/// An argument from its plain name and value.
pub(crate) fn argument(name: &str, value: &str) -> Argument<'static> {
    let coded = |text: &str| percent::encode_segment(text.as_bytes()).into_owned();
    Argument {
        name: Cow::Owned(name.as_bytes().to_vec()),
        text: Cow::Owned(format!("{}={}", coded(name), coded(value))),
    }
}

/// Writes `path?a&b`; no `?` without arguments.
pub(crate) fn joined<'a>(path: &str, texts: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::with_capacity(path.len() + 64);
    out.push_str(path);
    for (index, text) in texts.enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out.push_str(text);
    }
    out
}

fn decoded(name: &str) -> Cow<'_, [u8]> {
    if name.contains('+') {
        let spaced = name.replace('+', " ");
        return Cow::Owned(percent::decode(&spaced).into_owned());
    }
    percent::decode(name)
}
