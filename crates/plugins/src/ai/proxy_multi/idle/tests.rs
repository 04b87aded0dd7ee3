use serde_json::{Value, json};

use super::idle_fields;

/// The idle fields of a configuration with these instances, in words.
fn idle(instances: &[Value], more: &Value) -> Vec<String> {
    let whole = |(index, more): (usize, &Value)| {
        let mut instance = json!({
            "name": index.to_string(), "provider": "openai", "auth": {}, "weight": 1,
        });
        merge(&mut instance, more);
        instance
    };
    let instances: Vec<_> = instances.iter().enumerate().map(whole).collect();
    let mut config = json!({ "instances": instances });
    merge(&mut config, more);
    let found = idle_fields(&config).into_iter();
    found
        .map(|idle| format!("{} {}", idle.field, idle.since))
        .collect()
}

fn merge(into: &mut Value, more: &Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

#[test]
fn a_key_is_looked_at_by_chash_alone() {
    let pair = [json!({}), json!({})];
    let balancer = |algorithm: &str| json!({ "balancer": { "algorithm": algorithm, "hash_on": "header", "key": "x" } });
    let since = "only chash looks at it, and balancer.algorithm is least_busy";
    assert_eq!(
        idle(&pair, &balancer("least_busy")),
        [
            format!("balancer.key {since}"),
            format!("balancer.hash_on {since}")
        ]
    );
    assert_eq!(idle(&pair, &balancer("chash")), [""; 0]);
}

#[test]
fn examples_are_looked_at_by_semantic_alone() {
    let pair = [json!({}), json!({ "examples": ["x"] })];
    let since = "only semantic looks at it, and balancer.algorithm is roundrobin";
    let told = idle(&pair, &json!({}));
    assert_eq!(told, [format!("instances[1].examples {since}")]);
    let options = json!({ "embeddings": { "provider": "openai", "model": "m", "auth": {} } });
    let told = idle(&pair[..1], &json!({ "semantic_opts": options }));
    assert_eq!(told, [format!("semantic_opts {since}")]);
    let semantic = json!({ "semantic_opts": options, "balancer": { "algorithm": "semantic" } });
    assert_eq!(idle(&pair, &semantic), [""; 0]);
}

#[test]
fn a_single_instance_is_not_probed() {
    let checked = json!({ "checks": { "active": {} } });
    assert_eq!(
        idle(std::slice::from_ref(&checked), &json!({})),
        ["instances[0].checks a single instance is asked whatever its health"]
    );
    assert_eq!(idle(&[checked, json!({})], &json!({})), [""; 0]);
}

#[test]
fn what_is_not_valid_is_told_elsewhere() {
    assert_eq!(idle_fields(&json!({ "instances": 1 })), []);
}
