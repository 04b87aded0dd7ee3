//! The connection to a Redis server, and what is asked over it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisResult, Script, ServerErrorKind, TlsMode,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::settings::{RedisServer, RedisSettings, Sentinels};
use crate::counter::{LONGEST, StoreError, Tally};

/// Charges a counter in one step: begins its window with this charge when it has none. Answers what
/// is used, and how many milliseconds the window goes on.
const CHARGE: &str = "
local left = redis.call('pttl', KEYS[1])
if left < 0 then
    redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[2])
    return {tonumber(ARGV[1]), ARGV[2] * 1000}
end
return {redis.call('incrby', KEYS[1], ARGV[1]), left}
";

/// The connection that everybody uses.
pub(super) struct Link {
    settings: RedisSettings,
    script: Script,
    current: ArcSwapOption<Connection>,
    /// Held while one is made, so that requests that come together make one.
    connecting: Mutex<()>,
}

/// A connection; clones use the same one.
#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

// === impl Link ===

impl Link {
    pub(super) fn new(settings: RedisSettings) -> Self {
        Self {
            settings,
            script: Script::new(CHARGE),
            current: ArcSwapOption::empty(),
            connecting: Mutex::new(()),
        }
    }

    /// Adds `cost` to the counter of `key`, and tells what it says then.
    ///
    /// # Errors
    /// When the server does not answer in time, or with an error.
    pub(super) async fn charge(
        &self,
        key: &str,
        cost: u64,
        window: Duration,
    ) -> Result<Tally, StoreError> {
        let patience = self.settings.timeout;
        let asked = timeout(patience, self.ask_living(key, cost, window)).await;
        match asked {
            Ok(Ok(tally)) => Ok(tally),
            Ok(Err(error)) => Err(StoreError::Failed(error.to_string())),
            Err(_) => {
                // Whatever it is that does not answer, the next request does not wait for it.
                self.current.store(None);
                Err(StoreError::Silent(patience))
            }
        }
    }

    /// Looks again when the kept connection turns out to be closed: servers close idle ones. A charge
    /// that was under way then may have arrived, so it is not made twice.
    async fn ask_living(&self, key: &str, cost: u64, window: Duration) -> RedisResult<Tally> {
        match self.ask(key, cost, window).await {
            Err(error) if cost == 0 && error.is_connection_dropped() => {
                self.ask(key, cost, window).await
            }
            outcome => outcome,
        }
    }

    async fn ask(&self, key: &str, cost: u64, window: Duration) -> RedisResult<Tally> {
        let connection = self.connection().await?;
        let asked = self.charge_over(&connection, key, cost, window).await;
        if asked.is_err() {
            self.drop_connection(&connection);
        }
        let (used, left) = asked?;
        Ok(Tally {
            used: u64::try_from(used).unwrap_or_default(),
            left: Duration::from_millis(u64::try_from(left).unwrap_or_default()),
        })
    }

    async fn charge_over(
        &self,
        connection: &Connection,
        key: &str,
        cost: u64,
        window: Duration,
    ) -> RedisResult<(i64, i64)> {
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            let seconds = window.min(LONGEST).as_secs();
            command.arg(script).arg(1).arg(key).arg(cost).arg(seconds);
            command
        };
        let outcome = connection
            .query(&command("EVALSHA", self.script.get_hash()))
            .await;
        match outcome {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                connection.query(&command("EVAL", CHARGE)).await
            }
            outcome => outcome,
        }
    }

    async fn connection(&self) -> RedisResult<Arc<Connection>> {
        if let Some(connection) = self.current.load_full() {
            return Ok(connection);
        }
        let _alone = self.connecting.lock().await;
        if let Some(connection) = self.current.load_full() {
            return Ok(connection);
        }
        let connection = Arc::new(self.connect().await?);
        self.current.store(Some(Arc::clone(&connection)));
        Ok(connection)
    }

    /// Has the next request make another connection, unless somebody has already.
    fn drop_connection(&self, failed: &Arc<Connection>) {
        self.current.rcu(|current| {
            let is_current = current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(current, failed));
            current.clone().filter(|_| !is_current)
        });
    }

    async fn connect(&self) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.settings.connect_timeout))
            .set_response_timeout(Some(self.settings.read_timeout));
        let single = match &self.settings.server {
            RedisServer::Cluster(nodes) => {
                let connection = self.cluster(nodes)?.get_async_connection().await?;
                return Ok(Connection::Cluster(connection));
            }
            RedisServer::Single(host, port) => {
                let info = self.address(host, *port).into_connection_info()?;
                let client = Client::open(info.set_redis_settings(self.handshake()))?;
                client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await?
            }
            RedisServer::Sentinel(sentinels) => {
                let mut client = self.sentinel(sentinels)?;
                client.get_async_connection_with_config(&config).await?
            }
        };
        Ok(Connection::Single(single))
    }

    fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        let host = host.to_owned();
        match self.settings.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(verify) => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: !verify,
                tls_params: None,
            },
        }
    }

    /// What is said first on a connection.
    fn handshake(&self) -> RedisConnectionInfo {
        let settings = &self.settings;
        let mut info = RedisConnectionInfo::default()
            .set_db(settings.database.into())
            .set_skip_set_lib_name();
        if let Some(username) = &settings.username {
            info = info.set_username(username);
        }
        if let Some(password) = &settings.password {
            info = info.set_password(password);
        }
        info
    }

    fn cluster(&self, nodes: &[(String, u16)]) -> RedisResult<ClusterClient> {
        let settings = &self.settings;
        let nodes = nodes.iter().map(|(host, port)| self.address(host, *port));
        let mut builder = ClusterClient::builder(nodes)
            .connection_timeout(settings.connect_timeout)
            .response_timeout(settings.read_timeout);
        if let Some(verify) = settings.tls {
            builder = builder.tls(mode(verify));
        }
        if let Some(password) = &settings.password {
            builder = builder.password(password);
        }
        builder.build()
    }

    fn sentinel(&self, sentinels: &Sentinels) -> RedisResult<SentinelClient> {
        let settings = &self.settings;
        let nodes = sentinels.nodes.iter();
        let nodes = nodes.map(|(host, port)| ConnectionAddr::Tcp(host.clone(), *port));
        let kind = if sentinels.asks_replica {
            SentinelServerType::Replica
        } else {
            SentinelServerType::Master
        };
        let mut builder = SentinelClientBuilder::new(nodes, &sentinels.master, kind)?
            .set_client_to_redis_db(settings.database.into());
        if let Some(username) = &settings.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &settings.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(username) = &sentinels.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = &sentinels.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        builder.build()
    }
}

fn mode(verify: bool) -> TlsMode {
    if verify {
        TlsMode::Secure
    } else {
        TlsMode::Insecure
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

// === impl Connection ===

impl Connection {
    async fn query(&self, command: &Cmd) -> RedisResult<(i64, i64)> {
        match self {
            Self::Single(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }
}
