//! Installs what the steps need and the machine lacks, by the ordinary package clients.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::House;
use super::command::{Call, tell};

/// The version that CI judges by; its own lock file is honoured.
const CARGO_DENY: &str = "0.20.2";

/// A Python environment under the target folder.
pub(super) struct Venv {
    folder: PathBuf,
}

/// A program from Debian's packages, for a machine that lacks it.
pub(super) struct DebianProgram {
    pub(super) program: &'static str,
    pub(super) version: &'static [&'static str],
    pub(super) packages: &'static [&'static str],
}

/// The path of cargo-deny, built once into the target folder.
///
/// Built from its own crate, since a check of the supply chain should not start with a binary
/// that somebody else packed. Without optimisation that takes a minute.
pub(super) fn cargo_deny(house: &House) -> anyhow::Result<PathBuf> {
    let tools = house.target.join("tools");
    let program = tools.join("bin/cargo-deny");
    let there = Call::new(&program, &house.root)
        .arguments(["--version"])
        .output();
    if there.is_ok_and(|version| version.trim().ends_with(CARGO_DENY)) {
        return Ok(program);
    }
    house
        .cargo(&[
            "install",
            "--quiet",
            "--locked",
            "--debug",
            "--force",
            "cargo-deny",
            "--version",
        ])
        .arguments([CARGO_DENY, "--root"])
        .arguments([&tools])
        .run()?;
    Ok(program)
}

/// Installs the packages of those programs that do not answer.
pub(super) fn debian(house: &House, wanted: &[DebianProgram]) -> anyhow::Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|one| {
            !Call::new(one.program, &house.root)
                .arguments(one.version)
                .succeeds()
        })
        .flat_map(|one| one.packages.iter().copied())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    tell(&format!(
        "missing, installed from Debian's packages: {}",
        missing.join(" ")
    ));
    apt(house, &["update", "--quiet", "--quiet"])?;
    let install = [
        "install",
        "--quiet",
        "--quiet",
        "--yes",
        "--no-install-recommends",
    ];
    apt(house, &[&install[..], &missing].concat())
}

/// The path of promtool: the system's, or unpacked from Debian's prometheus package.
///
/// The package is not installed, since its installation starts a server on all addresses.
pub(super) fn promtool(house: &House) -> anyhow::Result<PathBuf> {
    let answers = |program: &Path| {
        Call::new(program, &house.root)
            .arguments(["--version"])
            .succeeds()
    };
    let systems = PathBuf::from("promtool");
    let folder = house.target.join("tools/prometheus");
    let unpacked = folder.join("usr/bin/promtool");
    if answers(&systems) {
        return Ok(systems);
    }
    if !answers(&unpacked) {
        fs::create_dir_all(&folder)?;
        apt(house, &["update", "--quiet", "--quiet"])?;
        Call::new("apt-get", &folder)
            .arguments(["download", "--quiet", "--quiet", "prometheus"])
            .run()?;
        let package = fs::read_dir(&folder)?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt-get downloaded no package")?;
        Call::new("dpkg", &folder)
            .arguments([Path::new("--extract"), &package, &folder])
            .run()?;
    }
    Ok(unpacked)
}

fn apt(house: &House, arguments: &[&str]) -> anyhow::Result<()> {
    Call::new("apt-get", &house.root)
        .arguments(arguments)
        .variable("DEBIAN_FRONTEND", "noninteractive")
        .run()
        .context("install the packages named above by hand, or run this as root")
}

/// The npm packages of `manifest`, in a folder of their own under the target folder.
pub(super) fn node_modules(house: &House, manifest: &Path) -> anyhow::Result<PathBuf> {
    let folder = house.target.join("node");
    installed_once(manifest, &folder, "package.json", || {
        fs::copy(manifest, folder.join("package.json"))?;
        Call::new("npm", &folder)
            .arguments([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
            ])
            .run()
    })?;
    Ok(folder.join("node_modules"))
}

/// Runs `install` unless `folder` was made from these very contents of `list`.
fn installed_once(
    list: &Path,
    folder: &Path,
    name: &str,
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = folder.join(format!("{name}.installed"));
    let wanted = fs::read_to_string(list).with_context(|| format!("no {}", list.display()))?;
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    install()?;
    Ok(fs::write(stamp, wanted)?)
}

// === impl Venv ===

impl Venv {
    /// The environment `name`, with exactly the packages of `list`.
    pub(super) fn with(house: &House, name: &str, list: &Path) -> anyhow::Result<Self> {
        let venv = Self {
            folder: house.target.join(name),
        };
        installed_once(list, &venv.folder, "requirements.txt", || {
            Call::new("python3", &house.root)
                .arguments(["-m", "venv", "--clear"])
                .arguments([&venv.folder])
                .run()?;
            Call::new(venv.python(), &house.root)
                .arguments([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .arguments(["--only-binary", ":all:", "--no-deps", "--requirement"])
                .arguments([list])
                .run()
        })?;
        Ok(venv)
    }

    /// Its interpreter.
    pub(super) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }
}
