//! The one list of plugins.

use plugin::{Entry, consumer_entry, entry};

use crate::ai::{AiProxy, AiProxyMulti, AiRateLimiting};
use crate::auth::KeyAuth;
use crate::log::FileLogger;
use crate::observe::Prometheus;

/// Every plugin that this build has.
pub static PLUGINS: &[Entry] = &[
    consumer_entry::<KeyAuth>(),
    entry::<AiProxyMulti>(),
    entry::<AiProxy>(),
    entry::<AiRateLimiting>(),
    entry::<Prometheus>(),
    entry::<FileLogger>(),
];
