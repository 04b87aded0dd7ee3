//! Processes under test: where they run, what they use, and that they end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal};
use rustix::thread::CpuSet;

/// How long a process may take to end when asked.
const FAREWELL: Duration = Duration::from_secs(5);

/// The unit of CPU times in `/proc`: on Linux always 100 in a second.
const TICK: Duration = Duration::from_millis(10);

/// A process with its descendants, whose use of the machine is measured.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pids: Vec<u32>,
    rss_idle: u64,
    peak: Arc<AtomicU64>,
}

/// Ends a process when dropped.
#[derive(Debug)]
pub(super) struct Ended {
    child: Child,
    log: PathBuf,
}

/// The CPU of the gateways, and that of load and simulated provider.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpus {
    pair: Option<(usize, usize)>,
}

/// Where a process runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Gateway,
    Load,
}

// === impl Process ===

impl Process {
    /// Measures this process and those that descend from it now.
    pub(super) fn of(child: &Ended) -> anyhow::Result<Self> {
        let mut process = Self {
            pids: with_descendants(child.child.id())?,
            rss_idle: 0,
            peak: Arc::default(),
        };
        process.rss_idle = process.rss();
        Ok(process)
    }

    /// User and system time of all its threads so far.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut ticks = 0;
        for pid in &self.pids {
            let fields = stat(*pid).with_context(|| format!("process {pid} has ended"))?;
            // The fields after the name: state is the first, utime and stime are 12th and 13th.
            ticks += number(&fields, 11)? + number(&fields, 12)?;
        }
        Ok(TICK * u32::try_from(ticks)?)
    }

    /// Resident memory now, in bytes.
    pub(super) fn rss(&self) -> u64 {
        let resident = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        self.pids.iter().filter_map(resident).sum::<u64>() * 1024
    }

    /// Resident memory before the first request, in bytes.
    pub(super) fn rss_idle(&self) -> u64 {
        self.rss_idle
    }

    pub(super) fn note_peak(&self) {
        self.peak.fetch_max(self.rss(), Ordering::Relaxed);
    }

    /// The highest memory noted since this was last asked.
    pub(super) fn take_peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed)
    }
}

fn with_descendants(root: u32) -> anyhow::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(fields) = stat(pid) {
            let parent = u32::try_from(number(&fields, 1)?)?;
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// The fields of `/proc/PID/stat` after the name, which may itself hold spaces.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

fn number(fields: &[String], index: usize) -> anyhow::Result<u64> {
    let field = fields.get(index).context("/proc/PID/stat is too short")?;
    Ok(field.parse()?)
}

// === impl Ended ===

impl Ended {
    /// Starts a program on its side of the machine.
    ///
    /// What it says goes to `log`, and is shown if it ends too early.
    pub(super) fn start(
        cpus: Cpus,
        side: Side,
        mut command: Command,
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let said = File::create(&log)?;
        command
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said);
        // A process begins on the CPUs of whoever starts it.
        cpus.move_to(side)?;
        let started = command.spawn();
        cpus.move_to(Side::Load)?;
        let name = command.get_program().display();
        let child = started.with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, log })
    }

    /// Fails when the process has ended by itself.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            Some(status) => {
                let said = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("it ended with {status}, saying:\n{}", said.trim_end())
            }
            None => Ok(()),
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It fails only if the process is gone, which is what is wanted.
            rustix::process::kill_process(pid, Signal::TERM).ok();
        }
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < FAREWELL {
            std::thread::sleep(TICK);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

// === impl Cpus ===

impl Cpus {
    /// The first two CPUs that this process may use.
    pub(super) fn find() -> anyhow::Result<Self> {
        let allowed = rustix::thread::sched_getaffinity(None)?;
        let mut usable = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        Ok(Self {
            pair: usable.next().zip(usable.next()),
        })
    }

    /// What is to be said about them beside the figures.
    pub(super) fn describe(self) -> String {
        match self.pair {
            Some((gateway, load)) => {
                format!("gateway on CPU {gateway}, load and simulated provider on CPU {load}")
            }
            None => "only one CPU: gateway and load disturb each other".to_owned(),
        }
    }

    /// Moves this thread, and so what it starts from here on.
    pub(super) fn move_to(self, side: Side) -> anyhow::Result<()> {
        let Some((gateway, load)) = self.pair else {
            return Ok(());
        };
        let mut set = CpuSet::new();
        set.set(match side {
            Side::Gateway => gateway,
            Side::Load => load,
        });
        rustix::thread::sched_setaffinity(None, &set).context("cannot choose a CPU")
    }
}

/// Lets this process and those it starts have as many connections as the machine allows.
pub(super) fn raise_descriptor_limit() -> anyhow::Result<()> {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(Resource::Nofile, raised)
        .context("cannot raise the limit of open files")
}
