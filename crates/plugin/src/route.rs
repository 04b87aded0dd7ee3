//! What is known of the matched route.

use std::sync::Arc;

/// The names of a matched route, shared by every request that matches it.
#[derive(Clone, Debug, Default)]
pub struct RouteFacts {
    /// Route id.
    pub id: Arc<str>,
    /// Route name, when it has one.
    pub name: Option<Arc<str>>,
    /// Id of the service the route belongs to.
    pub service_id: Option<Arc<str>>,
    /// Name of that service.
    pub service_name: Option<Arc<str>>,
    /// Resource key, for example `/routes/1`.
    pub key: Arc<str>,
    /// The path pattern that matched, as configured.
    pub matched_uri: Arc<str>,
    /// The host pattern that matched, empty without one.
    pub matched_host: Arc<str>,
}
