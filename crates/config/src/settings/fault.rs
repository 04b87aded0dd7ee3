//! What is wrong with settings, and where.

use std::fmt;
use std::path::PathBuf;

/// Settings that cannot be used, with everything that is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsError {
    /// The faults; never empty.
    pub faults: Vec<SettingsFault>,
}

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFault {
    /// Where it was written.
    pub source: Source,
    /// The path of the setting, such as `proxy.listen[0]`; empty for the whole file.
    pub path: String,
    /// What was expected.
    pub expected: String,
    /// What was found; absent when something is missing.
    pub found: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a file.
    File {
        /// The file.
        file: PathBuf,
        /// The line, from 1; 0 when it is not known.
        line: u64,
        /// The column, from 1; 0 when it is not known.
        column: u64,
    },
    /// In an environment variable of this name.
    Environment(String),
    /// Nowhere: a default.
    Default,
}

// === impl SettingsError ===

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            fault.fmt(formatter)?;
        }
        Ok(())
    }
}

impl From<SettingsFault> for SettingsError {
    fn from(fault: SettingsFault) -> Self {
        Self {
            faults: vec![fault],
        }
    }
}

// === impl Source ===

impl Source {
    /// The line, for what was written in a file.
    pub const fn line(&self) -> Option<u64> {
        match self {
            Self::File { line, .. } => Some(*line),
            Self::Environment(_) | Self::Default => None,
        }
    }
}

// === impl SettingsFault ===

impl fmt::Display for SettingsFault {
    /// `tollgate.yaml:3:5: proxy.listen[0]: expected …, found …: hint`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File { file, line: 0, .. } => write!(formatter, "{}: ", file.display())?,
            Source::File { file, line, column } => {
                write!(formatter, "{}:{line}:{column}: ", file.display())?;
            }
            Source::Environment(name) => write!(formatter, "{name}: ")?,
            Source::Default => {}
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        write!(formatter, "expected {}", self.expected)?;
        if let Some(found) = &self.found {
            write!(formatter, ", found {found}")?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, ": {hint}")?;
        }
        Ok(())
    }
}
