//! Steps over JSON text that is already known to be valid.
//!
//! Validation is `serde_json`'s; what remains is to find where a value ends, and for that no parser
//! is needed. On text that is not valid the steps still end and never leave the slice.

use std::ops::Range;

/// Where one member of an object stands in the object's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The name with its quotes.
    pub(super) name: Range<usize>,
    /// The value without surrounding whitespace.
    pub(super) value: Range<usize>,
}

/// The first position at or after `at` that is not JSON whitespace.
pub(super) fn skip_space(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let space = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
        .count();
    at + space
}

/// The position just behind the value that starts at `at`.
pub(super) fn skip_value(text: &[u8], at: usize) -> usize {
    match text.get(at) {
        Some(b'"') => skip_string(text, at),
        Some(b'{' | b'[') => skip_nested(text, at),
        Some(_) => skip_scalar(text, at),
        None => text.len(),
    }
}

/// The member whose name starts at or after `at`, and the position of the next one.
pub(super) fn next_member(text: &[u8], at: usize) -> Option<(Member, usize)> {
    let start = skip_space(text, at);
    if text.get(start) != Some(&b'"') {
        return None;
    }
    let end = skip_string(text, start);
    let colon = skip_space(text, end);
    if text.get(colon) != Some(&b':') {
        return None;
    }
    let value_start = skip_space(text, colon + 1);
    let value_end = skip_value(text, value_start);
    let member = Member {
        name: start..end,
        value: value_start..value_end,
    };
    Some((member, skip_comma(text, value_end)))
}

/// The array element that starts at or after `at`, and the position of the next one.
pub(super) fn next_item(text: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let start = skip_space(text, at);
    if matches!(text.get(start), None | Some(b']')) {
        return None;
    }
    let end = skip_value(text, start);
    Some((start..end, skip_comma(text, end)))
}

/// Behind the comma that follows a value, or on the closing bracket.
fn skip_comma(text: &[u8], at: usize) -> usize {
    let at = skip_space(text, at);
    if text.get(at) == Some(&b',') {
        at + 1
    } else {
        at
    }
}

fn skip_string(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(found) if rest.get(found) == Some(&b'"') => return at + found + 1,
            Some(found) => at += found + 2,
            None => return text.len(),
        }
    }
}

fn skip_nested(text: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = at;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// At least one byte is taken, so that a walk over invalid text ends.
fn skip_scalar(text: &[u8], at: usize) -> usize {
    let rest = text.get(at + 1..).unwrap_or_default();
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
    at + 1 + rest.iter().position(ends).unwrap_or(rest.len())
}
