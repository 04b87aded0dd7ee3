//! Words that must not be in the repository: left-overs, machine paths, addresses of registries.

#[cfg(test)]
mod tests;

/// A word, and why it has no place here.
struct Word {
    text: &'static str,
    why: &'static str,
    /// Only in Rust, where it is a marker and not prose.
    code_only: bool,
}

const fn anywhere(text: &'static str, why: &'static str) -> Word {
    Word {
        text,
        why,
        code_only: false,
    }
}

const fn in_code(text: &'static str, why: &'static str) -> Word {
    Word {
        text,
        why,
        code_only: true,
    }
}

const UNFINISHED: &str = "finish it or leave it out";
const MACHINE: &str = "a path of one machine";
const REGISTRY: &str = "registries are the package clients' business";
const VOICE: &str = "the repository speaks of the program, not of who wrote it";

const WORDS: &[Word] = &[
    in_code("TODO", UNFINISHED),
    in_code("FIXME", UNFINISHED),
    in_code("XXX", UNFINISHED),
    in_code("HACK", UNFINISHED),
    in_code("todo!(", UNFINISHED),
    in_code("unimplemented!(", UNFINISHED),
    in_code("#[ignore", "a test that does not run proves nothing"),
    anywhere("/work/", MACHINE),
    anywhere("/root/", MACHINE),
    anywhere("/tmp/bash", MACHINE),
    anywhere("../shared", MACHINE),
    anywhere("registry.npmjs.org", REGISTRY),
    anywhere("pypi.org", REGISTRY),
    anywhere("files.pythonhosted.org", REGISTRY),
    anywhere("deb.debian.org", REGISTRY),
    anywhere("index.crates.io", REGISTRY),
    anywhere("static.crates.io", REGISTRY),
    anywhere("As an AI", VOICE),
    anywhere("this session", VOICE),
];

/// Files that are not written by hand, and this list and its tests.
const EXEMPT: &[&str] = &[
    "Cargo.lock",
    "LICENSE",
    "xtask/src/test/words.rs",
    "xtask/src/test/words/tests.rs",
];

/// Where forbidden words stand in `text`, one line each.
pub(super) fn found(path: &str, text: &str) -> Vec<String> {
    if EXEMPT.contains(&path) {
        return Vec::new();
    }
    let rust = path.strip_suffix(".rs").is_some();
    let watched: Vec<&Word> = WORDS
        .iter()
        .filter(|word| rust || !word.code_only)
        .collect();
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for word in watched.iter().filter(|word| stands(line, word.text)) {
            found.push(format!("{path}:{number}: `{}`: {}", word.text, word.why));
        }
    }
    found
}

/// Whether `word` stands in `line` by itself, not as a part of a longer word.
fn stands(line: &str, word: &str) -> bool {
    let part = |near: Option<char>| near.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(start, _)| {
        let (before, rest) = line.split_at(start);
        let after = rest.get(word.len()..).unwrap_or_default();
        let opens = word.starts_with(char::is_alphanumeric);
        let closes = word.ends_with(char::is_alphanumeric);
        !(opens && part(before.chars().next_back()) || closes && part(after.chars().next()))
    })
}
