//! `cargo xtask test`: everything that must hold before a change lands, cheapest first.

mod command;
mod edges;
mod paths;
mod peers;
mod structure;
mod supply;
mod tools;
mod words;

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use command::{Call, announce};

/// What `cargo xtask test` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only these steps; all of them, in this order, when none is named.
    steps: Vec<Step>,
    /// What follows `--` goes to pytest in the step `peers`.
    #[arg(last = true)]
    pytest: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// `cargo fmt --check`.
    Format,
    /// Clippy over all targets, warnings denied.
    Lints,
    /// File sizes, left-over words, paths named in ARCHITECTURE.md.
    Structure,
    /// Generated reference pages against the types they come from.
    Docs,
    /// Licences, banned crates and sources of the dependency tree.
    Supply,
    /// Unit, property and end-to-end tests in Rust.
    Tests,
    /// Examples in the documentation.
    Doctests,
    /// The real clients and servers that nobody here wrote.
    Peers,
}

/// The workspace's folders that the steps work in.
struct House {
    root: PathBuf,
    target: PathBuf,
}

/// Runs the steps and stops at the first that fails.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let house = House::find()?;
    let chosen = if options.steps.is_empty() {
        Step::value_variants()
    } else {
        options.steps.as_slice()
    };
    for step in chosen {
        step.run(&house, &options.pytest)
            .with_context(|| format!("step `{}` failed", step.name()))?;
    }
    Ok(())
}

/// `cargo xtask advisories`: needs the advisory database, hence the network.
pub(crate) fn advisories() -> anyhow::Result<()> {
    supply::advisories(&House::find()?)
}

// === impl Step ===

impl Step {
    fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn run(self, house: &House, pytest: &[String]) -> anyhow::Result<()> {
        announce(&self.name());
        match self {
            Self::Format => house.cargo(&["fmt", "--all", "--check"]).run(),
            Self::Lints => house
                .cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "-D",
                    "warnings",
                ])
                .run(),
            Self::Structure => structure::check(&house.root),
            Self::Docs => crate::docs::check(&house.root),
            Self::Supply => supply::check(house),
            Self::Tests => rust_tests(house),
            Self::Doctests => house
                .cargo(&["test", "--quiet", "--workspace", "--doc"])
                .run(),
            Self::Peers => peers::run(house, pytest),
        }
    }
}

// === impl House ===

impl House {
    fn find() -> anyhow::Result<Self> {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
        Ok(Self {
            root: metadata.workspace_root.into_std_path_buf(),
            target: metadata.target_directory.into_std_path_buf(),
        })
    }

    fn cargo(&self, arguments: &[&str]) -> Call {
        Call::new("cargo", &self.root).arguments(arguments)
    }
}

/// Nextest where it is installed, else cargo's own runner: the same tests, less parallel.
fn rust_tests(house: &House) -> anyhow::Result<()> {
    if house.cargo(&["nextest", "--version"]).succeeds() {
        house
            .cargo(&["nextest", "run", "--workspace", "--no-fail-fast"])
            .run()
    } else {
        house
            .cargo(&["test", "--workspace", "--lib", "--bins", "--tests"])
            .run()
    }
}
