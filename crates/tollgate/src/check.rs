//! `tollgate check`: settings and resource files, validated without serving.

use std::io::Write;
use std::path::Path;

use config::document::Fate;
use config::lookup::SecretValues;
use config::settings::{self, Settings};
use config::source::read_document;
use config::substitute::Environment;
use config::{Document, Rejected};

use crate::apply::error_chain;
use crate::certificates;
use crate::cli::Check;
use crate::house::House;

mod lint;

/// The top-level keys that only a resource file has.
const RESOURCE_KEYS: [&str; 11] = [
    "routes",
    "services",
    "upstreams",
    "consumers",
    "consumer_groups",
    "plugin_configs",
    "global_rules",
    "plugin_metadata",
    "ssls",
    "secrets",
    "stream_routes",
];

/// Checks every file and says what is wrong; `true` when nothing is.
///
/// # Errors
/// When the findings cannot be written.
pub(crate) fn check(
    options: &Check,
    environment: &Environment,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let mut is_good = true;
    for file in &options.files {
        let findings = findings(file, environment);
        for warning in &findings.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for fault in &findings.faults {
            writeln!(out, "error: {fault}")?;
        }
        if findings.faults.is_empty() {
            writeln!(out, "{}: {}", file.display(), findings.summary)?;
        }
        is_good &= findings.faults.is_empty();
    }
    Ok(is_good)
}

/// What was found in one file.
#[derive(Debug, Default)]
struct Findings {
    faults: Vec<String>,
    warnings: Vec<String>,
    summary: String,
}

fn findings(file: &Path, environment: &Environment) -> Findings {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return fault(format!("{}: cannot be read: {error}", file.display())),
    };
    if is_resources(file, &text) {
        resources(file, &text, environment)
    } else {
        settings_file(file, &text, environment)
    }
}

/// A file of resources has a resource key at its top, or nothing but the end mark.
fn is_resources(file: &Path, text: &str) -> bool {
    let is_json = file
        .extension()
        .is_some_and(|extension| extension == "json");
    let has_key = |line: &str| {
        let key = line
            .split(':')
            .next()
            .unwrap_or_default()
            .trim_matches(['"', '\'', ' ', ',', '{']);
        RESOURCE_KEYS.contains(&key)
    };
    let is_top = |line: &&str| is_json || !line.starts_with([' ', '\t', '#', '-']);
    text.trim_end().ends_with("#END") || text.lines().filter(is_top).any(has_key)
}

fn resources(file: &Path, text: &str, environment: &Environment) -> Findings {
    let loaded = match read_document(file, text, environment, &Document::default(), 1) {
        Ok(loaded) => loaded,
        Err(error) => return fault(error_chain(&error)),
    };
    let house = match House::new(&Settings::default(), environment) {
        Ok(house) => house,
        Err(error) => return fault(format!("{error:#}")),
    };
    let secrets = SecretValues::unasked(&loaded.document);
    let process = house.environment.with_secrets(secrets.clone());
    let (_, mut whole) = house.compile(&loaded, secrets, None);
    whole
        .rejected
        .extend(certificates::faults(&loaded.document, &process));
    // Where the gateway runs, the variable may be set.
    let is_unset = |fault: &&Rejected| fault.fate == Fate::Unset;
    let (unset, faults): (Vec<_>, Vec<_>) = whole.rejected.iter().partition(is_unset);
    let unset = unset.into_iter().map(ToString::to_string);
    Findings {
        faults: faults.into_iter().map(ToString::to_string).collect(),
        warnings: unset
            .chain(lint::inverted_priorities(&loaded.document))
            .chain(lint::passive_checks(&loaded.document))
            .chain(lint::idle_fields(&loaded.document))
            .chain(lint::misspelt_fields(&loaded.document, &house.registry))
            .collect(),
        summary: format!("{} resources, all valid", loaded.document.len()),
    }
}

fn settings_file(file: &Path, text: &str, environment: &Environment) -> Findings {
    match settings::parse(Some(file), text, environment) {
        Ok(loaded) => Findings {
            faults: Vec::new(),
            warnings: loaded
                .ignored
                .iter()
                .map(|key| {
                    format!(
                        "{}: {key}: has no meaning here and is ignored",
                        file.display()
                    )
                })
                .collect(),
            summary: "valid settings".to_owned(),
        },
        Err(error) => Findings {
            faults: error.faults.iter().map(ToString::to_string).collect(),
            ..Findings::default()
        },
    }
}

fn fault(text: String) -> Findings {
    Findings {
        faults: vec![text],
        ..Findings::default()
    }
}
