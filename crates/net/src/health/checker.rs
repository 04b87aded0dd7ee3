//! A prober under the name that operators know.

use std::sync::Arc;

use super::prober::Prober;

/// What is asked about one node of one configuration. Several may share a prober, since one target
/// is asked once however many configurations name it.
#[derive(Debug)]
pub struct Checker {
    name: String,
    label: Arc<str>,
    prober: Arc<Prober>,
}

// === impl Checker ===

impl Checker {
    /// A checker named for the place of its configuration, and for what it checks there.
    pub fn new(name: String, label: Arc<str>, prober: Arc<Prober>) -> Self {
        Self {
            name,
            label,
            prober,
        }
    }

    /// The name of what is checked within its configuration.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The place of its configuration, such as
    /// `upstream#/routes/1#plugins['ai-proxy-multi'].instances[0]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who asks.
    pub fn prober(&self) -> &Arc<Prober> {
        &self.prober
    }

    /// Whether requests may go there.
    pub fn is_usable(&self) -> bool {
        self.prober.is_usable()
    }
}
