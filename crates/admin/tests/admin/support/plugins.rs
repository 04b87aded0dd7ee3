//! Two plugins that do nothing but have configurations.

use plugin::{AuthPlugin, ConfigError, Entry, Host, Phases, Plugin, consumer_entry, entry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// The plugins of tests.
pub(crate) static PLUGINS: [Entry; 3] = [
    entry::<Shine>(),
    entry::<Split>(),
    consumer_entry::<DoorKey>(),
];

/// A plugin with a range, a rule of its own, and metadata.
pub(crate) struct Shine;

/// What shines how much.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShineConfig {
    /// How much.
    #[schemars(range(min = 1, max = 10))]
    level: u8,
}

/// Stands for the plugin that sends requests to upstreams by their ids.
pub(crate) struct Split;

/// Any rules.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct SplitConfig {
    /// The rules.
    #[serde(default, rename = "rules")]
    _rules: Vec<Value>,
}

/// An auth plugin.
pub(crate) struct DoorKey;

/// Nothing.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct DoorKeyConfig {}

/// The key of a consumer.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct DoorKeyConsumer {
    /// The key.
    key: String,
}

impl Plugin for Shine {
    const NAME: &'static str = "shine";
    const PRIORITY: i32 = 100;
    const PHASES: Phases = Phases::ACCESS;
    type Config = ShineConfig;

    fn compile(config: ShineConfig, _: &Host<'_>) -> Result<Self, ConfigError> {
        match config.level {
            7 => Err(ConfigError::at("/level", "level: expected no 7, found 7")),
            _ => Ok(Self),
        }
    }

    fn metadata_schema() -> Option<Value> {
        Some(json!({
            "type": "object",
            "properties": { "colour": { "type": "string" } },
            "required": ["colour"],
            "additionalProperties": false,
        }))
    }
}

impl Plugin for Split {
    const NAME: &'static str = "traffic-split";
    const PRIORITY: i32 = 966;
    const PHASES: Phases = Phases::ACCESS;
    type Config = SplitConfig;

    fn compile(_: SplitConfig, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl Plugin for DoorKey {
    const NAME: &'static str = "door-key";
    const PRIORITY: i32 = 2500;
    const PHASES: Phases = Phases::REWRITE;
    type Config = DoorKeyConfig;

    fn compile(_: DoorKeyConfig, _: &Host<'_>) -> Result<Self, ConfigError> {
        Ok(Self)
    }
}

impl AuthPlugin for DoorKey {
    type Consumer = DoorKeyConsumer;

    fn credential(consumer: &DoorKeyConsumer) -> String {
        consumer.key.clone()
    }
}
