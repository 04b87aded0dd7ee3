//! Settings from a file and the environment.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::environment::{self, Overrides};
use super::fault::{SettingsError, SettingsFault, Source};
use super::{Settings, apisix};
use crate::check::read;
use crate::fault::{CheckError, dotted};
use crate::locate::{Located, Positions, parse_yaml, source_line};
use crate::schema::schema_of;
use crate::substitute::{Environment, substitute_text};
use crate::wording::Validator;

/// Settings, and what was left out of account.
#[derive(Clone, Debug)]
pub struct LoadedSettings {
    /// The settings.
    pub settings: Settings,
    /// Whose file it was.
    pub dialect: Dialect,
    /// What was given and has no meaning here, to be named once at start-up.
    pub ignored: Vec<String>,
}

/// Whose settings file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Tollgate's own.
    Tollgate,
    /// An APISIX `config.yaml`.
    Apisix,
}

/// Where the settings that are being checked were written.
struct Writing<'a> {
    file: Option<&'a Path>,
    positions: Positions,
    /// In an APISIX file: the pointer there by the pointer here.
    origins: Vec<(String, String)>,
    overrides: Overrides,
}

/// Reads settings from a file, or takes the defaults when there is none.
///
/// `environment` overrides settings, and is what `${{NAME}}` means in an APISIX file.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn load(
    path: Option<&Path>,
    environment: &Environment,
) -> Result<LoadedSettings, SettingsError> {
    let Some(path) = path else {
        return parse(None, "", environment);
    };
    let text = std::fs::read_to_string(path).map_err(|error| SettingsFault {
        source: file_source(path, 0, 0),
        path: String::new(),
        expected: "a file that can be read".to_owned(),
        found: Some(error.to_string()),
        hint: None,
    })?;
    parse(Some(path), &text, environment)
}

/// Reads settings from a text. `path` names it in messages; files it speaks of are beside it.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn parse(
    path: Option<&Path>,
    text: &str,
    environment: &Environment,
) -> Result<LoadedSettings, SettingsError> {
    let located = located(path, text, environment)?;
    let mut value = match located.value {
        Value::Null => Value::Object(Map::new()),
        value => value,
    };
    let mut ignored = Vec::new();
    let mut origins = Vec::new();
    let mut dialect = Dialect::Tollgate;
    if apisix::is_apisix(path, &value) {
        let directory = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let translated = apisix::translate(value, directory, environment);
        dialect = Dialect::Apisix;
        value = translated.settings;
        ignored = translated.ignored;
        origins = translated.origins;
    }
    let overrides = environment::apply(&mut value, schema(), environment);
    ignored.extend(overrides.unknown.iter().cloned());
    let writing = Writing {
        file: path,
        positions: located.positions,
        origins,
        overrides,
    };
    Ok(LoadedSettings {
        settings: checked(&value, &writing)?,
        dialect,
        ignored,
    })
}

fn located(
    path: Option<&Path>,
    text: &str,
    environment: &Environment,
) -> Result<Located, SettingsError> {
    let name = path.unwrap_or(Path::new("settings"));
    let substituted = substitute_text(text, environment).map_err(|unset| SettingsFault {
        source: file_source(name, unset.line, 1),
        path: String::new(),
        expected: format!("environment variable {} to be set", unset.name),
        found: None,
        hint: Some(format!(
            "or give a default as in ${{{{{}:=default}}}}",
            unset.name
        )),
    })?;
    let mut located = parse_yaml(&substituted.text).map_err(|error| {
        let line = source_line(error.line, &substituted.lines);
        SettingsFault {
            source: file_source(name, line, error.column),
            path: String::new(),
            expected: "YAML".to_owned(),
            found: Some(format!("a fault: {}", error.reason)),
            hint: None,
        }
    })?;
    located.positions.renumber(&substituted.lines);
    Ok(located)
}

fn checked(value: &Value, writing: &Writing<'_>) -> Result<Settings, SettingsError> {
    let report = |errors: &mut dyn Iterator<Item = &CheckError>| {
        let mut faults: Vec<_> = errors.map(|error| writing.fault(error)).collect();
        faults.sort_by_key(|fault| fault.source.line());
        SettingsError { faults }
    };
    let settings: Settings =
        judge()
            .1
            .check(value)
            .and_then(|()| read(value))
            .map_err(|error| {
                let veiled: Vec<_> = error.all().map(veiled).collect();
                report(&mut veiled.iter())
            })?;
    let faults = settings.rules();
    if faults.is_empty() {
        Ok(settings)
    } else {
        Err(report(&mut faults.iter()))
    }
}

/// The fault, not telling what was found where a secret belongs.
fn veiled(error: &CheckError) -> CheckError {
    let mut error = error.clone();
    let is_secret = inside(&error.pointer, "/data_encryption/keyring").is_some()
        || ["/key", "/password"]
            .iter()
            .any(|name| error.pointer.ends_with(name));
    if is_secret && error.found.is_some() {
        error.found = Some("something else".to_owned());
    }
    error
}

/// The JSON Schema of the settings file, for reference documentation.
pub fn schema() -> &'static Value {
    &judge().0
}

fn judge() -> &'static (Value, Validator) {
    static JUDGE: OnceLock<(Value, Validator)> = OnceLock::new();
    JUDGE.get_or_init(|| {
        let schema = schema_of::<Settings>();
        let validator =
            Validator::new(&schema).expect("the schema of our own type compiles, as a test shows");
        (schema, validator)
    })
}

fn file_source(file: &Path, line: u64, column: u64) -> Source {
    Source::File {
        file: file.to_owned(),
        line,
        column,
    }
}

// === impl Writing ===

impl Writing<'_> {
    fn fault(&self, error: &CheckError) -> SettingsFault {
        let pointer = self.written_as(&error.pointer);
        SettingsFault {
            source: self.source(&error.pointer, &pointer),
            path: dotted(&pointer),
            expected: error.expected.clone(),
            found: error.found.clone(),
            hint: None,
        }
    }

    fn source(&self, pointer: &str, written: &str) -> Source {
        let around = |name: &&String| inside(pointer, name).is_some();
        if let Some(name) = self.overrides.variables.keys().find(around) {
            let variable = self.overrides.variables.get(name).cloned();
            return Source::Environment(variable.unwrap_or_default());
        }
        match self.file {
            Some(file) => {
                let (line, column) = self.positions.find(written);
                file_source(file, line, column)
            }
            None => Source::Default,
        }
    }

    /// The pointer in the file as it was written.
    fn written_as(&self, pointer: &str) -> String {
        let fits = |(here, there): &(String, String)| {
            inside(pointer, here).map(|rest| (here.len(), format!("{there}{rest}")))
        };
        let longest = self
            .origins
            .iter()
            .filter_map(fits)
            .max_by_key(|(length, _)| *length);
        longest.map_or_else(|| pointer.to_owned(), |(_, written)| written)
    }
}

/// What remains of `pointer` below `outer`, when it is there or below.
fn inside<'p>(pointer: &'p str, outer: &str) -> Option<&'p str> {
    let rest = pointer.strip_prefix(outer)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
