//! Plugins that answer AI requests.

mod checks;
mod proxy;
mod proxy_multi;
mod rate_limiting;
mod settings;
mod timeouts;

use ai::InstanceError;
use plugin::ConfigError;

pub(crate) use proxy::AiProxy;
pub(crate) use proxy_multi::AiProxyMulti;
pub use proxy_multi::{Idle, idle_fields};
pub(crate) use rate_limiting::AiRateLimiting;

/// Where in an instance's configuration its fault lies.
fn placed(error: &InstanceError) -> ConfigError {
    let pointer = match error {
        InstanceError::Header { .. } => "/auth/header",
        InstanceError::Endpoint(_) | InstanceError::Origin(_) | InstanceError::Path => {
            "/override/endpoint"
        }
    };
    ConfigError::at(pointer, error.to_string())
}
