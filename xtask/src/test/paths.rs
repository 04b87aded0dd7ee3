//! Paths that a document names must exist, so that a map never shows a room that is gone.

#[cfg(test)]
mod tests;

use std::path::Path;

/// Folders at the top of the repository whose paths are checked wherever they are named.
const TOPS: &[&str] = &[
    "crates", "xtask", "tests", "docs", "fuzz", "examples", ".ci", ".cargo",
];

/// Endings of files that are ours when a path has no known top.
const ENDINGS: &[&str] = &[".rs", ".toml", ".md"];

/// The named paths that are not there, one line each.
pub(super) fn missing(root: &Path, document: &str, text: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for path in named(line).iter().flat_map(|path| expanded(path)) {
            if claims(root, &path) && !exists(root, &path) {
                missing.push(format!("{document}:{number}: `{path}` does not exist"));
            }
        }
    }
    missing
}

/// What a line names: text between back-ticks, and targets of links.
fn named(line: &str) -> Vec<String> {
    let quoted = line.split('`').skip(1).step_by(2);
    let linked = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next());
    quoted
        .chain(linked)
        .map(|word| word.trim().to_owned())
        .collect()
}

/// `a/{b,c}.rs` names two files.
fn expanded(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let Some((choices, after)) = rest.split_once('}') else {
        return vec![path.to_owned()];
    };
    choices
        .split(',')
        .flat_map(|choice| expanded(&format!("{before}{choice}{after}")))
        .collect()
}

/// Whether the word claims to be a path of this repository.
fn claims(root: &Path, word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if word.is_empty() || word.starts_with('/') || !word.chars().all(plain) {
        return false;
    }
    let Some((top, rest)) = word.split_once('/') else {
        return false;
    };
    let inside = root.join("crates").join(top).is_dir();
    let file = ENDINGS.iter().any(|ending| word.ends_with(ending));
    TOPS.contains(&top) || (inside && (file || rest.is_empty()))
}

/// A path is meant from the top, or from a crate's source folder: `net/pool.rs`.
fn exists(root: &Path, path: &str) -> bool {
    if root.join(path).exists() {
        return true;
    }
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let folder = root.join("crates").join(name);
    folder.join("src").join(rest).exists() || folder.join(rest).exists()
}
