//! The listening side.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::task::{JoinHandle, JoinSet};

use crate::canned::{Canned, CannedSizes};
use crate::journal::Journal;
use crate::link::{Link, LinkedStream};
use crate::script::Script;
use crate::serve::Stage;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 16_384;

/// A pause after a failed accept, for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A simulated provider, before it runs.
#[derive(Clone, Debug)]
pub struct Simulator {
    journal_entries: usize,
    canned: Option<CannedSizes>,
}

/// A running simulated provider; dropping it ends it and all its connections.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stage: Arc<Stage>,
    task: JoinHandle<()>,
}

// === impl Simulator ===

impl Simulator {
    /// One that keeps the newest 10,000 requests and repeats prompts.
    pub fn new() -> Self {
        Self {
            journal_entries: 10_000,
            canned: None,
        }
    }

    /// Keeps this many requests in the journal; 0 keeps none, and only counts.
    #[must_use]
    pub fn journal_entries(mut self, entries: usize) -> Self {
        self.journal_entries = entries;
        self
    }

    /// Answers plain chat requests with the same bytes each time, for measurements.
    ///
    /// Requests with `x-sim-` headers, and those that the script decides, are answered as ever.
    #[must_use]
    pub fn canned(mut self, sizes: CannedSizes) -> Self {
        self.canned = Some(sizes);
        self
    }

    /// Runs one with the usual settings; port 0 takes a free port.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Running> {
        Self::new().run(address).await
    }

    /// Runs it; port 0 takes a free port.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn run(self, address: impl ToSocketAddrs) -> io::Result<Running> {
        let listener = listen(address).await?;
        let address = listener.local_addr()?;
        let stage = Arc::new(Stage {
            journal: Journal::new(self.journal_entries),
            script: Script::default(),
            canned: self.canned.map(Canned::new),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&stage)));
        Ok(Running {
            address,
            stage,
            task,
        })
    }
}

impl Default for Simulator {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Running ===

impl Running {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path, which begins with `/` or is empty.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What arrived.
    pub fn journal(&self) -> &Journal {
        &self.stage.journal
    }

    /// The answers to come.
    pub fn script(&self) -> &Script {
        &self.stage.script
    }

    /// Closes the port and all connections, and returns when that is done.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // It ends by this abort, or ended before: both are what was asked for.
        (&mut self.task).await.ok();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(address: impl ToSocketAddrs) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    for address in lookup_host(address).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts for ever; the connections end with the set that owns them.
async fn accept(listener: TcpListener, stage: Arc<Stage>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => _ = connections.spawn(serve(stream, Arc::clone(&stage))),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, stage: Arc<Stage>) {
    // Without it only the pace of small chunks suffers.
    stream.set_nodelay(true).ok();
    let open = stage.journal.connection();
    let link = Arc::new(Link::default());
    let io = TokioIo::new(LinkedStream::new(stream, Arc::clone(&link)));
    let service = service_fn(|request| stage.answer(open.number, &link, request));
    // How a connection ended is in the journal, request by request.
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(io, service)
        .await
        .ok();
}
