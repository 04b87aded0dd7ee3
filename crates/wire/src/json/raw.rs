//! One JSON value as the text it was written in.

use std::borrow::Cow;

use super::tokens::Tokens;
use super::walk;

#[cfg(test)]
mod tests;

/// The six kinds of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// A borrowed JSON value: its validated text, looked into only where a caller asks.
#[derive(Clone, Copy)]
pub struct Raw<'a> {
    text: &'a [u8],
}

/// The members of an object in the order of the text, duplicates included.
#[derive(Clone, Debug)]
pub(super) struct Members<'a> {
    text: &'a [u8],
    at: usize,
}

/// The elements of an array.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    text: &'a [u8],
    at: usize,
}

// === impl Kind ===

impl Kind {
    /// The kind of the value whose first byte is given.
    pub(super) fn of(first: Option<&u8>) -> Self {
        match first {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

// === impl Raw ===

impl<'a> Raw<'a> {
    /// Validates a text that must hold exactly one JSON value.
    ///
    /// # Errors
    ///
    /// When the text is not JSON, with the position of the fault.
    pub fn parse(text: &'a [u8]) -> Result<Self, super::JsonError> {
        let value: &'a serde_json::value::RawValue = serde_json::from_slice(text)?;
        Ok(Self::trusted(value.get().as_bytes()))
    }

    /// Takes a text that was validated before and has no surrounding whitespace.
    pub(super) fn trusted(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// The value's text, exactly as written.
    pub fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// The value's text, exactly as written.
    pub fn as_text(self) -> &'a str {
        std::str::from_utf8(self.text).unwrap_or_default()
    }

    /// What kind of value this is.
    pub fn kind(self) -> Kind {
        Kind::of(self.text.first())
    }

    /// Whether the value is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Whether the value is an object.
    pub fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether the value is an array.
    pub fn is_array(self) -> bool {
        self.kind() == Kind::Array
    }

    /// Whether the value is an object or array with nothing in it.
    pub fn is_empty(self) -> bool {
        let inner = walk::skip_space(self.text, 1);
        matches!(self.kind(), Kind::Object | Kind::Array)
            && matches!(self.text.get(inner), Some(b'}' | b']'))
    }

    /// The string that a string value stands for; `None` for other kinds.
    ///
    /// Borrowed when there is nothing to unescape. Half of a surrogate pair becomes U+FFFD.
    pub fn str(self) -> Option<Cow<'a, str>> {
        let inner = self.string_body()?;
        if memchr::memchr(b'\\', inner).is_none() {
            return Some(String::from_utf8_lossy(inner));
        }
        let mut out = String::with_capacity(inner.len());
        super::unescape::push(inner, &mut out);
        Some(Cow::Owned(out))
    }

    /// Appends the string that a string value stands for; `false` for other kinds.
    pub fn push_str(self, out: &mut String) -> bool {
        let Some(inner) = self.string_body() else {
            return false;
        };
        super::unescape::push(inner, out);
        true
    }

    /// Whether the value is the given string.
    pub fn is_str(self, expected: &str) -> bool {
        let Some(inner) = self.string_body() else {
            return false;
        };
        let expected = expected.as_bytes();
        let mut pairs = inner.iter().zip(expected);
        match pairs.find(|(found, wanted)| found != wanted || **found == b'\\') {
            // From here on it may be the same in another spelling.
            Some((b'\\', _)) => self.str().is_some_and(|found| found.as_bytes() == expected),
            Some(_) => false,
            None => inner.len() == expected.len(),
        }
    }

    /// The value of `true` and `false`; `None` for other kinds.
    pub fn bool(self) -> Option<bool> {
        match self.text {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The value of a number that is a non-negative integer in 64 bits.
    pub fn u64(self) -> Option<u64> {
        if self.kind() == Kind::Number {
            self.as_text().parse().ok()
        } else {
            None
        }
    }

    /// The value of a number.
    pub fn f64(self) -> Option<f64> {
        if self.kind() == Kind::Number {
            self.as_text().parse().ok()
        } else {
            None
        }
    }

    /// The member of that name; the last one when the name is repeated.
    pub fn get(self, name: &str) -> Option<Raw<'a>> {
        let found = self
            .raw_members()
            .filter(|(found, _)| found.is_str(name))
            .last();
        found.map(|(_, value)| value)
    }

    /// The members of an object, in order; nothing for other kinds.
    pub fn members(self) -> impl Iterator<Item = (Cow<'a, str>, Raw<'a>)> {
        self.raw_members()
            .map(|(name, value)| (name.str().unwrap_or_default(), value))
    }

    /// The elements of an array, in order; nothing for other kinds.
    pub fn items(self) -> Items<'a> {
        Items {
            text: self.text,
            at: if self.is_array() { 1 } else { self.text.len() },
        }
    }

    /// The parts of the value and of all that lies in it, in one pass.
    pub fn tokens(self) -> Tokens<'a> {
        Tokens::new(self.text)
    }

    /// The members with their names as written.
    pub(super) fn raw_members(self) -> Members<'a> {
        Members {
            text: self.text,
            at: if self.is_object() { 1 } else { self.text.len() },
        }
    }

    /// The inside of the quotes of a string value.
    fn string_body(self) -> Option<&'a [u8]> {
        self.text.strip_prefix(b"\"")?.strip_suffix(b"\"")
    }
}

impl std::fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_text())
    }
}

// === impl Members ===

impl<'a> Iterator for Members<'a> {
    type Item = (Raw<'a>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (member, next) = walk::next_member(self.text, self.at)?;
        self.at = next;
        let name = self.text.get(member.name)?;
        let value = self.text.get(member.value)?;
        Some((Raw::trusted(name), Raw::trusted(value)))
    }
}

// === impl Items ===

impl<'a> Iterator for Items<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (item, next) = walk::next_item(self.text, self.at)?;
        self.at = next;
        Some(Raw::trusted(self.text.get(item)?))
    }
}
