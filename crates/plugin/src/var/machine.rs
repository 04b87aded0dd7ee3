//! The machine that the gateway runs on.

use std::sync::LazyLock;

/// The host name of this machine; `$hostname`.
pub fn hostname() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned()
    });
    &NAME
}
