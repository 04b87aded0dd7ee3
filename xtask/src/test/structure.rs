//! What the compiler does not see: file sizes, left-over words, paths that documents name.

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use super::command::{Call, tell};
use super::{paths, words};

/// Lines of code after which a file wants to be split.
const WISHED_LINES: usize = 400;
/// Lines of code that a file may never exceed.
const MOST_LINES: usize = 800;

/// Folders whose Rust is no room of the house: no line budget.
const BESIDE: &[&str] = &["tests", "tests.rs", "benches", "fuzz", "examples", "golden"];

/// Documents whose paths must exist.
const MAPS: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"];

/// Files that a person who opens the repository looks for.
const WANTED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "deny.toml",
    ".ci/run",
];

/// A file of the repository, read once for all rules.
struct Sheet {
    path: String,
    text: String,
}

/// Checks all tracked files under `root`.
pub(super) fn check(root: &Path) -> anyhow::Result<()> {
    let sheets = sheets(root)?;
    for (path, lines) in sheets.iter().filter(|s| budgeted(&s.path)).map(long) {
        if lines > WISHED_LINES && lines <= MOST_LINES {
            tell(&format!(
                "warning: {path}: {lines} lines of code, wished for at most 400"
            ));
        }
    }
    let faults = faults(root, &sheets);
    if !faults.is_empty() {
        bail!(
            "{} fault(s) in the structure:\n  {}",
            faults.len(),
            faults.join("\n  ")
        );
    }
    tell(&format!("{} files keep to the structure", sheets.len()));
    Ok(())
}

fn faults(root: &Path, sheets: &[Sheet]) -> Vec<String> {
    let mut faults: Vec<String> = WANTED
        .iter()
        .filter(|wanted| !sheets.iter().any(|sheet| sheet.path == **wanted))
        .map(|wanted| format!("{wanted}: missing"))
        .collect();
    for sheet in sheets {
        faults.extend(too_long(sheet));
        faults.extend(words::found(&sheet.path, &sheet.text));
        if MAPS.contains(&sheet.path.as_str()) {
            faults.extend(paths::missing(root, &sheet.path, &sheet.text));
        }
    }
    faults
}

fn too_long(sheet: &Sheet) -> Option<String> {
    let (path, lines) = long(sheet);
    (budgeted(path) && lines > MOST_LINES)
        .then(|| format!("{path}: {lines} lines of code, at most {MOST_LINES} are allowed"))
}

fn long(sheet: &Sheet) -> (&str, usize) {
    (&sheet.path, code_lines(&sheet.text))
}

/// Whether the line budget holds for this path.
fn budgeted(path: &str) -> bool {
    let rust = Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs");
    rust && !path.split('/').any(|part| BESIDE.contains(&part))
}

/// Lines that are neither blank nor comment, up to an inline test module.
fn code_lines(text: &str) -> usize {
    text.lines()
        .map(str::trim_start)
        .take_while(|line| !line.starts_with("mod tests {"))
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

/// The tracked text files.
fn sheets(root: &Path) -> anyhow::Result<Vec<Sheet>> {
    let listing = Call::new("git", root)
        .arguments(["ls-files", "-z"])
        .output()?;
    let mut sheets = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // Listed but gone: a deletion that is not yet committed.
        let full = root.join(path);
        if !full.is_file() {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sheets.push(Sheet {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(sheets)
}
