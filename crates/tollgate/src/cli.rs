//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// An AI gateway: one binary between applications and LLM providers.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// What to do; serving is the default.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve.
    Run(Run),
    /// Serve with an in-memory store, a simulated provider and ready routes.
    Demo(Demo),
    /// Validate settings and resource files, offline.
    Check(Check),
}

/// Options of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Settings: a tollgate.yaml or an APISIX config.yaml; ./tollgate.yaml when it exists.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Where clients connect.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9080")]
    pub(crate) listen: SocketAddr,
}

/// Options of `check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Files to validate: tollgate.yaml, config.yaml, apisix.yaml, apisix.json.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}
