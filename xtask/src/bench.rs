//! `cargo xtask bench`: what a request costs here, against nginx in the same run.
//!
//! The gateway has one CPU, load and simulated provider share another. The figure to trust is CPU
//! time per request and its ratio to nginx's; absolute figures belong to the machine and the run.

mod answer;
mod load;
mod process;
mod report;
mod scenario;
mod stage;

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use load::{Load, Measured};
use process::{Cpus, Side};
use report::Report;
use scenario::Scenario;
use stage::{Cast, Gateway, Stage};

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Rounds; each runs every target once, and the medians are shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Seconds in which requests are started, after one second of warm-up.
    #[arg(long, default_value_t = 4)]
    secs: u64,
    /// Only these scenarios.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// The gateway under test, beside nginx.
    #[arg(long, default_value = "tollgate")]
    gateway: Candidate,
    /// Take the programs that are there.
    #[arg(long)]
    skip_build: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Candidate {
    /// This repository's.
    Tollgate,
    /// None: nginx alone.
    None,
}

/// The programs that take part.
struct Programs {
    target: PathBuf,
}

/// Builds what is needed, measures, prints the table, and keeps it.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let programs = Programs::find()?;
    if cfg!(debug_assertions) {
        return programs.run_optimised(options.skip_build);
    }
    if !options.skip_build {
        build(options.gateway)?;
    }
    stage::install_nginx()?;
    process::raise_descriptor_limit()?;
    let cpus = Cpus::find()?;
    cpus.move_to(Side::Load)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(measure(options, &programs.target, cpus))?;
    report.print();
    report.keep(&programs.target.join("bench"))?;
    if report.has_errors() {
        bail!("answers were wrong: the rows marked invalid say how");
    }
    Ok(())
}

async fn measure(options: &Options, target: &Path, cpus: Cpus) -> anyhow::Result<Report> {
    let chosen = if options.only.is_empty() {
        Scenario::value_variants()
    } else {
        &options.only
    };
    let mut report = Report::new(options.runs, options.secs, cpus.describe());
    let cast = Cast {
        target: target.to_owned(),
        cpus,
        with_tollgate: options.gateway == Candidate::Tollgate,
    };
    for &scenario in chosen {
        let stage = Stage::set(&cast, scenario).await?;
        for run in 1..=options.runs {
            for gateway in stage.gateways() {
                report::progress(scenario, gateway.name, run);
                let measured = one(options, scenario, gateway).await?;
                report.add(scenario, gateway.name, measured);
            }
        }
    }
    Ok(report)
}

async fn one(options: &Options, scenario: Scenario, gateway: &Gateway) -> anyhow::Result<Measured> {
    let load = Load {
        address: gateway.address,
        shape: scenario.shape(),
        warmup: Duration::from_secs(1),
        duration: Duration::from_secs(options.secs),
    };
    let measured = load.run(gateway.process.as_ref()).await;
    measured.with_context(|| format!("{} through {}", scenario.name(), gateway.name))
}

// === impl Programs ===

impl Programs {
    fn find() -> anyhow::Result<Self> {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
        Ok(Self {
            target: metadata.target_directory.into_std_path_buf(),
        })
    }

    /// Becomes the optimised form of this program: a slow load would measure itself.
    fn run_optimised(&self, skip_build: bool) -> anyhow::Result<()> {
        let program = self.target.join("release/xtask");
        if !(skip_build && program.exists()) {
            cargo(&["--package", "xtask"])?;
        }
        let failure = Command::new(&program)
            .args(std::env::args_os().skip(1))
            .exec();
        Err(failure).with_context(|| format!("cannot start {}", program.display()))
    }
}

fn build(candidate: Candidate) -> anyhow::Result<()> {
    cargo(&["--package", "simulator", "--example", "simulator"])?;
    if candidate == Candidate::Tollgate {
        cargo(&["--package", "tollgate"])?;
    }
    Ok(())
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet"])
        .args(arguments)
        .status()?;
    if !status.success() {
        bail!(
            "cargo build --release {} ended with {status}",
            arguments.join(" ")
        );
    }
    Ok(())
}
