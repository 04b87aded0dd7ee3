//! A value taken apart in one pass over its text.

use super::raw::Raw;
use super::walk;

#[cfg(test)]
mod tests;

/// A part of a value.
#[derive(Clone, Copy, Debug)]
pub enum Token<'a> {
    /// An object or array begins.
    Open,
    /// The innermost object or array ends.
    Close,
    /// The name of a member, whose value comes next.
    Name(Raw<'a>),
    /// A value that is no object and no array.
    Scalar(Raw<'a>),
}

/// The parts of a value in the order of the text, whatever lies in what.
///
/// For whoever wants all of a nested value: [`Raw::items`] and [`Raw::get`] look for the end of each
/// value first, so that deep ones are passed over once for each level.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the last object or array began.
    opened: usize,
}

// === impl Tokens ===

impl<'a> Tokens<'a> {
    /// Takes a text that was validated before.
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            opened: 0,
        }
    }

    /// Passes over the value that comes next, and tells it: what belongs to the name just told.
    pub fn value(&mut self) -> Raw<'a> {
        let start = walk::skip_space(self.text, self.at);
        self.raw(start, walk::skip_value(self.text, start))
    }

    /// Passes over the rest of the object or array that has just begun, and tells all of it.
    pub fn whole(&mut self) -> Raw<'a> {
        self.raw(self.opened, walk::skip_value(self.text, self.opened))
    }

    /// The text between these places, and goes on behind it.
    fn raw(&mut self, start: usize, end: usize) -> Raw<'a> {
        self.at = end;
        Raw::trusted(self.text.get(start..end).unwrap_or_default())
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let start = self.at;
            self.at += 1;
            match self.text.get(start)? {
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => {}
                b'{' | b'[' => {
                    self.opened = start;
                    return Some(Token::Open);
                }
                b'}' | b']' => return Some(Token::Close),
                _ => {
                    let scalar = self.raw(start, walk::skip_value(self.text, start));
                    let colon = walk::skip_space(self.text, self.at);
                    // Only the name of a member stands before a colon.
                    return Some(if self.text.get(colon) == Some(&b':') {
                        self.at = colon + 1;
                        Token::Name(scalar)
                    } else {
                        Token::Scalar(scalar)
                    });
                }
            }
        }
    }
}
