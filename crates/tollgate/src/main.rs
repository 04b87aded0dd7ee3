//! Tollgate: an AI gateway configured as Apache APISIX is.
//!
//! Knows the command line and how the rooms are joined; everything else is in the other crates.

mod admin_key;
mod apply;
mod banner;
mod certificates;
mod check;
mod cli;
mod demo;
mod expected;
mod house;
mod logging;
mod probing;
mod serve;
mod signals;
mod translate;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use config::settings::{self, Address, LoadedSettings};
use config::source::Store;
use config::substitute::Environment;
use simulator::Simulator;
use tokio::runtime::Runtime;

use crate::cli::{Cli, Command, Demo};
use crate::serve::{Resources, serve};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(
    clippy::print_stderr,
    reason = "what ends the process is told to the person who began it"
)]
fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment: Environment = std::env::vars().collect();
    let outcome = match cli.command {
        None => run(cli.run.config, &environment),
        Some(Command::Run(options)) => run(options.config, &environment),
        Some(Command::Demo(options)) => demo(&options, &environment),
        Some(Command::Check(options)) => {
            return match check::check(&options, &environment, &mut std::io::stdout()) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("tollgate: {error:#}");
                    ExitCode::FAILURE
                }
            };
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tollgate: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Option<PathBuf>, environment: &Environment) -> anyhow::Result<()> {
    let usual = Path::new("tollgate.yaml");
    let config = config.or_else(|| usual.exists().then(|| usual.to_owned()));
    let loaded = settings::load(config.as_deref(), environment)?;
    logging::start();
    runtime(&loaded)?.block_on(serve(loaded, Resources::Configured, environment, |_, _| {}))
}

fn demo(options: &Demo, environment: &Environment) -> anyhow::Result<()> {
    let mut loaded = settings::load(None, environment)?;
    loaded.settings.proxy.listen = vec![settings::Listener::plain(Address(options.listen))];
    logging::start();
    runtime(&loaded)?.block_on(async {
        let simulator = Simulator::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .context("the simulated provider cannot listen")?;
        let store = Store::in_memory()?;
        let real = demo::furnish(&store, simulator.address(), environment)?;
        let outcome = serve(
            loaded,
            Resources::Passing(store),
            environment,
            |banner, proxy| {
                banner.told = demo::told(proxy, &real);
            },
        );
        let outcome = outcome.await;
        simulator.shutdown().await;
        outcome
    })
}

fn runtime(loaded: &LoadedSettings) -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if loaded.settings.workers > 0 {
        builder.worker_threads(loaded.settings.workers);
    }
    builder
        .enable_all()
        .build()
        .context("no threads to work with")
}
