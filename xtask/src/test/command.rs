//! Running other programs, and saying which one failed.
#![expect(
    clippy::print_stderr,
    reason = "the task's progress is for the person who runs it"
)]

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// One call of a program, described well enough to be typed again by hand.
pub(super) struct Call {
    command: Command,
}

/// Prints the heading of a step.
pub(super) fn announce(step: &str) {
    eprintln!("\n==> {step}");
}

/// Prints a line about what a step found or does.
pub(super) fn tell(line: &str) {
    eprintln!("    {line}");
}

// === impl Call ===

impl Call {
    /// A call of `program` in `folder`, without standard input.
    pub(super) fn new(program: impl AsRef<OsStr>, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        Self { command }
    }

    pub(super) fn arguments<I: AsRef<OsStr>>(
        mut self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Self {
        self.command.args(arguments);
        self
    }

    pub(super) fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs the call with its output shown.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        let line = self.line();
        tell(&line);
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot start `{line}`"))?;
        if !status.success() {
            bail!("`{line}` ended with {status}");
        }
        Ok(())
    }

    /// Runs the call and returns what it printed on standard output.
    pub(super) fn output(mut self) -> anyhow::Result<String> {
        let line = self.line();
        let output = self
            .command
            .output()
            .with_context(|| format!("cannot start `{line}`"))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!(
                "`{line}` ended with {}: {}",
                output.status,
                complaint.trim()
            );
        }
        String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no text"))
    }

    /// Whether the program is there and content.
    pub(super) fn succeeds(mut self) -> bool {
        self.command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn line(&self) -> String {
        let words: Vec<OsString> = std::iter::once(self.command.get_program())
            .chain(self.command.get_args())
            .map(OsStr::to_owned)
            .collect();
        words.join(OsStr::new(" ")).to_string_lossy().into_owned()
    }
}
