//! The one list of plugins.

use plugin::{Entry, entry};

use crate::ai::AiProxy;

/// Every plugin that this build has.
pub static PLUGINS: &[Entry] = &[entry::<AiProxy>()];
