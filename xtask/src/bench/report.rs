//! The figures: medians over the runs, beside nginx's and those of the run before.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is the task's output, its progress is for whoever waits"
)]

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::load::Measured;
use super::scenario::Scenario;

/// All figures of all runs.
#[derive(Debug)]
pub(super) struct Report {
    runs: usize,
    secs: u64,
    remark: String,
    rows: Vec<Row>,
}

/// One target under one scenario.
#[derive(Debug)]
struct Row {
    scenario: String,
    target: &'static str,
    runs: Vec<Measured>,
}

/// A column of the table.
struct Column {
    /// The name in the JSON form.
    name: &'static str,
    title: &'static str,
    decimals: usize,
    of: fn(&Measured) -> Option<f64>,
}

const COLUMNS: &[Column] = &[
    Column {
        name: "cpu_us_per_request",
        title: "cpu us/req",
        decimals: 1,
        of: |run| Some(run.cpu?.as_secs_f64() * 1e6 / float(run.tally.requests as u64)),
    },
    Column {
        name: "requests_per_second",
        title: "req/s",
        decimals: 0,
        of: |run| Some(float(run.tally.requests as u64) / run.elapsed.as_secs_f64()),
    },
    Column {
        name: "p50_ms",
        title: "p50 ms",
        decimals: 2,
        of: |run| percentile(&run.tally.total, 50),
    },
    Column {
        name: "p99_ms",
        title: "p99 ms",
        decimals: 2,
        of: |run| percentile(&run.tally.total, 99),
    },
    Column {
        name: "first_p50_ms",
        title: "first p50",
        decimals: 2,
        of: |run| percentile(&run.tally.first, 50),
    },
    Column {
        name: "first_p99_ms",
        title: "first p99",
        decimals: 2,
        of: |run| percentile(&run.tally.first, 99),
    },
    Column {
        name: "late_p99_ms",
        title: "late p99",
        decimals: 2,
        of: |run| percentile(&run.tally.late, 99),
    },
    Column {
        name: "rss_idle_mib",
        title: "idle MiB",
        decimals: 1,
        of: |run| mebibytes(run, run.rss_idle),
    },
    Column {
        name: "rss_peak_mib",
        title: "peak MiB",
        decimals: 1,
        of: |run| mebibytes(run, run.rss_peak),
    },
    Column {
        name: "cpu_share",
        title: "cpu share",
        decimals: 2,
        of: |run| Some(run.cpu?.as_secs_f64() / run.elapsed.as_secs_f64()),
    },
];

const LEGEND: &str = "\
Medians over the runs. cpu: user and system time of the gateway's processes per request. p50, p99:
time to the end of an answer; first: to the first chunk; late: of a chunk against the pace of its
stream (timers of the provider included, see direct). (xN): ratio to nginx. A cpu share near 1
says that the gateway was the limit. Tollgate writes its JSON access log, nginx logs nothing.";

/// Says what is being measured.
pub(super) fn progress(scenario: Scenario, target: &str, run: usize) {
    eprintln!("    {} {target} {run}", scenario.name());
}

// === impl Report ===

impl Report {
    pub(super) fn new(runs: usize, secs: u64, remark: String) -> Self {
        Self {
            runs,
            secs,
            remark,
            rows: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, scenario: Scenario, target: &'static str, measured: Measured) {
        let scenario = scenario.name();
        let found = self
            .rows
            .iter_mut()
            .find(|row| row.scenario == scenario && row.target == target);
        match found {
            Some(row) => row.runs.push(measured),
            None => self.rows.push(Row {
                scenario,
                target,
                runs: vec![measured],
            }),
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.rows.iter().any(|row| row.errors() > 0)
    }

    /// Prints the table.
    pub(super) fn print(&self) {
        println!("{} runs of {} s; {}\n", self.runs, self.secs, self.remark);
        let mut cells = vec![heading()];
        cells.extend(self.rows.iter().map(|row| self.cells(row)));
        for line in aligned(&cells) {
            println!("{line}");
        }
        for row in self.rows.iter().filter(|row| row.errors() > 0) {
            println!(
                "\nINVALID {} {}: {}",
                row.scenario,
                row.target,
                row.complaint()
            );
        }
        println!("\n{LEGEND}");
    }

    /// Writes the figures to `latest.json`, and prints what changed since the run before.
    pub(super) fn keep(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let latest = folder.join("latest.json");
        let before = fs::read_to_string(&latest).ok();
        let now = self.json();
        if let Some(before) = before {
            let before: Value = serde_json::from_str(&before)
                .with_context(|| format!("{} is no JSON: remove it", latest.display()))?;
            for line in changes(&before, &now) {
                println!("{line}");
            }
            fs::rename(&latest, folder.join("previous.json"))?;
        }
        fs::write(&latest, format!("{now:#}\n"))?;
        println!("\nwritten to {}", latest.display());
        Ok(())
    }

    fn json(&self) -> Value {
        let rows: Vec<_> = self.rows.iter().map(|row| self.row_json(row)).collect();
        json!({"runs": self.runs, "secs": self.secs, "remark": self.remark, "rows": rows})
    }

    fn row_json(&self, row: &Row) -> Value {
        let mut figures = Map::new();
        let mut ratios = Map::new();
        for column in COLUMNS {
            if let Some(value) = row.median(column) {
                figures.insert(column.name.to_owned(), json!(value));
            }
            if let Some(ratio) = self.ratio(row, column) {
                ratios.insert(column.name.to_owned(), json!(ratio));
            }
        }
        json!({
            "scenario": row.scenario,
            "target": row.target,
            "requests": row.runs.iter().map(|run| run.tally.requests).sum::<usize>(),
            "errors": row.errors(),
            "first_error": row.first_error(),
            "figures": figures,
            "ratio_to_nginx": ratios,
        })
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        let mut cells = vec![row.scenario.clone(), row.target.to_owned()];
        for column in COLUMNS {
            let value = row
                .median(column)
                .map(|value| format!("{value:.*}", column.decimals));
            let ratio = self
                .ratio(row, column)
                .map(|ratio| format!(" (x{ratio:.2})"));
            cells.push(value.unwrap_or_else(|| "-".to_owned()) + &ratio.unwrap_or_default());
        }
        cells.push(match row.errors() {
            0 => "ok".to_owned(),
            errors => format!("INVALID ({errors})"),
        });
        cells
    }

    /// The figure of a gateway divided by nginx's.
    fn ratio(&self, row: &Row, column: &Column) -> Option<f64> {
        let nginx = self.rows.iter().find(|one| {
            one.scenario == row.scenario && one.target == "nginx" && row.target != "nginx"
        });
        let nginx = nginx?.median(column)?;
        let is_comparable = nginx > 0.0 && row.target != "direct";
        is_comparable.then_some(row.median(column)? / nginx)
    }
}

// === impl Row ===

impl Row {
    fn errors(&self) -> usize {
        self.runs.iter().map(|run| run.tally.errors).sum()
    }

    fn first_error(&self) -> Option<&str> {
        self.runs
            .iter()
            .find_map(|run| run.tally.first_error.as_deref())
    }

    fn complaint(&self) -> String {
        let first = self.first_error().unwrap_or("unknown");
        format!("{} errors, the first: {first}", self.errors())
    }

    fn median(&self, column: &Column) -> Option<f64> {
        let mut values: Vec<_> = self.runs.iter().filter_map(column.of).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len().checked_sub(1)?;
        Some(f64::midpoint(
            *values.get(middle / 2)?,
            *values.get(middle.div_ceil(2))?,
        ))
    }
}

fn heading() -> Vec<String> {
    let titles = COLUMNS.iter().map(|column| column.title);
    let all = ["scenario", "target"]
        .into_iter()
        .chain(titles)
        .chain(["answers"]);
    all.map(str::to_owned).collect()
}

/// The cells as lines, columns below each other.
fn aligned(cells: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        let widths = cells
            .iter()
            .filter_map(|row| row.get(column).map(String::len));
        widths.max().unwrap_or_default()
    };
    cells
        .iter()
        .map(|row| {
            let padded: Vec<_> = row
                .iter()
                .enumerate()
                .map(|(column, cell)| match column {
                    0 | 1 => format!("{cell:<0$}", width(column)),
                    _ => format!("{cell:>0$}", width(column)),
                })
                .collect();
            padded.join("  ")
        })
        .collect()
}

/// How the ratios to nginx have changed, in words.
fn changes(before: &Value, now: &Value) -> Vec<String> {
    let rows = |report: &Value| report["rows"].as_array().cloned().unwrap_or_default();
    let old = rows(before);
    let mut lines = Vec::new();
    for row in rows(now) {
        let same =
            |one: &&Value| one["scenario"] == row["scenario"] && one["target"] == row["target"];
        let Some(previous) = old.iter().find(same) else {
            continue;
        };
        let was = &previous["ratio_to_nginx"]["cpu_us_per_request"];
        let is = &row["ratio_to_nginx"]["cpu_us_per_request"];
        if let (Some(was), Some(is)) = (was.as_f64(), is.as_f64()) {
            let (scenario, target) = (&row["scenario"], &row["target"]);
            let (scenario, target) = (scenario.as_str(), target.as_str());
            lines.push(format!(
                "{} {}: cpu x{is:.2}, before x{was:.2}",
                scenario.unwrap_or_default(),
                target.unwrap_or_default()
            ));
        }
    }
    if !lines.is_empty() {
        lines.insert(0, "\nAgainst the run before:".to_owned());
    }
    lines
}

/// A percentile of times in microseconds, as milliseconds.
fn percentile(times: &[u32], percent: usize) -> Option<f64> {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let index = sorted.len().checked_sub(1)? * percent / 100;
    Some(f64::from(*sorted.get(index)?) / 1000.0)
}

fn mebibytes(run: &Measured, bytes: u64) -> Option<f64> {
    run.cpu.map(|_| float(bytes) / (1024.0 * 1024.0))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people, far below 2^53"
)]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
