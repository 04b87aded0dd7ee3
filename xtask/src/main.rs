//! The front door for everything that is done to this repository: `cargo xtask <task>`.

mod test;

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
    /// Look up known advisories about the dependencies; fetches the database.
    Advisories,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().task {
        Task::Test(options) => test::run(&options),
        Task::Advisories => test::advisories(),
    }
}
