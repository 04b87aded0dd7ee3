//! The validators of one plugin, each built at its first use.

use std::sync::OnceLock;

use config::wording::Validator;
use serde_json::Value;

use crate::{Entry, Meta};

/// A schema and its validator.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) schema: Value,
    pub(super) validator: Validator,
}

/// Those of one plugin.
#[derive(Debug, Default)]
pub(super) struct Judges {
    config: OnceLock<Judge>,
    consumer: OnceLock<Option<Judge>>,
    metadata: OnceLock<Option<Judge>>,
}

// === impl Judge ===

impl Judge {
    fn new(schema: Value) -> Self {
        let validator =
            Validator::new(&schema).expect("schemas of our own types compile, as a test shows");
        Self { schema, validator }
    }

    fn with_meta(mut schema: Value) -> Self {
        // The name of a Rust type says nothing to users.
        if let Some(members) = schema.as_object_mut() {
            members.shift_remove("title");
        }
        Meta::extend_schema(&mut schema);
        Self::new(schema)
    }
}

// === impl Judges ===

impl Judges {
    pub(super) fn config(&self, entry: &Entry) -> &Judge {
        self.config
            .get_or_init(|| Judge::with_meta((entry.schema)()))
    }

    pub(super) fn consumer(&self, entry: &Entry) -> Option<&Judge> {
        let made = self.consumer.get_or_init(|| {
            let consumer = entry.consumer?;
            Some(Judge::with_meta((consumer.schema)()))
        });
        made.as_ref()
    }

    pub(super) fn metadata(&self, entry: &Entry) -> Option<&Judge> {
        let made = self
            .metadata
            .get_or_init(|| (entry.metadata_schema)().map(Judge::new));
        made.as_ref()
    }
}
