//! Reads the configuration corpus.

use std::fs;
use std::path::{Path, PathBuf};

use plugin::{Environment, Host, Living, PluginFault, Registry};
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
}

/// What is expected of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Accept,
    /// With this message.
    Reject(String),
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
        let environment = Environment::default();
        let host = Host {
            living: &living,
            metrics: &metrics,
            environment: &environment,
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
        let plugin = file_name(&folder);
        let accepted = entries(&folder.join("accept"));
        let rejected = entries(&folder.join("reject"));
        let files = accepted.into_iter().map(|path| (path, false));
        let files = files.chain(rejected.into_iter().map(|path| (path, true)));
        files.map(move |(path, refused)| read(path, plugin.clone(), refused))
    })
}

fn read(path: PathBuf, plugin: String, refused: bool) -> Case {
    let text = fs::read(&path).expect("a readable document");
    let file = serde_json::from_slice::<File>(&text);
    let file = file.map_err(|error| format!("{}: {error}", path.display()));
    let file = file.expect("a document of the corpus");
    let place = if refused {
        Place::Reject(file.message.unwrap_or_default())
    } else {
        Place::Accept
    };
    Case {
        path,
        plugin,
        place,
        config: file.config,
        role: file.role,
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
