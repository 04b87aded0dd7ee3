//! Which Redis server is asked, and how.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Which Redis server is asked, and how.
#[derive(Clone, Hash)]
pub struct RedisSettings {
    /// Where it is.
    pub server: RedisServer,
    /// User; the default one when absent.
    pub username: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Number of the database; a cluster has one only.
    pub database: u32,
    /// Whether connections are encrypted, and whether the certificate is checked then.
    pub tls: Option<bool>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long an answer may take.
    pub read_timeout: Duration,
    /// How long a request waits in all.
    pub timeout: Duration,
}

/// Where a Redis server is.
#[derive(Clone, Debug, Hash)]
pub enum RedisServer {
    /// One server: host and port.
    Single(String, u16),
    /// A cluster that has these nodes, among others.
    Cluster(Vec<(String, u16)>),
    /// The server that sentinels name.
    Sentinel(Sentinels),
}

/// Sentinels that know a server by a name.
#[derive(Clone, Hash)]
pub struct Sentinels {
    /// Where they are: hosts and ports.
    pub nodes: Vec<(String, u16)>,
    /// The name of the server.
    pub master: String,
    /// Whether a replica is asked instead of the master.
    pub asks_replica: bool,
    /// User at the sentinels.
    pub username: Option<String>,
    /// Password at the sentinels.
    pub password: Option<String>,
}

// === impl RedisSettings ===

impl RedisSettings {
    /// What tells these settings from others; credentials are in it as a checksum only.
    pub fn identity(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:?} {:016x}", self.server, hasher.finish())
    }
}

// Written by hand: credentials are not told.
impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSettings")
            .field("server", &self.server)
            .field("database", &self.database)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

// === impl Sentinels ===

impl fmt::Debug for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sentinels")
            .field("nodes", &self.nodes)
            .field("master", &self.master)
            .field("asks_replica", &self.asks_replica)
            .finish_non_exhaustive()
    }
}
