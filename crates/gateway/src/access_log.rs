//! The line that each request leaves.

use plugin::Ctx;

use crate::settings::{AccessLog, LogFormat};

/// Whether lines may show headers of the answer.
pub(crate) fn reads_headers(log: &AccessLog) -> bool {
    matches!(log.format, LogFormat::Text(_))
}

/// Writes the line of a request that has ended.
pub(crate) fn write(log: &AccessLog, ctx: &Ctx) {
    let line = match &log.format {
        LogFormat::Json => plugin::access_line(ctx),
        LogFormat::Text(template) => {
            let mut line = String::with_capacity(256);
            template.write_log(ctx, "-", &mut line);
            line
        }
    };
    log.sink.write_line(line);
}
