//! Where the counters of a configuration are.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use plugin::{ConfigError, Host, Secret};
use store::{Counters, MemoryCounters, RedisCounters, RedisServer, RedisSettings, Sentinels};

use super::config::{Config, Policy, Remote, Role};

/// What keys begin with in a store that others use too; the number is that of the storage format.
const SHARED_PREFIX: &str = "plugin-ai-rate-limiting:v1:";

/// The counters of a configuration.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) counters: Counters,
    /// Tells one store from another.
    pub(super) store: Arc<str>,
    /// What keys begin with.
    pub(super) prefix: &'static str,
}

// === impl Place ===

impl Place {
    /// The counters that the configuration names. All that are in this process are the same ones, and
    /// one connection leads to each Redis server.
    ///
    /// # Errors
    /// Names a node of a cluster that is no address.
    pub(super) fn new(config: &Config, host: &Host<'_>) -> Result<Self, ConfigError> {
        let Some(settings) = settings(config)? else {
            let make = || Ok::<_, Infallible>(MemoryCounters::default());
            let Ok(counters) = host.living.share("ai-rate-limiting", make);
            return Ok(Self {
                counters: Counters::Memory(counters),
                store: "local".into(),
                prefix: "",
            });
        };
        let identity = settings.identity();
        let make = || Ok::<_, Infallible>(RedisCounters::new(settings));
        let Ok(counters) = host.living.share(&identity, make);
        Ok(Self {
            counters: Counters::Redis(counters),
            store: identity.into(),
            prefix: SHARED_PREFIX,
        })
    }
}

/// The Redis server of a configuration; `None` when it names none.
fn settings(config: &Config) -> Result<Option<RedisSettings>, ConfigError> {
    let redis = &config.redis;
    let patience = Duration::from_millis(redis.redis_timeout);
    let settings = RedisSettings {
        server: RedisServer::Single(
            redis.redis_host.clone().unwrap_or_default(),
            redis.redis_port,
        ),
        username: redis.redis_username.clone(),
        password: exposed(redis.redis_password.as_ref()),
        database: redis.redis_database,
        tls: redis.redis_ssl.then_some(redis.redis_ssl_verify),
        connect_timeout: patience,
        read_timeout: patience,
        timeout: patience,
    };
    Ok(Some(match config.policy {
        Policy::Local => return Ok(None),
        Policy::Redis => settings,
        Policy::RedisCluster => RedisSettings {
            server: RedisServer::Cluster(nodes(redis)?),
            username: None,
            database: 0,
            tls: redis
                .redis_cluster_ssl
                .then_some(redis.redis_cluster_ssl_verify),
            ..settings
        },
        Policy::RedisSentinel => {
            let connect = Duration::from_millis(redis.redis_connect_timeout);
            let read = Duration::from_millis(redis.redis_read_timeout);
            RedisSettings {
                server: RedisServer::Sentinel(sentinels(redis)),
                tls: None,
                connect_timeout: connect,
                read_timeout: read,
                timeout: connect.saturating_add(read),
                ..settings
            }
        }
    }))
}

fn sentinels(redis: &Remote) -> Sentinels {
    let nodes = redis.redis_sentinels.iter().flatten();
    Sentinels {
        nodes: nodes.map(|node| (node.host.clone(), node.port)).collect(),
        master: redis.redis_master_name.clone().unwrap_or_default(),
        asks_replica: redis.redis_role == Role::Slave,
        username: redis.sentinel_username.clone(),
        password: exposed(redis.sentinel_password.as_ref()),
    }
}

fn nodes(redis: &Remote) -> Result<Vec<(String, u16)>, ConfigError> {
    let nodes = redis.redis_cluster_nodes.iter().flatten().enumerate();
    let address = |(index, node): (usize, &String)| {
        let address = node.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Some((host.to_owned(), port.parse().ok()?))
        });
        address.filter(|(host, _)| !host.is_empty()).ok_or_else(|| {
            ConfigError::at(
                format!("/redis_cluster_nodes/{index}"),
                format!(
                    "redis_cluster_nodes[{}]: expected host:port, found {node:?}",
                    index + 1
                ),
            )
        })
    };
    nodes.map(address).collect()
}

/// A password; an empty one is none.
fn exposed(secret: Option<&Secret>) -> Option<String> {
    let password = secret.map(|secret| secret.expose().to_owned());
    password.filter(|password| !password.is_empty())
}
