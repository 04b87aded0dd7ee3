//! The operator's log: to standard error, never a body or a secret.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging; `TOLLGATE_LOG` chooses levels as in `info,gateway=debug`.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_env("TOLLGATE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    logging.init();
}
