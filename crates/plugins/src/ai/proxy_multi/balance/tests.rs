use std::sync::Arc;

use net::pick::Settle;
use plugin::{Environment, Host, Living};
use serde_json::json;
use telemetry::metrics::{Metrics, Settings};

use super::{Algorithm, Balance, InstanceConfig};

/// Instances of these names and priorities.
fn balance(algorithm: Algorithm, instances: &[(&str, i64)]) -> Arc<Balance> {
    let metrics = Metrics::new(&Settings::default()).expect("default settings");
    let host = Host {
        living: &Living::default(),
        metrics: &metrics,
        environment: &Environment::default(),
        attributes: None,
        metadata: None,
        resource: "/routes/1",
    };
    let instance = |(name, priority): &(&str, i64)| {
        let config = json!({
            "name": name, "provider": "openai", "auth": {}, "weight": 1, "priority": priority,
        });
        serde_json::from_value::<InstanceConfig>(config).expect("an instance")
    };
    let instances: Vec<_> = instances.iter().map(instance).collect();
    Arc::new(Balance::new(&instances, algorithm, &host))
}

#[test]
fn only_pickers_that_look_at_times_are_told_them() {
    for (algorithm, wants) in [
        (Algorithm::Roundrobin, false),
        (Algorithm::LeastBusy, false),
        (Algorithm::Ewma, true),
        (Algorithm::Prefix, false),
    ] {
        let balance = balance(algorithm, &[("a", 0), ("b", 0), ("spare", -1)]);
        assert_eq!(balance.wants_times(0), wants, "{algorithm:?}");
        assert_eq!(balance.wants_times(1), wants, "{algorithm:?}");
        assert!(!balance.wants_times(2), "{algorithm:?}");
    }
}

#[test]
fn an_instance_that_is_alone_in_its_priority_has_nothing_to_tell() {
    for algorithm in [Algorithm::LeastBusy, Algorithm::Ewma, Algorithm::Prefix] {
        let balance = balance(algorithm, &[("a", 0), ("b", 0), ("spare", -1)]);
        let learns = [0, 1, 2].map(|index| balance.learns(index));
        assert_eq!(learns, [true, true, false], "{algorithm:?}");
    }
    let balance = balance(Algorithm::Roundrobin, &[("a", 0), ("b", 0)]);
    assert!(!balance.learns(0));
}
