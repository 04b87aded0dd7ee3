//! Configurations that are valid and probably not meant.

use std::sync::Arc;

use config::Document;
use serde_json::Value;

#[cfg(test)]
mod tests;

/// Instances whose names say that they are spare, and whose priority says that they come first.
pub(super) fn inverted_priorities(document: &Document) -> Vec<String> {
    let found = instances(document).filter_map(|(key, instances)| {
        let (spare, main) = inversion(instances)?;
        Some(format!(
            "{key}: plugins.ai-proxy-multi.instances: {spare:?} is preferred to {main:?}, since \
             the larger priority is tried first; expected the spare one to have the smaller \
             priority"
        ))
    });
    found.collect()
}

/// Instances whose health is to be judged by real traffic.
pub(super) fn passive_checks(document: &Document) -> Vec<String> {
    let found = instances(document).flat_map(|(key, instances)| {
        let passive = instances.iter().enumerate().filter(|(_, instance)| {
            let passive = instance.pointer("/checks/passive");
            passive.is_some()
        });
        passive.map(move |(index, _)| {
            format!(
                "{key}: plugins.ai-proxy-multi.instances[{index}].checks.passive: has no effect, \
                 as in APISIX; breaker does what it is meant for"
            )
        })
    });
    found.collect()
}

/// The instances of every resource that has some, with the key of the resource.
fn instances(document: &Document) -> impl Iterator<Item = (&Arc<str>, &[Value])> {
    let routes = document.routes.values().map(|item| (&item.key, &item.raw));
    let services = document.services.values();
    let services = services.map(|item| (&item.key, &item.raw));
    let configs = document.plugin_configs.values();
    let configs = configs.map(|item| (&item.key, &item.raw));
    let all = routes.chain(services).chain(configs);
    all.filter_map(|(key, raw)| {
        let instances = raw.pointer("/plugins/ai-proxy-multi/instances")?;
        Some((key, instances.as_array()?.as_slice()))
    })
}

fn inversion(instances: &[Value]) -> Option<(&str, &str)> {
    let named = |words: &'static [&'static str]| {
        instances.iter().filter_map(move |instance| {
            let name = instance.get("name")?.as_str()?;
            let lower = name.to_lowercase();
            let priority = instance.get("priority").and_then(Value::as_i64);
            let is_meant = words.iter().any(|word| lower.contains(word));
            is_meant.then_some((name, priority.unwrap_or(0)))
        })
    };
    let spare = named(&["backup", "fallback", "spare", "secondary"]).max_by_key(|(_, p)| *p)?;
    let main = named(&["primary", "main"]).min_by_key(|(_, priority)| *priority)?;
    (spare.1 > main.1).then_some((spare.0, main.0))
}
