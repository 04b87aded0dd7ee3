//! From the inside of a JSON string to the text it stands for.

/// Appends what the inside of a validated JSON string stands for.
pub(super) fn push(inner: &[u8], out: &mut String) {
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        push_plain(rest.get(..at).unwrap_or_default(), out);
        let escape = rest.get(at + 1..).unwrap_or_default();
        rest = push_escape(escape, out);
    }
    push_plain(rest, out);
}

fn push_plain(text: &[u8], out: &mut String) {
    match std::str::from_utf8(text) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(text)),
    }
}

/// Appends one escape, given without its backslash, and returns what follows it.
fn push_escape<'a>(escape: &'a [u8], out: &mut String) -> &'a [u8] {
    let Some((kind, rest)) = escape.split_first() else {
        return escape;
    };
    let plain = match kind {
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => return push_unicode(rest, out),
        other => char::from(*other),
    };
    out.push(plain);
    rest
}

/// Appends `XXXX` or `XXXX\uXXXX`; half of a surrogate pair becomes U+FFFD.
fn push_unicode<'a>(digits: &'a [u8], out: &mut String) -> &'a [u8] {
    let Some((first, rest)) = hex(digits) else {
        return digits;
    };
    if let Some(plain) = char::from_u32(first) {
        out.push(plain);
        return rest;
    }
    if (0xD800..0xDC00).contains(&first)
        && let Some((second, after)) = rest.strip_prefix(b"\\u").and_then(hex)
        && (0xDC00..0xE000).contains(&second)
    {
        let joined = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        out.push(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
        return after;
    }
    out.push(char::REPLACEMENT_CHARACTER);
    rest
}

fn hex(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (four, rest) = digits.split_at_checked(4)?;
    let value = four.iter().try_fold(0_u32, |sum, digit| {
        Some(sum * 16 + char::from(*digit).to_digit(16)?)
    })?;
    Some((value, rest))
}
