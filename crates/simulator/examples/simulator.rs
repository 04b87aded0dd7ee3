//! The simulated provider by itself, for measurements and for people.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use simulator::{CannedSizes, Simulator};

/// A simulated AI provider; its settings per request are in the crate's documentation.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free port.
    #[arg(long, default_value = "127.0.0.1:9901")]
    listen: SocketAddr,
    /// Threads; one needs the least of the machine.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// How many requests are kept for `GET /__sim/journal`.
    #[arg(long, default_value_t = 1000)]
    journal: usize,
    /// Answer plain chat requests with the same bytes each time, and keep no journal.
    #[arg(long)]
    canned: bool,
    /// Chunks in a canned stream.
    #[arg(long, default_value_t = 64, requires = "canned")]
    chunks: usize,
    /// Bytes of text in a canned chunk.
    #[arg(long, default_value_t = 40, requires = "canned")]
    chunk_bytes: usize,
    /// Bytes of a canned answer without stream.
    #[arg(long, default_value_t = 1200, requires = "canned")]
    body_bytes: usize,
    /// Milliseconds between the chunks of a canned stream.
    #[arg(long, default_value_t = 0, requires = "canned")]
    interval_ms: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut runtime = if arguments.workers <= 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = runtime
        .worker_threads(arguments.workers.max(1))
        .enable_all()
        .build()?;
    runtime.block_on(serve(&arguments))
}

#[expect(clippy::print_stdout, reason = "the address is this program's output")]
async fn serve(arguments: &Arguments) -> anyhow::Result<()> {
    let mut simulator = Simulator::new().journal_entries(arguments.journal);
    if arguments.canned {
        simulator = simulator.journal_entries(0).canned(CannedSizes {
            chunks: arguments.chunks,
            chunk_bytes: arguments.chunk_bytes,
            body_bytes: arguments.body_bytes,
            interval: Duration::from_millis(arguments.interval_ms),
        });
    }
    let running = simulator
        .run(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    println!("{}", running.url(""));
    tokio::signal::ctrl_c().await?;
    running.shutdown().await;
    Ok(())
}
