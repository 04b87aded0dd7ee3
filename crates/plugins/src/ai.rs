//! Plugins that answer AI requests.

mod proxy;
mod settings;

pub(crate) use proxy::AiProxy;
