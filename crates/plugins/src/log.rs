//! Plugins that log requests.

mod body;
mod file_logger;
mod lazy_sink;

pub(crate) use file_logger::FileLogger;
