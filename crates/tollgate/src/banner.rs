//! What the person at the terminal is told at start: what listens where, and what is insecure.

use std::fmt;
use std::net::SocketAddr;

use crate::demo::Told;

/// The lines of the start-up banner.
#[derive(Debug, Default)]
pub(crate) struct Banner {
    pub(crate) listeners: Vec<(&'static str, String)>,
    pub(crate) resources: String,
    pub(crate) admin_key: Option<String>,
    pub(crate) insecure: Vec<String>,
    pub(crate) ignored: Vec<String>,
    pub(crate) told: Vec<Told>,
}

// === impl Banner ===

impl Banner {
    /// Notes a listener that other machines may reach without anything to keep them out.
    pub(crate) fn warn_if_open(&mut self, name: &str, address: SocketAddr, why: &str) {
        if !address.ip().is_loopback() {
            self.insecure.push(format!("{name} on {address} {why}"));
        }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "tollgate {}", env!("CARGO_PKG_VERSION"))?;
        for (name, address) in &self.listeners {
            writeln!(f, "  {name:<10} {address}")?;
        }
        writeln!(f, "  {:<10} {}", "resources", self.resources)?;
        if let Some(key) = &self.admin_key {
            writeln!(f, "  {:<10} {key}", "admin key")?;
        }
        for line in &self.insecure {
            writeln!(f, "  {:<10} {line}", "insecure")?;
        }
        for key in &self.ignored {
            writeln!(f, "  {:<10} {key}: has no meaning here", "ignored")?;
        }
        if !self.told.is_empty() {
            writeln!(f, "\nTry:")?;
        }
        for Told { what, curl } in &self.told {
            writeln!(f, "\n  # {what}\n  {curl}")?;
        }
        Ok(())
    }
}
