use std::sync::Mutex;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::metrics::Metrics;

use super::{PluginFault, Registry};
use crate::{
    AuthPlugin, ConfigError, Entry, Host, Living, Phases, Plugin, Secret, consumer_entry, entry,
};

/// What the plugin was compiled from, by the resource it was compiled for.
static COMPILED: Mutex<Vec<(String, u64)>> = Mutex::new(Vec::new());

struct Counted;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountedConfig {
    /// How many.
    #[serde(default = "seven")]
    #[schemars(range(min = 1, max = 9))]
    count: u64,
}

fn seven() -> u64 {
    7
}

impl Plugin for Counted {
    const NAME: &'static str = "counted";
    const PRIORITY: i32 = 10;
    const PHASES: Phases = Phases::NONE;
    type Config = CountedConfig;

    fn compile(config: CountedConfig, host: &Host<'_>) -> Result<Self, ConfigError> {
        if config.count == 9 {
            return Err(ConfigError::at("/count", "count: expected no 9, found 9"));
        }
        let mut compiled = COMPILED.lock().unwrap();
        compiled.push((host.resource.to_owned(), config.count));
        Ok(Self)
    }

    fn metadata_schema() -> Option<Value> {
        Some(json!({ "type": "object", "properties": { "path": { "type": "string" } } }))
    }
}

struct Door;

#[derive(Deserialize, JsonSchema)]
struct DoorConfig {}

#[derive(Deserialize, JsonSchema)]
struct DoorConsumer {
    /// The key.
    key: Secret,
}

impl Plugin for Door {
    const NAME: &'static str = "door";
    const PRIORITY: i32 = 20;
    const PHASES: Phases = Phases::NONE;
    const ENCRYPT_FIELDS: &'static [&'static str] = &["key"];
    type Config = DoorConfig;

    fn compile(_config: DoorConfig, _host: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl AuthPlugin for Door {
    type Consumer = DoorConsumer;

    fn credential(consumer: &DoorConsumer) -> String {
        consumer.key.expose().to_owned()
    }
}

static ENTRIES: &[Entry] = &[entry::<Counted>(), consumer_entry::<Door>()];

fn with_host<T>(resource: &str, act: impl FnOnce(&Registry, &Host<'_>) -> T) -> T {
    let living = Living::default();
    let metrics = Metrics::default();
    let host = Host {
        living: &living,
        metrics: &metrics,
        attributes: None,
        metadata: None,
        resource,
    };
    act(&Registry::new(ENTRIES, None), &host)
}

fn check(name: &str, config: &Value) -> Result<(), PluginFault> {
    with_host("/routes/check", |registry, host| {
        registry.check(name, config, host)
    })
}

fn refused(name: &str, config: &Value) -> (String, String) {
    match check(name, config).unwrap_err() {
        PluginFault::Invalid {
            pointer, detail, ..
        } => (pointer, detail),
        PluginFault::Unknown { name } => panic!("unknown plugin {name}"),
    }
}

#[test]
fn entries_are_sorted_and_can_be_left_out() {
    let all = Registry::new(ENTRIES, None);
    let names: Vec<_> = all.entries().iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["door", "counted"]);
    assert_eq!(all.find("door").unwrap().encrypt_fields, ["key"]);

    let some = Registry::new(ENTRIES, Some(&["counted".to_owned(), "other".to_owned()]));
    assert!(some.find("door").is_none() && some.schema("door").is_none());
    assert!(some.find("counted").is_some());
}

#[test]
fn schema_type_and_plugin_are_asked_in_turn() {
    assert_eq!(check("counted", &json!({ "count": 3 })), Ok(()));
    let range = "property \"count\" validation failed: expected 10 to be at most 9";
    let (pointer, detail) = refused("counted", &json!({ "count": 10 }));
    assert_eq!((&*pointer, &*detail), ("/count", range));
    let (pointer, detail) = refused("counted", &json!({ "count": 9 }));
    assert_eq!(
        (&*pointer, &*detail),
        ("/count", "count: expected no 9, found 9")
    );
    let (pointer, detail) = refused("counted", &json!({ "colour": 1 }));
    assert_eq!(pointer, "/colour");
    assert_eq!(detail, "additional properties forbidden, found colour");
}

#[test]
fn faults_read_as_the_admin_api_answers() {
    let fault = check("nobody", &json!({})).unwrap_err();
    assert_eq!(fault.to_string(), "unknown plugin [nobody]");
    let fault = check("counted", &json!({ "count": "x" })).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "failed to check the configuration of plugin counted err: property \"count\" validation \
         failed: wrong type: expected integer, got string"
    );
}

#[test]
fn defaults_apply_and_meta_is_kept_from_the_plugin() {
    let config = json!({ "_meta": { "priority": 99 } });
    let link = with_host("/routes/defaults", |registry, host| {
        registry.compile("counted", &config, host)
    });
    assert!(link.unwrap().is_some());
    let compiled = COMPILED.lock().unwrap();
    assert!(compiled.contains(&("/routes/defaults".to_owned(), 7)));
}

#[test]
fn a_whole_float_is_an_integer() {
    assert_eq!(check("counted", &json!({ "count": 3.0 })), Ok(()));
}

#[test]
fn a_disabled_plugin_need_not_be_valid() {
    let config = json!({ "count": "x", "_meta": { "disable": true } });
    let link = with_host("/routes/1", |registry, host| {
        registry.compile("counted", &config, host)
    });
    assert!(link.unwrap().is_none());
}

#[test]
fn lua_is_refused_with_a_reason() {
    let (pointer, detail) = refused("counted", &json!({ "_meta": { "pre_function": "x" } }));
    assert_eq!(pointer, "/_meta/pre_function");
    assert!(detail.contains("Lua code does not run here"), "{detail}");
}

#[test]
fn consumers_are_found_by_their_credential() {
    let credential = |name: &str, config: &Value| {
        with_host("/consumers/jack", |registry, host| {
            registry.credential(name, config, host)
        })
    };
    let found = credential("door", &json!({ "key": "k" }));
    assert_eq!(found, Ok(Some(("door", "k".to_owned()))));
    let reference = credential("door", &json!({ "key": "$env://KEY" }));
    assert_eq!(reference, Ok(None));
    let disabled = credential("door", &json!({ "_meta": { "disable": true } }));
    assert_eq!(disabled, Ok(None));
    assert_eq!(credential("counted", &json!({})), Ok(None));
    assert!(credential("counted", &json!({ "count": 0 })).is_err());
    let missing = credential("door", &json!({})).unwrap_err();
    assert!(
        missing
            .to_string()
            .ends_with("property \"key\" is required")
    );
}

#[test]
fn schemas_carry_meta_and_metadata_has_its_own() {
    let registry = Registry::new(ENTRIES, None);
    let schema = registry.schema("counted").unwrap();
    assert_eq!(schema["properties"]["count"]["maximum"], json!(9));
    assert_eq!(schema["properties"]["count"]["default"], json!(7));
    assert_eq!(schema["properties"]["_meta"]["type"], json!("object"));
    let consumer = registry.consumer_schema("door").unwrap();
    assert_eq!(consumer["required"], json!(["key"]));
    assert!(registry.consumer_schema("counted").is_none());
    assert!(registry.metadata_schema("door").is_none());
    assert!(
        registry
            .check_metadata("counted", &json!({ "path": "a" }))
            .is_ok()
    );
    assert!(
        registry
            .check_metadata("counted", &json!({ "path": 1 }))
            .is_err()
    );
    assert!(
        registry
            .check_metadata("door", &json!({ "any": 1 }))
            .is_ok()
    );
}
