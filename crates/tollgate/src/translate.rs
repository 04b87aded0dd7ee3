//! The settings in the words of each room.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use admin::Access;
use anyhow::Context as _;
use config::lookup::SecretValues;
use config::settings::{AdminRole, Settings};
use config::{Document, Loaded};
use gateway::{AccessLog, Gateway, LogFormat};
use http::HeaderValue;
use ipnet::IpNet;
use plugin::Template;
use telemetry::log_sink::LogSink;

use crate::admin_key::{self, GeneratedKey};
use crate::banner::Banner;
use crate::house::House;
use crate::serve::Resources;

/// The `Server` header, with and without the version.
const VERSIONED: HeaderValue =
    HeaderValue::from_static(concat!("Tollgate/", env!("CARGO_PKG_VERSION")));
const BARE: HeaderValue = HeaderValue::from_static("Tollgate");

/// Who may use the Admin API; a key is made when the settings have none.
pub(crate) fn access(
    settings: &Settings,
    resources: &Resources,
    banner: &mut Banner,
) -> anyhow::Result<Access> {
    let admin = &settings.admin;
    if !admin.enabled {
        return Ok(Access::Keys(Vec::new()));
    }
    if !admin.key_required {
        banner
            .insecure
            .push("the Admin API asks for no key".to_owned());
        return Ok(Access::Open);
    }
    let named = admin
        .key
        .iter()
        .map(|key| ("admin.key", key, AdminRole::Admin));
    let listed = admin
        .keys
        .iter()
        .map(|row| (row.name.as_str(), &row.key, row.role));
    let mut keys: Vec<_> = named
        .chain(listed)
        .filter(|(_, key, _)| !key.expose().is_empty())
        .map(|(name, key, role)| admin::AdminKey {
            name: name.to_owned(),
            key: key.clone(),
            role: match role {
                AdminRole::Admin => admin::Role::Admin,
                AdminRole::Viewer => admin::Role::Viewer,
            },
        })
        .collect();
    if keys.is_empty() {
        let GeneratedKey { key, file, is_new } = match resources {
            Resources::Configured => admin_key::kept_in(&settings.data_dir)?,
            Resources::Passing(_) => admin_key::passing()?,
        };
        banner.admin_key = Some(match (&file, is_new) {
            (Some(file), true) => format!("{} (kept in {})", key.expose(), file.display()),
            (Some(file), false) => format!("in {}", file.display()),
            (None, _) => key.expose().to_owned(),
        });
        keys.push(admin::AdminKey {
            name: "generated".to_owned(),
            key,
            role: admin::Role::Admin,
        });
    }
    Ok(Access::Keys(keys))
}

pub(crate) fn access_log(
    settings: &Settings,
    house: &House,
) -> anyhow::Result<Option<Arc<LogSink>>> {
    let log = &settings.access_log;
    if !log.enabled {
        return Ok(None);
    }
    let sink = LogSink::open(&log.path, Some(house.metrics.clone()))
        .with_context(|| format!("access_log.path {}", log.path))?;
    Ok(Some(Arc::new(sink)))
}

/// The gateway with nothing to serve yet.
pub(crate) fn gateway(settings: &Settings, house: &House, sink: Option<&Arc<LogSink>>) -> Gateway {
    let (snapshot, _) = house.compile(&empty(), SecretValues::default(), None);
    Gateway::new(
        gateway_settings(settings, sink),
        snapshot,
        house.metrics.clone(),
    )
}

/// Addresses and networks; the settings were checked, so each of them is one.
fn networks(texts: &[String]) -> Vec<IpNet> {
    let address = |text: &String| text.parse::<IpAddr>().ok().map(IpNet::from);
    texts
        .iter()
        .filter_map(|text| text.parse().ok().or_else(|| address(text)))
        .collect()
}

fn gateway_settings(settings: &Settings, sink: Option<&Arc<LogSink>>) -> gateway::Settings {
    let limits = &settings.proxy.limits;
    let log = |sink: &Arc<LogSink>| AccessLog {
        sink: Arc::clone(sink),
        format: match settings.access_log.format.as_str() {
            "json" => LogFormat::Json,
            text => LogFormat::Text(Template::new(text)),
        },
    };
    gateway::Settings {
        limits: gateway::Limits {
            header_timeout: Duration::from_millis(limits.header_timeout_ms),
            body_timeout: Duration::from_millis(limits.body_timeout_ms),
            send_timeout: Duration::from_millis(limits.send_timeout_ms),
            keepalive_timeout: Duration::from_millis(limits.keepalive_timeout_ms),
            max_head: u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX),
            max_headers: limits.max_headers,
            max_body: Some(limits.max_body_bytes).filter(|most| *most > 0),
            max_condition_body: Some(limits.max_condition_body_bytes).filter(|most| *most > 0),
            max_streams: limits.max_http2_streams,
            drain_timeout: Duration::from_millis(settings.drain_timeout_ms),
        },
        access_log: sink.map(log),
        server: Some(if settings.proxy.enable_server_tokens {
            VERSIONED
        } else {
            BARE
        }),
        trusted_addresses: networks(&settings.proxy.trusted_addresses),
        always_tell_upstream_status: settings.proxy.show_upstream_status_in_response_header,
    }
}

/// A configuration without anything in it.
fn empty() -> Loaded {
    Loaded {
        document: Arc::new(Document::default()),
        rejected: Vec::new(),
    }
}
