//! `file-logger`: one line of JSON per request, appended to a file.
//!
//! Source: apache/apisix `apisix/plugins/file-logger.lua`, `apisix/utils/log-util.lua`.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use plugin::{
    ConfigError, Ctx, Expr, Host, LogFormat, LogFormatError, Logged, OnLack, Phases, Plugin, Step,
    Want, log_entry, schema_of,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::body::{self, Bodies, BodySettings};
use super::lazy_sink::LazySink;

/// Appends an entry for each request to a file.
#[derive(Debug)]
pub(crate) struct FileLogger {
    /// Absent when neither the configuration nor the metadata names a file.
    sink: Option<LazySink>,
    format: Option<LogFormat>,
    extra: Option<LogFormat>,
    bodies: Bodies,
    /// Entries are written for requests that match one of these; for all when there are none.
    matches: Option<Vec<Expr>>,
}

/// Appends a line of JSON for each request to a file.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// The file, created with its folders. Without it, the one in the plugin's metadata.
    path: Option<String>,
    /// The members of each entry, instead of the usual ones: constants, and variables that begin with
    /// `$`, in up to five levels of objects. Without it, the one in the plugin's metadata.
    log_format: Option<Map<String, Value>>,
    /// Members added to the usual ones.
    log_format_extra: Option<Map<String, Value>>,
    /// Expressions over variables: a request is logged when it matches one of them.
    #[schemars(length(max = 20))]
    r#match: Option<Vec<Vec<Value>>>,
    #[serde(flatten)]
    bodies: BodySettings,
}

/// What applies to each `file-logger` that does not say otherwise.
#[derive(Default, Deserialize, JsonSchema)]
struct Metadata {
    /// The file.
    path: Option<String>,
    /// The members of each entry.
    log_format: Option<Map<String, Value>>,
}

// === impl FileLogger ===

impl Plugin for FileLogger {
    const NAME: &'static str = "file-logger";
    const PRIORITY: i32 = 399;
    const PHASES: Phases = Phases::ACCESS.and(Phases::CHUNK).and(Phases::LOG);
    const ON_LACK: OnLack = OnLack::Skip;
    type Config = Config;

    fn compile(config: Config, host: &Host<'_>) -> Result<Self, ConfigError> {
        let metadata = Metadata::of(host)?;
        let path = config
            .path
            .or(metadata.path)
            .filter(|path| !path.is_empty());
        if path.is_none() {
            let resource = host.resource;
            tracing::warn!(
                resource,
                "file-logger: no path here or in its metadata: nothing is logged"
            );
        }
        let configured = config.log_format.or(metadata.log_format);
        let configured = configured.filter(|format| !format.is_empty());
        let matches = config.r#match.map(|all| {
            let compiled = all
                .into_iter()
                .map(|rules| body::expression("match", rules));
            compiled.collect::<Result<Vec<_>, _>>()
        });
        Ok(Self {
            sink: path.map(|path| LazySink::new(path, host)),
            format: format("log_format", configured)?,
            extra: format("log_format_extra", config.log_format_extra)?,
            bodies: config.bodies.compile()?,
            matches: matches.transpose()?.filter(|all| !all.is_empty()),
        })
    }

    fn metadata_schema() -> Option<Value> {
        Some(schema_of::<Metadata>())
    }

    fn phases(&self) -> Phases {
        let mut phases = Phases::LOG;
        if self.reads_request() {
            phases = phases | Phases::ACCESS;
        }
        if self.bodies.response().is_some() {
            phases = phases | Phases::CHUNK;
        }
        phases
    }

    fn want(&self) -> Want {
        let mut formats = self.format.iter().chain(&self.extra);
        if formats.any(LogFormat::needs_answer_text) {
            Want::TEXT
        } else {
            Want::NONE
        }
    }

    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        if self.formats_need_body() || self.bodies.wants_request(ctx) {
            return body::read(ctx);
        }
        Step::NEXT
    }

    fn chunk(&self, ctx: &mut Ctx, piece: &mut Bytes, _last: bool) {
        if let Some(collector) = self.bodies.response() {
            collector.take(ctx, piece);
        }
    }

    fn log(&self, ctx: &Ctx) {
        let Some(sink) = &self.sink else { return };
        let is_match = |all: &Vec<Expr>| all.iter().any(|one| one.matches_now(ctx));
        if !self.matches.as_ref().is_none_or(is_match) {
            return;
        }
        let response_body = self.bodies.response_bytes(ctx);
        let entry = log_entry(
            ctx,
            &Logged {
                format: self.format.as_ref(),
                extra: self.extra.as_ref(),
                request_body: self.bodies.request_bytes(ctx),
                response_body: response_body.as_deref(),
            },
        );
        sink.write_line(&entry);
    }
}

impl FileLogger {
    fn reads_request(&self) -> bool {
        self.bodies.has_request() || self.formats_need_body()
    }

    fn formats_need_body(&self) -> bool {
        let mut formats = self.format.iter().chain(&self.extra);
        formats.any(LogFormat::needs_body)
    }
}

fn format(
    name: &str,
    format: Option<Map<String, Value>>,
) -> Result<Option<LogFormat>, ConfigError> {
    let Some(format) = format else {
        return Ok(None);
    };
    LogFormat::compile(&format)
        .map(Some)
        .map_err(|error: LogFormatError| {
            ConfigError::at(format!("/{name}{}", error.pointer), error.to_string())
        })
}

// === impl Metadata ===

impl Metadata {
    fn of(host: &Host<'_>) -> Result<Self, ConfigError> {
        let Some(metadata) = host.metadata else {
            return Ok(Self::default());
        };
        Self::deserialize(metadata)
            .map_err(|error| ConfigError::at("", format!("metadata of file-logger: {error}")))
    }
}
