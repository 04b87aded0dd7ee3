//! The front door for everything that is done to this repository: `cargo xtask <task>`.

mod bench;
mod docs;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of this repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run everything that CI runs, or the named steps of it.
    Test(test::Options),
    /// Measure what a request costs, against nginx in the same run.
    Bench(bench::Options),
    /// Write the reference pages from the configuration types.
    Docs(docs::Options),
    /// Look up known advisories about the dependencies; fetches the database.
    Advisories,
}

#[expect(clippy::print_stderr, reason = "the last word of a task that failed")]
fn main() -> ExitCode {
    match run(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("\nxtask: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Test(options) => test::run(options),
        Task::Bench(options) => bench::run(options),
        Task::Docs(options) => docs::run(options),
        Task::Advisories => test::advisories(),
    }
}
