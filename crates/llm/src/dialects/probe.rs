//! A look at the bytes of an event, to tell whether it is worth parsing.

use memchr::memmem::Finder;

/// A member name to be searched for in JSON text that has not been parsed.
///
/// A name inside a string cannot be found: its closing quote would be escaped.
#[derive(Debug)]
pub(super) struct Probe {
    finder: Finder<'static>,
}

// === impl Probe ===

impl Probe {
    /// A probe for a name, given with its quotes.
    pub(super) fn new(quoted: &'static str) -> Self {
        Self {
            finder: Finder::new(quoted),
        }
    }

    /// Whether the text has such a member with something in it: not `null`, nothing empty.
    pub(super) fn finds_value(&self, text: &[u8]) -> bool {
        let name = self.finder.needle().len();
        self.finder
            .find_iter(text)
            .any(|at| is_filled(text.get(at + name..).unwrap_or_default()))
    }
}

/// Whether the text goes on with a colon and a value that is not empty.
fn is_filled(text: &[u8]) -> bool {
    let Some(value) = text.trim_ascii_start().strip_prefix(b":") else {
        return false;
    };
    match value.trim_ascii_start().split_first() {
        Some((b'"', inner)) => !inner.starts_with(b"\""),
        Some((b'{', inner)) => !inner.trim_ascii_start().starts_with(b"}"),
        Some((b'[', inner)) => !inner.trim_ascii_start().starts_with(b"]"),
        Some((b'n', _)) | None => false,
        Some(_) => true,
    }
}
