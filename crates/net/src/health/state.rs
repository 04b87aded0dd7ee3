//! The state of one address, and what findings make of it.
//!
//! Source: Kong/lua-resty-healthcheck, which APISIX uses.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// When an address counts as healthy again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rise {
    /// Between two probes of a usable address.
    pub interval: Duration,
    /// Statuses that count as success.
    pub statuses: Vec<u16>,
    /// Successes in a row that make an address healthy.
    pub successes: u8,
}

/// When an address counts as unhealthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fall {
    /// Between two probes of an address that is not usable.
    pub interval: Duration,
    /// Statuses that count as failure.
    pub statuses: Vec<u16>,
    /// Answers in a row that make an address unhealthy.
    pub http_failures: u8,
    /// Connections in a row that make an address unhealthy.
    pub tcp_failures: u8,
    /// Timeouts in a row that make an address unhealthy.
    pub timeouts: u8,
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A status of the healthy list, or a connection where that is all that is asked.
    Success,
    /// A status of the unhealthy list, or no HTTP.
    HttpFailure,
    /// No connection, no TLS, or a connection that broke.
    TcpFailure,
    /// Nothing in time.
    Timeout,
    /// A status of neither list: it says nothing.
    Nothing,
}

/// How an address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Usable.
    #[default]
    Healthy,
    /// Usable, with failures since the last success.
    MostlyHealthy,
    /// Not usable, with successes since the last failure.
    MostlyUnhealthy,
    /// Not usable.
    Unhealthy,
}

/// Findings in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Successes.
    pub success: u8,
    /// Failures of HTTP.
    pub http_failure: u8,
    /// Failures of TCP or TLS.
    pub tcp_failure: u8,
    /// Timeouts.
    pub timeout_failure: u8,
}

/// How an address is, and what led there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// How it is.
    pub state: State,
    /// Findings in a row.
    pub counters: Counters,
}

// === impl State ===

impl State {
    /// Whether requests may go there.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Healthy | Self::MostlyHealthy)
    }

    /// The word of APISIX for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::MostlyHealthy => "mostly_healthy",
            Self::MostlyUnhealthy => "mostly_unhealthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

// === impl Health ===

impl Health {
    /// Takes a finding in. Failures of different kinds are counted apart, a success ends them all.
    pub fn report(&mut self, finding: Finding, rise: &Rise, fall: &Fall) {
        let counters = &mut self.counters;
        let (counter, limit) = match finding {
            Finding::Nothing => return,
            Finding::Success if self.state == State::Healthy => return,
            Finding::Success => {
                *counters = Counters {
                    success: counters.success,
                    ..Counters::default()
                };
                (&mut counters.success, rise.successes)
            }
            _ if self.state == State::Unhealthy => return,
            failure => {
                counters.success = 0;
                match failure {
                    Finding::HttpFailure => (&mut counters.http_failure, fall.http_failures),
                    Finding::Timeout => (&mut counters.timeout_failure, fall.timeouts),
                    _ => (&mut counters.tcp_failure, fall.tcp_failures),
                }
            }
        };
        *counter = counter.saturating_add(1);
        let is_enough = *counter >= limit;
        self.state = match (finding, is_enough, self.state) {
            (Finding::Success, true, _) => State::Healthy,
            (Finding::Success, false, State::Unhealthy) => State::MostlyUnhealthy,
            (Finding::Success, false, state) => state,
            (_, true, _) => State::Unhealthy,
            (_, false, State::Healthy) => State::MostlyHealthy,
            (_, false, state) => state,
        };
    }
}
