use plugin::{Environment, Host, Living};
use serde_json::json;
use telemetry::metrics::{Metrics, Settings};

use super::super::AiProxyMulti;
use super::{Arc, Askers};

/// Compiles a route with two instances that are probed at this path.
fn compile(living: &Living, route: usize, path: &str) -> AiProxyMulti {
    let instance = |name: &str| {
        json!({
            "name": name, "provider": "openai", "auth": {}, "weight": 1,
            "override": { "endpoint": format!("http://127.0.0.1:{}", 1000 + route) },
            "checks": { "active": { "http_path": path } },
        })
    };
    let metrics = Metrics::new(&Settings::default()).expect("default settings");
    let host = Host {
        living,
        metrics: &metrics,
        environment: &Environment::default(),
        attributes: None,
        metadata: None,
        resource: &format!("/routes/{route}"),
    };
    let config = json!({ "instances": [instance("a"), instance("b")] });
    let config = serde_json::from_value(config).expect("a configuration");
    plugin::Plugin::compile(config, &host).expect("a valid configuration")
}

#[test]
fn who_has_asked_before_is_found_without_looking_at_others() {
    let living = Living::default();
    let mut routes: Vec<_> = (0..50).map(|route| compile(&living, route, "/0")).collect();
    for change in 1..4 {
        for (route, plugin) in routes.iter_mut().enumerate() {
            *plugin = compile(&living, route, &format!("/{change}"));
        }
    }
    let askers: Vec<Arc<Askers>> = living.all();
    assert_eq!(askers.len(), 2 * routes.len());
    for askers in askers {
        // The one that asks, and the one that did before it and is gone by now.
        assert!(askers.lock().len() <= 2);
        assert!(askers.last().is_some());
    }
}

#[test]
fn a_configuration_that_is_only_checked_hides_nobody() {
    let living = Living::default();
    let kept = compile(&living, 1, "/kept");
    let asks = |askers: &Arc<Askers>| askers.last().expect("a prober").probe().path.to_string();
    drop(compile(&living, 1, "/checked"));
    let askers: Vec<Arc<Askers>> = living.all();
    assert_eq!(askers.iter().map(asks).collect::<Vec<_>>(), ["/kept"; 2]);
    drop(kept);
}
