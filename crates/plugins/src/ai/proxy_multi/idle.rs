//! Fields that do nothing as the rest of a configuration of `ai-proxy-multi` is.

use serde::Deserialize;
use serde_json::Value;

use super::config::{Algorithm, Config, HashOn, InstanceConfig};

/// A field that has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idle {
    /// Its place within the plugin's configuration, such as `instances[0].checks`.
    pub field: String,
    /// Why it has none, as in "has no effect, since …".
    pub since: String,
}

/// The fields of a configuration of `ai-proxy-multi` that have no effect; none of one that is not
/// valid.
pub fn idle_fields(config: &Value) -> Vec<Idle> {
    let config = Config::deserialize(config);
    config.map_or_else(|_| Vec::new(), |config| of(&config))
}

/// Says at load which fields have no effect.
pub(super) fn warn(config: &Config, resource: &str) {
    for Idle { field, since } in of(config) {
        tracing::warn!(resource, field, "a field has no effect, since {since}");
    }
}

fn of(config: &Config) -> Vec<Idle> {
    let mut found = Vec::new();
    let mut add = |field: String, since: String| found.push(Idle { field, since });
    let algorithm = config.balancer.algorithm;
    let chosen_otherwise = |only: Algorithm| {
        let (only, used) = (only.name(), algorithm.name());
        format!("only {only} looks at it, and balancer.algorithm is {used}")
    };
    if algorithm != Algorithm::Chash {
        let balancer = &config.balancer;
        if balancer.key.is_some() {
            add("balancer.key".into(), chosen_otherwise(Algorithm::Chash));
        }
        if balancer.hash_on != HashOn::default() {
            add(
                "balancer.hash_on".into(),
                chosen_otherwise(Algorithm::Chash),
            );
        }
    }
    if algorithm != Algorithm::Semantic {
        if config.semantic_opts.is_some() {
            add(
                "semantic_opts".into(),
                chosen_otherwise(Algorithm::Semantic),
            );
        }
        let given = |instance: &InstanceConfig| instance.examples.is_some();
        if let Some(first) = config.instances.iter().position(given) {
            let field = format!("instances[{first}].examples");
            add(field, chosen_otherwise(Algorithm::Semantic));
        }
    }
    if let [single] = config.instances.as_slice()
        && single.checks.is_some()
    {
        let since = "a single instance is asked whatever its health".to_owned();
        add("instances[0].checks".into(), since);
    }
    found
}

#[cfg(test)]
mod tests;
