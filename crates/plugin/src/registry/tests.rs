use std::sync::Mutex;

use http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use telemetry::metrics::Metrics;

use super::{Identified, PluginFault, Registry};
use crate::{
    AuthPlugin, Chain, ConfigError, Ctx, Entry, Environment, Fault, Host, Link, Living, OnLack,
    Phases, Plugin, Say, Secret, Step, Whose, consumer_entry, entry, sample,
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

/// Refuses, with the value, what it does not like.
struct Lamp;

#[derive(Deserialize, JsonSchema)]
struct LampConfig {
    /// Its colour.
    #[schemars(length(max = 9))]
    colour: String,
    /// Its size.
    #[serde(default)]
    size: Option<String>,
}

impl Plugin for Lamp {
    const NAME: &'static str = "lamp";
    const PRIORITY: i32 = 5;
    const PHASES: Phases = Phases::NONE;
    type Config = LampConfig;

    fn compile(config: LampConfig, _host: &Host<'_>) -> Result<Self, ConfigError> {
        if let Some(size) = config.size {
            return Err(ConfigError::at("/size", format!("size: found {size}")));
        }
        let colour = config.colour;
        if !colour.starts_with("key-a") {
            let message = format!("colour: expected one that begins with key-a, found {colour}");
            return Err(ConfigError::at("/colour", message));
        }
        Ok(Self)
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

/// A plugin with a secret field, by what it does without it.
struct Needy<const ON_LACK: u8>;

#[derive(Deserialize, JsonSchema)]
struct NeedyConfig {
    /// Secret.
    #[serde(default)]
    token: Option<Secret>,
    /// Not secret.
    #[serde(default)]
    label: Option<String>,
    /// Not every word is one.
    #[serde(default)]
    kind: Option<NeedyKind>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum NeedyKind {
    Good,
}

impl<const ON_LACK: u8> Plugin for Needy<ON_LACK> {
    const NAME: &'static str = ["refusing", "skipping", "coping", "looking"][ON_LACK as usize];
    const PRIORITY: i32 = 1;
    const PHASES: Phases = if ON_LACK == 3 {
        Phases::HEAD
    } else {
        Phases::LOG.and(Phases::ACCESS).and(Phases::BEFORE_PROXY)
    };
    const ENCRYPT_FIELDS: &'static [&'static str] = &["token"];
    const ON_LACK: OnLack = match ON_LACK {
        1 => OnLack::Skip,
        2 => OnLack::Cope,
        _ => OnLack::Refuse,
    };
    type Config = NeedyConfig;

    fn compile(config: NeedyConfig, _host: &Host<'_>) -> Result<Self, ConfigError> {
        assert!(
            config
                .kind
                .is_none_or(|kind| matches!(kind, NeedyKind::Good))
        );
        let token = config.token.as_ref().map(Secret::expose);
        assert!(ON_LACK == 2 || !token.is_some_and(crate::is_reference));
        match config.label.as_deref() {
            Some("bad") => Err(ConfigError::at("/label", "label: found bad")),
            _ => Ok(Self),
        }
    }

    fn access<'a>(&'a self, _ctx: &'a mut Ctx) -> Step<'a> {
        Step::refuse(Fault::new(
            Whose::Client,
            StatusCode::IM_A_TEAPOT,
            Say::Text("itself".to_owned()),
        ))
    }
}

static ENTRIES: &[Entry] = &[
    entry::<Counted>(),
    entry::<Lamp>(),
    consumer_entry::<Door>(),
    entry::<Needy<0>>(),
    entry::<Needy<1>>(),
    entry::<Needy<2>>(),
    entry::<Needy<3>>(),
];

fn with_host<T>(resource: &str, act: impl FnOnce(&Registry, &Host<'_>) -> T) -> T {
    let living = Living::default();
    let metrics = Metrics::default();
    let variables = [("KEY", "key-1"), ("KEYS", r#"{"a": "key-a", "n": 7}"#)];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::from_iter(variables);
    let host = Host {
        living: &living,
        metrics: &metrics,
        environment: &environment,
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
    assert_eq!(names.first_chunk(), Some(&["door", "counted", "lamp"]));
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

#[test]
fn references_are_left_alone_when_a_configuration_is_checked() {
    assert_eq!(check("lamp", &json!({ "colour": "$env://GONE" })), Ok(()));
    assert_eq!(
        check("lamp", &json!({ "colour": "$secret://a/b/c" })),
        Ok(())
    );
    let (pointer, _) = refused("lamp", &json!({ "colour": "$env://GONE", "size": "huge" }));
    assert_eq!(pointer, "/size");
}

#[test]
fn references_have_values_when_a_configuration_is_compiled() {
    let compile = |config: Value| {
        with_host("/routes/lamp", |registry, host| {
            registry.compile("lamp", &config, host).map(drop)
        })
    };
    assert_eq!(compile(json!({ "colour": "$env://KEYS/a" })), Ok(()));
    for (colour, told) in [
        (
            "$env://KEY",
            "colour: expected one that begins with key-a, found $env://KEY",
        ),
        (
            "$env://KEYS",
            "property \"colour\" validation failed: string too long, expected at most 9, got 22",
        ),
    ] {
        let fault = compile(json!({ "colour": colour })).unwrap_err();
        let expected = PluginFault::Invalid {
            name: "lamp".to_owned(),
            pointer: "/colour".to_owned(),
            detail: told.to_owned(),
            others: Vec::new(),
        };
        assert_eq!(fault, expected);
    }
}

#[test]
fn consumers_are_identified_by_the_value_of_a_reference() {
    let identify = |config: Value| {
        with_host("/consumers/jack", |registry, host| {
            registry.identify("door", &config, host)
        })
    };
    let found = identify(json!({ "key": "$env://KEY" })).unwrap();
    let found = found.identity.unwrap();
    assert_eq!((found.plugin, &*found.credential), ("door", "key-1"));
    assert_eq!(found.auth, json!({ "key": "key-1" }));
    assert!(!format!("{found:?}").contains("key-1"));
    let plain = identify(json!({ "key": "k" })).unwrap().identity.unwrap();
    assert_eq!(plain.credential, "k");
    let nobody = identify(json!({ "key": "$env://GONE" })).unwrap();
    assert_eq!(nobody.identity, None);
    assert_eq!(
        nobody.lacks.first().map(ToString::to_string).unwrap(),
        "no value for $env://GONE: environment variable \"GONE\" is not set"
    );
    let disabled = json!({ "key": "$env://GONE", "_meta": { "disable": true } });
    assert_eq!(identify(disabled), Ok(Identified::default()));
}

/// The link of a needy plugin, and what its access phase answers.
async fn needy(name: &str, config: Value) -> (Link, Option<StatusCode>) {
    let link = with_host("/routes/needy", |registry, host| {
        registry.compile(name, &config, host)
    });
    let link = link.unwrap().unwrap();
    let chain = Chain::new(vec![link.clone()]);
    let answer = chain.access(&mut sample::get("/x")).await;
    (link, answer.map(|answer| answer.status))
}

#[tokio::test]
async fn requests_are_refused_without_a_secret_unless_the_plugin_only_tells() {
    const REFUSED: Option<StatusCode> = Some(StatusCode::INTERNAL_SERVER_ERROR);
    const ITSELF: Option<StatusCode> = Some(StatusCode::IM_A_TEAPOT);
    let without = json!({ "token": "$env://GONE" });
    for (name, status) in [
        ("refusing", REFUSED),
        ("skipping", None),
        ("coping", ITSELF),
        ("looking", REFUSED),
    ] {
        let (link, answer) = needy(name, without.clone()).await;
        assert_eq!((link.name(), answer), (name, status));
        let [lack] = link.lacks() else {
            panic!("{name}: {:?}", link.lacks())
        };
        assert_eq!(lack.pointer, "/token");
        let (link, answer) = needy(name, json!({ "token": "$env://KEY" })).await;
        assert_eq!(link.lacks(), []);
        assert_eq!(answer, ITSELF.filter(|_| name != "looking"));
    }
}

#[tokio::test]
async fn other_fields_keep_a_reference_that_has_no_value() {
    let (link, answer) = needy("refusing", json!({ "label": "$env://GONE" })).await;
    assert_eq!(answer, Some(StatusCode::IM_A_TEAPOT));
    assert_eq!(link.lacks().len(), 1);
    let word = json!({ "kind": "$env://GONE" });
    assert_eq!(check("refusing", &word), Ok(()));
    let (_, answer) = needy("refusing", word).await;
    assert_eq!(answer, Some(StatusCode::INTERNAL_SERVER_ERROR));
    let other = json!({ "kind": "$env://KEY" });
    let refused = with_host("/routes/needy", |registry, host| {
        registry.compile("refusing", &other, host).map(drop)
    });
    let told = refused.unwrap_err().to_string();
    assert!(told.ends_with("matches none of the enum values"), "{told}");
}

#[test]
fn a_fault_elsewhere_is_none_of_a_secret_without_a_value() {
    let config = json!({ "token": "$env://GONE", "label": "bad" });
    let made = with_host("/routes/needy", |registry, host| {
        registry.compile("coping", &config, host).map(drop)
    });
    assert!(made.unwrap_err().to_string().ends_with("label: found bad"));
}

#[tokio::test]
async fn meta_holds_for_a_plugin_that_cannot_be_used() {
    let config = json!({ "token": "$env://GONE", "_meta": { "filter": [["arg_no", "==", "1"]] } });
    let (_, answer) = needy("refusing", config).await;
    assert_eq!(answer, None);
    let disabled = json!({ "token": "$env://GONE", "_meta": { "disable": true } });
    let link = with_host("/routes/needy", |registry, host| {
        registry.compile("refusing", &disabled, host)
    });
    assert!(link.unwrap().is_none());
}
