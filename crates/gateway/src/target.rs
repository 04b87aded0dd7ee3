//! What a request is aimed at: one reading of path and host that everybody uses.

use memchr::memchr3;

/// Normalises the path of a request target as nginx does: percent-decoded, without dot segments and
/// repeated slashes.
///
/// `None` for a path that does not begin with `/`, leaves the root, holds NUL or a broken percent
/// code.
pub(crate) fn path(raw: &str, keeps_encoded_slash: bool) -> Option<String> {
    if !raw.starts_with('/') {
        return None;
    }
    if is_normal(raw.as_bytes()) {
        return Some(raw.to_owned());
    }
    let decoded = decode(raw.as_bytes(), keeps_encoded_slash)?;
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_open = false;
    for segment in decoded.split(|byte| *byte == b'/').skip(1) {
        ends_open = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                kept.pop()?;
            }
            other => kept.push(other),
        }
    }
    let mut out = Vec::with_capacity(decoded.len());
    for segment in &kept {
        out.push(b'/');
        out.extend_from_slice(segment);
    }
    if ends_open || out.is_empty() {
        out.push(b'/');
    }
    Some(match String::from_utf8(out) {
        Ok(text) => text,
        Err(bytes) => String::from_utf8_lossy(bytes.as_bytes()).into_owned(),
    })
}

/// The host of an authority in lower case, without port and without a dot at its end; `None` when
/// it holds a byte that no authority has.
///
/// A client-made host such as `internal/#@public` must not be read in two ways.
pub(crate) fn host(authority: &[u8]) -> Option<String> {
    if !authority.iter().all(|byte| is_authority(*byte)) {
        return None;
    }
    let authority = std::str::from_utf8(authority).ok()?;
    let name = match authority.strip_prefix('[').and_then(|rest| rest.find(']')) {
        // The brackets of an IPv6 address hold colons.
        Some(end) => authority.get(..end + 2)?,
        None => authority.split(':').next()?,
    };
    let rest = authority.get(name.len()..)?;
    let port = rest.strip_prefix(':').unwrap_or(rest);
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    Some(name.to_ascii_lowercase())
}

fn is_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']' | b'!' | b'$'
        )
        || matches!(
            byte,
            b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b'%'
        )
}

/// Whether decoding and removing would change nothing.
fn is_normal(path: &[u8]) -> bool {
    let mut rest = path;
    let mut follows_slash = false;
    while let Some(at) = memchr3(b'%', b'/', b'.', rest) {
        let is_adjacent = follows_slash && at == 0;
        match rest.get(at) {
            Some(b'/') if !is_adjacent => follows_slash = true,
            Some(b'.') if !is_adjacent => follows_slash = false,
            // A percent code, a second slash, or a segment that begins with a dot.
            _ => return false,
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    true
}

fn decode(raw: &[u8], keeps_encoded_slash: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (high, low) = (bytes.next()?, bytes.next()?);
        match digit(high)? << 4 | digit(low)? {
            0 => return None,
            b'/' if keeps_encoded_slash => out.extend_from_slice(&[b'%', high, low]),
            decoded => out.push(decoded),
        }
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
