//! The load: so many connections, each with one request after another.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::{StreamCheck, check_document, check_head};
use super::process::Process;
use super::scenario::Shape;

/// An answer that takes longer is an error.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often the memory is looked at.
const SAMPLING: Duration = Duration::from_millis(200);

/// A load on one target.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) shape: Shape,
    pub(super) warmup: Duration,
    pub(super) duration: Duration,
}

/// What was measured under one load.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) tally: Tally,
    pub(super) elapsed: Duration,
    /// CPU time of the gateway over the span, if there is one.
    pub(super) cpu: Option<Duration>,
    pub(super) rss_idle: u64,
    pub(super) rss_peak: u64,
}

/// What one or more connections saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: usize,
    /// Time to the end of the answer, in microseconds.
    pub(super) total: Vec<u32>,
    /// Time to the first chunk of a stream, in microseconds.
    pub(super) first: Vec<u32>,
    /// How late chunks were against the pace of their stream, in microseconds.
    pub(super) late: Vec<u32>,
    pub(super) errors: usize,
    pub(super) first_error: Option<String>,
}

/// One connection with its request.
struct Caller {
    address: SocketAddr,
    shape: Shape,
    body: Bytes,
    connection: Option<SendRequest<Full<Bytes>>>,
    tally: Tally,
}

// === impl Load ===

impl Load {
    /// Warms up, then measures from the first request to the last answer.
    pub(super) async fn run(&self, process: Option<&Process>) -> anyhow::Result<Measured> {
        let body = Bytes::from(self.shape.body());
        let callers = (0..self.shape.connections)
            .map(|_| Caller::new(self.address, self.shape, body.clone()))
            .collect();
        let mut callers = self.phase(callers, self.warmup).await?;
        for caller in &mut callers {
            let warmup = std::mem::take(&mut caller.tally);
            // Errors count from the first request on.
            caller.tally.errors = warmup.errors;
            caller.tally.first_error = warmup.first_error;
        }
        let peak = process.map(|process| tokio::spawn(watch_memory(process.clone())));
        let cpu_before = process.map(Process::cpu).transpose()?;
        let begin = Instant::now();
        let callers = self.phase(callers, self.duration).await?;
        let elapsed = begin.elapsed();
        let cpu_after = process.map(Process::cpu).transpose()?;
        let mut measured = Measured {
            elapsed,
            cpu: cpu_after
                .zip(cpu_before)
                .map(|(after, before)| after.saturating_sub(before)),
            ..Measured::default()
        };
        if let Some(process) = process {
            measured.rss_idle = process.rss_idle();
            measured.rss_peak = process.rss();
        }
        if let Some(watching) = peak {
            watching.abort();
        }
        if let Some(process) = process {
            measured.rss_peak = measured.rss_peak.max(process.take_peak());
        }
        for caller in callers {
            measured.tally.add(caller.tally);
        }
        Ok(measured)
    }

    /// Starts requests for so long, and waits for the last answer.
    async fn phase(&self, callers: Vec<Caller>, time: Duration) -> anyhow::Result<Vec<Caller>> {
        let begin = Instant::now();
        let mut running = JoinSet::new();
        for (caller, place) in callers.into_iter().zip(0..) {
            let start = begin + self.shape.ramp * place;
            running.spawn(caller.call(start, begin + time));
        }
        let mut callers = Vec::with_capacity(self.shape.connections);
        while let Some(caller) = running.join_next().await {
            callers.push(caller.context("a caller ended by a panic")?);
        }
        Ok(callers)
    }
}

async fn watch_memory(process: Process) {
    loop {
        process.note_peak();
        tokio::time::sleep(SAMPLING).await;
    }
}

// === impl Caller ===

impl Caller {
    fn new(address: SocketAddr, shape: Shape, body: Bytes) -> Self {
        Self {
            address,
            shape,
            body,
            connection: None,
            tally: Tally::default(),
        }
    }

    /// Sends requests from `start` until `end`, at least one.
    async fn call(mut self, start: Instant, end: Instant) -> Self {
        sleep_until(start).await;
        loop {
            let outcome = timeout(PATIENCE, self.request()).await;
            let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer in time")));
            self.tally.requests += 1;
            if let Err(error) = outcome {
                self.connection = None;
                self.tally.errors += 1;
                self.tally.first_error.get_or_insert(format!("{error:#}"));
                // A target that refuses everything is not asked in a tight loop.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if Instant::now() >= end {
                return self;
            }
        }
    }

    async fn request(&mut self) -> anyhow::Result<()> {
        let mut connection = match self.connection.take() {
            Some(connection) if !connection.is_closed() => connection,
            _ => connect(self.address).await?,
        };
        let request = Request::post("/v1/chat/completions")
            .header(header::HOST, "bench.test")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, "tollgate-bench")
            .header(header::AUTHORIZATION, "Bearer sk-bench")
            .body(Full::new(self.body.clone()))?;
        let begin = Instant::now();
        connection.ready().await?;
        let (head, body) = connection.send_request(request).await?.into_parts();
        check_head(&head, self.shape.chunks.is_some())?;
        match self.shape.chunks {
            Some(chunks) => self.stream(begin, body, chunks).await?,
            None => check_document(&body.collect().await?.to_bytes())?,
        }
        self.tally.total.push(micros(begin.elapsed()));
        self.connection = Some(connection);
        Ok(())
    }

    async fn stream(
        &mut self,
        begin: Instant,
        mut body: Incoming,
        chunks: usize,
    ) -> anyhow::Result<()> {
        let mut check = StreamCheck::default();
        let mut first = None;
        let mut seen = 0_u32;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else {
                continue;
            };
            for _ in 0..check.take(&data) {
                let start = *first.get_or_insert_with(|| {
                    self.tally.first.push(micros(begin.elapsed()));
                    Instant::now()
                });
                if !self.shape.interval.is_zero() {
                    let due = start + self.shape.interval * seen;
                    self.tally.late.push(micros(due.elapsed()));
                }
                seen += 1;
            }
        }
        Ok(check.finish(chunks)?)
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address)
        .await
        .context("cannot connect")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows at the sender.
    tokio::spawn(connection);
    Ok(sender)
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.total.extend(other.total);
        self.first.extend(other.first);
        self.late.extend(other.late);
        self.errors += other.errors;
        if self.first_error.is_none() {
            self.first_error = other.first_error;
        }
    }
}
