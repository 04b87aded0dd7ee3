//! What is observed of attempts, and of the exchange that they belong to.

use std::fmt::{self, Write as _};

use super::Metrics;
use super::observation::{Traffic, Variable};
use crate::names::{Label, Metric};

/// One attempt that has ended. All words are from closed sets or from the configuration.
#[derive(Clone, Copy)]
pub struct AttemptObservation<'a> {
    /// Whose request it was; its `node` is the instance that was asked.
    pub traffic: &'a Traffic<'a>,
    /// Why it was this instance.
    pub chosen: &'a str,
    /// The status that it brought, or the one that stands for a failure; `None` if it brought none.
    pub status: Option<u16>,
    /// Why it ended.
    pub ended: &'a str,
    /// Whose fault that was, or nothing.
    pub fault: &'a str,
    /// What is known of its times.
    pub times: AttemptTimes,
    /// Resolves the variables of extra labels.
    pub variable: &'a Variable<'a>,
}

/// Times of an attempt from its start, in milliseconds; `None` for steps that did not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttemptTimes {
    /// To an open connection; `None` on a kept one.
    pub connect_ms: Option<f64>,
    /// To the head of the answer.
    pub header_ms: Option<f64>,
    /// To the first content of a stream.
    pub first_content_ms: Option<f64>,
    /// To its end.
    pub total_ms: Option<f64>,
}

// === impl AttemptObservation ===

impl fmt::Debug for AttemptObservation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptObservation")
            .field("traffic", self.traffic)
            .field("chosen", &self.chosen)
            .field("status", &self.status)
            .field("ended", &self.ended)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

// === impl AttemptTimes ===

impl AttemptTimes {
    fn by_type(self) -> [(&'static str, Option<f64>); 4] {
        [
            ("connect", self.connect_ms),
            ("header", self.header_ms),
            ("first_content", self.first_content_ms),
            ("total", self.total_ms),
        ]
    }
}

// === impl Metrics ===

impl Metrics {
    /// Counts an attempt that has ended, and its times.
    pub fn llm_attempt(&self, seen: &AttemptObservation<'_>) {
        let labels = |_: usize, label: Label, out: &mut String| match label {
            Label::Chosen => out.push_str(seen.chosen),
            Label::Status => {
                if let Some(status) = seen.status {
                    _ = write!(out, "{status}");
                }
            }
            Label::Ended => out.push_str(seen.ended),
            Label::Fault => out.push_str(seen.fault),
            label => seen.traffic.write(label, out),
        };
        if let Some(series) = self.series(Metric::LlmAttempts, &labels, seen.variable) {
            series.add(1);
        }
        for (kind, value) in seen.times.by_type() {
            let Some(value) = value else { continue };
            let labels = |_: usize, label: Label, out: &mut String| match label {
                Label::Type => out.push_str(kind),
                Label::Ended => out.push_str(seen.ended),
                label => seen.traffic.write(label, out),
            };
            if let Some(series) = self.series(Metric::LlmAttemptLatency, &labels, seen.variable) {
                series.observe(value);
            }
        }
    }

    /// Counts an AI request that has ended: `node` is the instance that was asked last.
    pub fn llm_exchange(&self, traffic: &Traffic<'_>, ended: &str, variable: &Variable<'_>) {
        let labels = |_: usize, label: Label, out: &mut String| match label {
            Label::Ended => out.push_str(ended),
            label => traffic.write(label, out),
        };
        if let Some(series) = self.series(Metric::LlmExchanges, &labels, variable) {
            series.add(1);
        }
    }
}
