//! The key of the Admin API that is made when none is configured.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use config::Secret;

/// A key, and where it came from.
#[derive(Debug)]
pub(crate) struct GeneratedKey {
    pub(crate) key: Secret,
    pub(crate) file: Option<PathBuf>,
    /// Whether this start made it, so that it is shown once.
    pub(crate) is_new: bool,
}

/// The key kept in `directory`, made at the first start and readable by its owner only.
pub(crate) fn kept_in(directory: &Path) -> anyhow::Result<GeneratedKey> {
    let file = directory.join("admin.key");
    match fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => {
            let key = Secret::new(text.trim().to_owned());
            return Ok(GeneratedKey {
                key,
                file: Some(file),
                is_new: false,
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", file.display()));
        }
    }
    let key = random()?;
    write(&file, key.expose()).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(GeneratedKey {
        key,
        file: Some(file),
        is_new: true,
    })
}

/// A key that lives as long as the process.
pub(crate) fn passing() -> anyhow::Result<GeneratedKey> {
    Ok(GeneratedKey {
        key: random()?,
        file: None,
        is_new: true,
    })
}

fn write(file: &Path, key: &str) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    // A file of another name first, so that a crash leaves no half a key.
    let draft = file.with_extension("key.new");
    let mut out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    writeln!(out, "{key}")?;
    out.sync_all()?;
    fs::rename(draft, file)
}

fn random() -> anyhow::Result<Secret> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).context("no randomness for an admin key")?;
    let digit = |byte: &u8| char::from(DIGITS[usize::from(byte & 63)]);
    Ok(Secret::new(bytes.iter().map(digit).collect()))
}
