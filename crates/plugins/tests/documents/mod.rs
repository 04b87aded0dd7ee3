//! Reads the configuration corpus.

use std::fs;
use std::path::{Path, PathBuf};

use plugin::{Host, Living, PluginFault, Registry};
use serde::Deserialize;
use serde_json::Value;
use telemetry::metrics::Metrics;

/// One document of the corpus.
pub(crate) struct Case {
    pub(crate) path: PathBuf,
    pub(crate) plugin: String,
    pub(crate) place: Place,
    pub(crate) config: Value,
    pub(crate) role: Role,
    pub(crate) message: Option<String>,
}

/// What is expected of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Accept,
    Reject,
}

/// What a document is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    #[default]
    Config,
    Consumer,
    Metadata,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    config: Value,
    #[serde(default, rename = "as")]
    role: Role,
    message: Option<String>,
}

// === impl Case ===

impl Case {
    /// Checks the document as the Admin API does.
    pub(crate) fn check(&self) -> Result<(), PluginFault> {
        let living = Living::default();
        let metrics = Metrics::default();
        let host = Host {
            living: &living,
            metrics: &metrics,
            attributes: None,
            metadata: None,
            resource: "/routes/1",
        };
        let registry = Registry::new(plugins::PLUGINS, None);
        match self.role {
            Role::Config => registry.check(&self.plugin, &self.config, &host),
            Role::Consumer => registry
                .credential(&self.plugin, &self.config, &host)
                .map(drop),
            Role::Metadata => registry.check_metadata(&self.plugin, &self.config),
        }
    }
}

/// Every document, in the order of their paths.
pub(crate) fn cases() -> impl Iterator<Item = Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let plugins = entries(&root);
    plugins.into_iter().flat_map(|folder| {
        let places = [("accept", Place::Accept), ("reject", Place::Reject)];
        places.into_iter().flat_map(move |(name, place)| {
            let plugin = file_name(&folder);
            let files = entries(&folder.join(name)).into_iter();
            files.map(move |path| read(path, plugin.clone(), place))
        })
    })
}

fn read(path: PathBuf, plugin: String, place: Place) -> Case {
    let text = fs::read(&path).expect("a readable document");
    let file = serde_json::from_slice::<File>(&text);
    let file = file.map_err(|error| format!("{}: {error}", path.display()));
    let File {
        config,
        role,
        message,
    } = file.expect("a document of the corpus");
    Case {
        path,
        plugin,
        place,
        config,
        role,
        message,
    }
}

/// The entries of a folder, sorted; none when it does not exist.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = found.map(|entry| entry.expect("a folder").path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
