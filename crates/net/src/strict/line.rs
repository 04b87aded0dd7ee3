//! What one line of a head may look like.

use memchr::{memchr, memchr2};

use super::Violation;

/// The protocol version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    Old,
    New,
}

/// What the lines of one head have said so far about the message's end and addressee.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    version: Version,
    /// With what an answer begins that ends HTTP on this connection.
    switch: Option<&'static [u8]>,
    length: Option<u64>,
    chunked: bool,
    host: bool,
}

/// How the body of a message ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Length(u64),
    Chunked,
}

/// Takes the line end off; the line itself may hold no byte that another parser could end it at.
pub(super) fn content(line: &[u8]) -> Result<&[u8], Violation> {
    let content = line.strip_suffix(b"\r\n").ok_or(Violation::LineEnd)?;
    match memchr2(b'\r', b'\0', content).and_then(|at| content.get(at)) {
        None => Ok(content),
        Some(b'\0') => Err(Violation::Nul),
        Some(_) => Err(Violation::LineEnd),
    }
}

/// The size that a chunk's first line announces; extensions are allowed and mean nothing.
pub(super) fn chunk_size(line: &[u8]) -> Result<u64, Violation> {
    let digits = memchr(b';', line)
        .and_then(|at| line.get(..at))
        .unwrap_or(line);
    if digits.is_empty() || digits.len() > 16 {
        return Err(Violation::Chunk);
    }
    digits.iter().try_fold(0_u64, |size, byte| {
        let digit = char::from(*byte).to_digit(16).ok_or(Violation::Chunk)?;
        Ok(size << 4 | u64::from(digit))
    })
}

/// Checks a line of the trailer section.
pub(super) fn trailer(line: &[u8]) -> Result<(), Violation> {
    let (name, _) = field(line)?;
    let forbidden: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
    if forbidden.iter().any(|one| name.eq_ignore_ascii_case(one)) {
        return Err(Violation::Trailer);
    }
    Ok(())
}

// === impl Head ===

impl Head {
    /// Reads a request line.
    pub(super) fn begin(line: &[u8]) -> Result<Self, Violation> {
        let (version, rest) = if let Some(rest) = line.strip_suffix(b" HTTP/1.1") {
            (Version::New, rest)
        } else if let Some(rest) = line.strip_suffix(b" HTTP/1.0") {
            (Version::Old, rest)
        } else {
            return Err(Violation::RequestLine);
        };
        // One space only: a target with a space in it is read differently by different parsers.
        let mut words = rest.split(|byte| *byte == b' ');
        let (method, target) = (words.next(), words.next());
        let is_plain = |word: Option<&[u8]>| {
            word.is_some_and(|word| !word.is_empty() && word.iter().all(|byte| *byte > b' '))
        };
        if !is_plain(method) || !is_plain(target) || words.next().is_some() {
            return Err(Violation::RequestLine);
        }
        Ok(Self {
            version,
            switch: (method == Some(b"CONNECT")).then_some(b"HTTP/1.1 2"),
            length: None,
            chunked: false,
            host: false,
        })
    }

    /// Reads a header line.
    pub(super) fn add(&mut self, line: &[u8]) -> Result<(), Violation> {
        let (name, value) = field(line)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.add_host(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.switch = self.switch.or(Some(b"HTTP/1.1 101"));
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.add_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.add_coding(value),
            _ => Ok(()),
        }
    }

    /// Judges the head as a whole, at its blank line.
    pub(super) fn finish(self) -> Result<End, Violation> {
        if self.version == Version::New && !self.host {
            return Err(Violation::NoHost);
        }
        Ok(if self.chunked {
            End::Chunked
        } else {
            End::Length(self.length.unwrap_or(0))
        })
    }

    /// With what an answer begins that would end HTTP on this connection.
    pub(super) fn may_switch(&self) -> Option<&'static [u8]> {
        self.switch
    }

    fn add_host(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.host {
            return Err(Violation::TwoHosts);
        }
        self.host = true;
        if value.is_empty() || !value.iter().copied().all(is_authority_byte) {
            return Err(Violation::Host);
        }
        Ok(())
    }

    fn add_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.length.is_some() {
            return Err(Violation::TwoLengths);
        }
        if self.chunked {
            return Err(Violation::LengthAndCoding);
        }
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(Violation::Length);
        }
        let length = value.iter().try_fold(0_u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        });
        self.length = Some(length.ok_or(Violation::Length)?);
        Ok(())
    }

    fn add_coding(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.version == Version::Old {
            return Err(Violation::CodingInOld);
        }
        if self.length.is_some() {
            return Err(Violation::LengthAndCoding);
        }
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Violation::Coding);
        }
        self.chunked = true;
        Ok(())
    }
}

/// Name and value of a header line, the value without the white space around it.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if line
        .first()
        .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
    {
        return Err(Violation::Folded);
    }
    let colon = memchr(b':', line).ok_or(Violation::HeaderLine)?;
    let (name, rest) = line.split_at_checked(colon).ok_or(Violation::HeaderLine)?;
    if name.is_empty() || name.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(Violation::HeaderLine);
    }
    Ok((name, rest.get(1..).unwrap_or_default().trim_ascii()))
}

/// The bytes of a host with a port, as RFC 3986 has them. User information is not part of `Host`.
fn is_authority_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}
