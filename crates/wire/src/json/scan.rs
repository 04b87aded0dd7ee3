//! One validating pass over a body that records where its top-level members are.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use super::raw::{Kind, Raw};
use super::walk::Member;

#[cfg(test)]
mod tests;

/// The members of one object; requests with more than eight are rare.
pub(super) type MemberList = SmallVec<[Member; 8]>;

/// A body that is known to be JSON, with the ranges of its top-level members.
///
/// Owns the body by refcount, so it lives as long as the request and costs no copy. Nested values
/// are looked into on demand, through [`Raw`].
#[derive(Clone, Debug)]
pub struct Scan {
    body: Bytes,
    root: Range<usize>,
    members: MemberList,
}

/// Why a body is not JSON, with the position of the fault.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(#[from] serde_json::Error);

/// Collects member ranges relative to the address at which the text begins.
struct MemberRanges {
    base: usize,
}

// === impl Scan ===

impl Scan {
    /// Validates a body and records its top-level members.
    ///
    /// # Errors
    ///
    /// When the body is not exactly one JSON value in UTF-8.
    pub fn new(body: Bytes) -> Result<Self, JsonError> {
        let base = body.as_ptr().addr();
        let start = super::walk::skip_space(&body, 0);
        let (root, members) = if body.get(start) == Some(&b'{') {
            let mut parser = serde_json::Deserializer::from_slice(&body);
            let members = MemberRanges { base }.deserialize(&mut parser)?;
            parser.end()?;
            (start..trimmed_len(&body), members)
        } else {
            let value: &RawValue = serde_json::from_slice(&body)?;
            (range_of(base, value), MemberList::new())
        };
        Ok(Self {
            body,
            root,
            members,
        })
    }

    /// The body, exactly as it came.
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The kind of the whole value.
    pub fn kind(&self) -> Kind {
        self.root().kind()
    }

    /// Whether the whole value is an object or array with nothing in it.
    pub fn is_empty(&self) -> bool {
        self.root().is_empty()
    }

    /// The whole value, without surrounding whitespace.
    pub fn root(&self) -> Raw<'_> {
        self.raw(&self.root)
    }

    /// The top-level member of that name; the last one when the name is repeated.
    pub fn get(&self, name: &str) -> Option<Raw<'_>> {
        let found = self
            .members
            .iter()
            .rev()
            .find(|member| self.raw(&member.name).is_str(name))?;
        Some(self.raw(&found.value))
    }

    /// The top-level members in the order of the text, duplicates included.
    pub fn members(&self) -> impl Iterator<Item = (Cow<'_, str>, Raw<'_>)> {
        self.members.iter().map(|member| {
            (
                self.raw(&member.name).str().unwrap_or_default(),
                self.raw(&member.value),
            )
        })
    }

    pub(super) fn ranges(&self) -> &[Member] {
        &self.members
    }

    fn raw(&self, range: &Range<usize>) -> Raw<'_> {
        Raw::trusted(self.body.get(range.clone()).unwrap_or_default())
    }
}

// === impl JsonError ===

impl JsonError {
    /// The line of the fault, counted from 1.
    pub fn line(&self) -> usize {
        self.0.line()
    }

    /// The column of the fault, counted from 1; 0 when the fault is at the end of the line before.
    pub fn column(&self) -> usize {
        self.0.column()
    }
}

// === impl MemberRanges ===

impl<'de> DeserializeSeed<'de> for MemberRanges {
    type Value = MemberList;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<MemberList, D::Error> {
        source.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MemberRanges {
    type Value = MemberList;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<MemberList, A::Error> {
        let mut members = MemberList::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let (name, value) = (range_of(self.base, name), range_of(self.base, value));
            members.push(Member { name, value });
        }
        Ok(members)
    }
}

/// Where a borrowed raw value stands in the text that begins at `base`.
fn range_of(base: usize, value: &RawValue) -> Range<usize> {
    let text = value.get();
    let start = text.as_ptr().addr().saturating_sub(base);
    start..start + text.len()
}

fn trimmed_len(body: &[u8]) -> usize {
    body.len()
        - body
            .iter()
            .rev()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count()
}
