//! Where things stand in a text: JSON pointers to lines and columns.

mod json;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub use yaml::parse_yaml;

use crate::fault::dotted;

/// A place in a text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// The path inside the file, such as `routes[0].uri`; empty for the whole file.
    pub path: String,
}

/// Lines and columns of the members of a text, by JSON pointer.
#[derive(Clone, Debug, Default)]
pub struct Positions(BTreeMap<String, (u64, u64)>);

/// A text as a value, with the place of each part.
#[derive(Clone, Debug)]
pub struct Located {
    /// The value.
    pub value: Value,
    /// Where each part of it stands.
    pub positions: Positions,
}

/// A text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SyntaxError {
    /// The line, from 1; 0 when it is not known.
    pub line: u64,
    /// The column, from 1; 0 when it is not known.
    pub column: u64,
    /// Why it cannot be read, in the reader's words.
    pub reason: String,
}

/// The file a document came from, and where in it each item stands.
#[derive(Clone, Debug)]
pub struct Origin {
    file: PathBuf,
    positions: Positions,
    items: BTreeMap<String, String>,
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        write!(formatter, "{file}:{}:{}", self.line, self.column)
    }
}

// === impl Positions ===

impl Positions {
    /// The line and column of a part, or of the nearest thing around it that stands in the text.
    pub fn find(&self, pointer: &str) -> (u64, u64) {
        let mut pointer = pointer;
        loop {
            if let Some(position) = self.0.get(pointer) {
                return *position;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return (1, 1),
            }
        }
    }

    /// Replaces each line number by the one at its place in `lines`, which starts with line 1.
    pub(crate) fn renumber(&mut self, lines: &[u64]) {
        for (line, _) in self.0.values_mut() {
            *line = source_line(*line, lines);
        }
    }

    fn insert(&mut self, pointer: String, line: u64, column: u64) {
        self.0.insert(pointer, (line, column));
    }
}

// === impl Origin ===

impl Origin {
    /// The file and its positions; items are added as they are found.
    pub fn new(file: &Path, positions: Positions) -> Self {
        Self {
            file: file.to_owned(),
            positions,
            items: BTreeMap::new(),
        }
    }

    /// Says that the item with this key stands at this pointer of the file.
    pub fn place_item(&mut self, key: &str, pointer: &str) {
        self.items.insert(key.to_owned(), pointer.to_owned());
    }

    /// Where a part of an item is written: `key` names the item, `pointer` the part inside it.
    pub fn place(&self, key: &str, pointer: &str) -> Option<Place> {
        let base = self.items.get(key)?;
        Some(self.place_at(&format!("{base}{pointer}")))
    }

    /// Where a part of the file is written.
    pub fn place_at(&self, pointer: &str) -> Place {
        let (line, column) = self.positions.find(pointer);
        Place {
            file: self.file.clone(),
            line,
            column,
            path: dotted(pointer),
        }
    }
}

/// The line of a text from which a line of the text made from it comes.
pub(crate) fn source_line(line: u64, lines: &[u64]) -> u64 {
    let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    lines.get(index).copied().unwrap_or(line)
}

/// Reads JSON.
///
/// # Errors
///
/// [`SyntaxError`] with the place where reading stopped.
pub fn parse_json(text: &str) -> Result<Located, SyntaxError> {
    let value = serde_json::from_str(text).map_err(|error| SyntaxError {
        line: error.line() as u64,
        column: error.column() as u64,
        reason: error.to_string(),
    })?;
    let positions = json::positions(text);
    Ok(Located { value, positions })
}

#[cfg(test)]
mod tests;
