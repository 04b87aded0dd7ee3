//! `_meta`: what every plugin's configuration may carry.

use bytes::Bytes;
use http::{HeaderValue, header};
use serde_json::Value;

use crate::{ConfigError, Expr, Reply, ReplyBody};

/// The compiled `_meta` object of one plugin configuration.
#[derive(Debug, Default)]
pub struct Meta {
    /// The plugin is skipped, and its own configuration need not be valid.
    pub disable: bool,
    /// Replaces the plugin's priority.
    pub priority: Option<i32>,
    /// The plugin runs only for requests that match.
    pub filter: Option<Expr>,
    /// Replaces the body of each answer of status 400 and above that the plugin gives.
    pub error_response: Option<(Bytes, HeaderValue)>,
}

// === impl Meta ===

impl Meta {
    /// Reads `_meta` out of a plugin's configuration.
    ///
    /// # Errors
    /// Names the member that cannot be used.
    pub fn read(_config: &Value) -> Result<Self, ConfigError> {
        Ok(Self::default())
    }

    /// The answer as the client sees it, given one of the plugin.
    pub(crate) fn answer(&self, mut reply: Reply) -> Reply {
        if reply.status.as_u16() >= 400
            && let Some((body, kind)) = &self.error_response
        {
            reply.headers.insert(header::CONTENT_TYPE, kind.clone());
            reply.body = ReplyBody::Full(body.clone());
        }
        reply
    }
}
