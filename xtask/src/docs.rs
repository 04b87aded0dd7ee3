//! `cargo xtask docs`: the reference pages, printed from the types that read configuration.

mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;
use config::Kind;
use config::schema::schema_of;
use config::settings::Settings;
use plugin::Registry;

/// Where the pages are kept, from the root of the repository.
const FOLDER: &str = "docs/reference";

/// What `cargo xtask docs` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail when a page differs from the types.
    #[arg(long)]
    check: bool,
}

/// The pages by their path within the folder.
type Pages = BTreeMap<PathBuf, String>;

/// Writes or compares the pages.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let root = root();
    if options.check {
        return check(root);
    }
    write(&root.join(FOLDER), &pages())
}

/// Fails when a page under `root` is missing, differs from the types, or has none.
pub(crate) fn check(root: &Path) -> anyhow::Result<()> {
    let stale = stale(&root.join(FOLDER), &pages())?;
    if !stale.is_empty() {
        bail!(
            "{FOLDER}: {} are not what the types say; run `cargo xtask docs`",
            stale.join(", ")
        );
    }
    Ok(())
}

fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Every page as the types have it.
fn pages() -> Pages {
    let registry = Registry::new(plugins::PLUGINS, None);
    let mut pages = Pages::new();
    for entry in registry.entries() {
        let path = Path::new("plugins").join(format!("{}.md", entry.name));
        pages.insert(path, page::of_plugin(&registry, entry));
    }
    for kind in Kind::ALL {
        let path = Path::new("resources").join(format!("{}.md", kind.singular()));
        pages.insert(path, page::of_resource(kind));
    }
    let settings = page::of_settings(&schema_of::<Settings>());
    pages.insert("settings.md".into(), settings);
    pages.insert("README.md".into(), page::of_contents(&registry));
    pages
}

/// Writes all pages, and removes those that nothing stands behind any more.
fn write(folder: &Path, pages: &Pages) -> anyhow::Result<()> {
    for (path, text) in pages {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for path in kept(folder)? {
        if !pages.contains_key(&path) {
            let path = folder.join(path);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// The pages that differ from what is kept, and those kept that nothing stands behind.
fn stale(folder: &Path, pages: &Pages) -> anyhow::Result<Vec<String>> {
    let differs = |(path, text): (&PathBuf, &String)| {
        let same = fs::read_to_string(folder.join(path)).is_ok_and(|kept| kept == *text);
        (!same).then(|| path.display().to_string())
    };
    let mut stale: Vec<_> = pages.iter().filter_map(differs).collect();
    let kept = kept(folder)?.into_iter();
    stale.extend(
        kept.filter(|path| !pages.contains_key(path))
            .map(|path| path.display().to_string()),
    );
    Ok(stale)
}

/// The pages in the folder, by their path within it.
fn kept(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let place = folder.join(&inner);
        if !place.exists() {
            continue;
        }
        let entries = fs::read_dir(&place);
        for entry in entries.with_context(|| format!("cannot read {}", place.display()))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}
