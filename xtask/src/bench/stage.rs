//! The programs that take part in one scenario: provider, nginx, gateway.

mod nginx;
mod tollgate;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::process::{Cpus, Ended, Process, Side};
use super::scenario::{Scenario, Shape};

pub(super) use nginx::install as install_nginx;

/// How long a program may take until it answers.
const START: Duration = Duration::from_secs(10);

/// Who takes part.
#[derive(Debug)]
pub(super) struct Cast {
    /// Where cargo puts what it builds.
    pub(super) target: PathBuf,
    pub(super) cpus: Cpus,
    pub(super) with_tollgate: bool,
}

/// All programs of one scenario, running; they end when it is dropped.
#[derive(Debug)]
pub(super) struct Stage {
    gateways: Vec<Gateway>,
    _provider: Ended,
    _folder: Folder,
}

/// A target of the load.
#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    /// Nothing for the provider itself.
    pub(super) process: Option<Process>,
    _running: Option<Ended>,
}

/// A folder for configuration and logs, removed at the end.
#[derive(Debug)]
struct Folder(PathBuf);

// === impl Stage ===

impl Stage {
    /// Starts everything anew, so that one scenario leaves nothing for the next.
    pub(super) async fn set(cast: &Cast, scenario: Scenario) -> anyhow::Result<Self> {
        let folder = Folder::new(&cast.target, &scenario.name())?;
        let upstream = free_address()?;
        let provider = provider(cast, &folder.0, upstream, scenario.shape()).await?;
        let mut gateways = vec![
            Gateway {
                name: "direct",
                address: upstream,
                process: None,
                _running: None,
            },
            nginx::start(cast, &folder.0, upstream).await?,
        ];
        if cast.with_tollgate {
            gateways.push(tollgate::start(cast, &folder.0, upstream).await?);
        }
        Ok(Self {
            gateways,
            _provider: provider,
            _folder: folder,
        })
    }

    pub(super) fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }
}

// === impl Gateway ===

impl Gateway {
    /// Starts a gateway and waits until it answers.
    async fn start(
        cast: &Cast,
        folder: &Path,
        (name, address): (&'static str, SocketAddr),
        command: Command,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.out"));
        let mut running = Ended::start(cast.cpus, Side::Gateway, command, log)?;
        answers(&mut running, address)
            .await
            .with_context(|| format!("{name} did not start"))?;
        let process = Process::of(&running)?;
        Ok(Self {
            name,
            address,
            process: Some(process),
            _running: Some(running),
        })
    }
}

// === impl Folder ===

impl Folder {
    fn new(target: &Path, name: &str) -> anyhow::Result<Self> {
        let path = target
            .join("bench")
            .join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

async fn provider(
    cast: &Cast,
    folder: &Path,
    address: SocketAddr,
    shape: Shape,
) -> anyhow::Result<Ended> {
    let mut command = Command::new(cast.target.join("release/examples/simulator"));
    command
        .arg("--canned")
        .arg("--listen")
        .arg(address.to_string());
    if let Some(chunks) = shape.chunks {
        command.arg("--chunks").arg(chunks.to_string());
    }
    command
        .arg("--interval-ms")
        .arg(shape.interval.as_millis().to_string());
    let log = folder.join("simulator.out");
    let mut running = Ended::start(cast.cpus, Side::Load, command, log)?;
    answers(&mut running, address)
        .await
        .context("the simulated provider did not start")?;
    Ok(running)
}

/// A port that nobody uses.
///
/// It could be taken until it is used; then the program that should use it says so.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}

/// Waits until a request is answered, whatever the answer.
///
/// A listening socket alone is not enough: nginx has one before it has a worker.
async fn answers(running: &mut Ended, address: SocketAddr) -> anyhow::Result<()> {
    let begin = Instant::now();
    while ask(address).is_err() {
        running.check()?;
        if begin.elapsed() > START {
            bail!("nothing answers on {address}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(START))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: bench.test\r\nconnection: close\r\n\r\n")?;
    stream.read_exact(&mut [0; 12])
}
