//! Percent-coding of URL paths.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

#[cfg(test)]
mod tests;

/// Everything but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What may not stand in a path: everything but `pchar` of RFC 3986 and the slash.
const PATH: &AsciiSet = &SEGMENT
    .remove(b'/')
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');

/// Encodes bytes so that they are one path segment: only unreserved characters stay.
///
/// ```
/// assert_eq!(wire::percent::encode_segment("a/b:c".as_bytes()), "a%2Fb%3Ac");
/// ```
pub fn encode_segment(segment: &[u8]) -> Cow<'_, str> {
    percent_encode(segment, SEGMENT).into()
}

/// Encodes a decoded path so that it is a path again: slashes and `pchar` characters stay.
///
/// ```
/// assert_eq!(wire::percent::encode_path("/a b/é?".as_bytes()), "/a%20b/%C3%A9%3F");
/// ```
pub fn encode_path(path: &[u8]) -> Cow<'_, str> {
    percent_encode(path, PATH).into()
}

/// Decodes every percent-triplet; what is not a triplet stays as it is.
///
/// ```
/// assert_eq!(wire::percent::decode("/a%20b%zz").as_ref(), b"/a b%zz");
/// ```
pub fn decode(text: &str) -> Cow<'_, [u8]> {
    percent_decode_str(text).into()
}
