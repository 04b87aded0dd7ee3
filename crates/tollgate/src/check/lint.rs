//! Configurations that are valid and probably not meant.

use std::sync::Arc;

use config::Document;
use config::fault::dotted;
use config::misspelt::misspelt;
use plugin::Registry;
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

/// Fields of `ai-proxy-multi` that do nothing as the rest of it is.
pub(super) fn idle_fields(document: &Document) -> Vec<String> {
    let of_one = |(key, plugins): (&Arc<str>, &Value)| {
        let config = plugins.get("ai-proxy-multi")?;
        let idle = plugins::idle_fields(config).into_iter();
        let key = key.clone();
        Some(idle.map(move |idle| {
            let (field, since) = (idle.field, idle.since);
            format!("{key}: plugins.ai-proxy-multi.{field}: has no effect, since {since}")
        }))
    };
    every_plugins(document)
        .filter_map(of_one)
        .flatten()
        .collect()
}

/// Fields of plugins that no schema knows, and that look like one that it knows.
pub(super) fn misspelt_fields(document: &Document, registry: &Registry) -> Vec<String> {
    let mut told = Vec::new();
    for (key, plugins) in every_plugins(document) {
        for (name, config) in plugins.as_object().into_iter().flatten() {
            let schema = registry.schema(name);
            for slip in schema.map_or_else(Vec::new, |schema| misspelt(schema, config)) {
                let place = dotted(&slip.pointer);
                told.push(format!(
                    "{key}: plugins.{name}.{place}: unknown field, did you mean {:?}?",
                    slip.meant
                ));
            }
        }
    }
    told
}

/// The plugins of every resource that runs some, with the key of the resource.
fn every_plugins(document: &Document) -> impl Iterator<Item = (&Arc<str>, &Value)> {
    let routes = document.routes.values().map(|item| (&item.key, &item.raw));
    let services = document.services.values();
    let services = services.map(|item| (&item.key, &item.raw));
    let configs = document.plugin_configs.values();
    let configs = configs.map(|item| (&item.key, &item.raw));
    let rules = document.global_rules.values();
    let rules = rules.map(|item| (&item.key, &item.raw));
    let groups = document.consumer_groups.values();
    let groups = groups.map(|item| (&item.key, &item.raw));
    let all = routes
        .chain(services)
        .chain(configs)
        .chain(rules)
        .chain(groups);
    all.filter_map(|(key, raw)| Some((key, raw.get("plugins")?)))
}

/// The instances of every resource that has some, with the key of the resource.
fn instances(document: &Document) -> impl Iterator<Item = (&Arc<str>, &[Value])> {
    every_plugins(document).filter_map(|(key, plugins)| {
        let instances = plugins.get("ai-proxy-multi")?.get("instances")?;
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
