//! The peers: clients and servers that nobody here wrote, against the real binary.

use std::path::Path;

use super::House;
use super::command::Call;
use super::tools::{self, DebianProgram, Venv};

/// What the peers need from the machine.
const PROGRAMS: &[DebianProgram] = &[
    DebianProgram {
        program: "curl",
        version: &["--version"],
        packages: &["curl"],
    },
    DebianProgram {
        program: "openssl",
        version: &["version"],
        packages: &["openssl"],
    },
    DebianProgram {
        program: "unshare",
        version: &["--version"],
        packages: &["util-linux", "mount"],
    },
    DebianProgram {
        program: "node",
        version: &["--version"],
        packages: &["nodejs"],
    },
    DebianProgram {
        program: "npm",
        version: &["--version"],
        packages: &["npm"],
    },
    DebianProgram {
        program: "python3",
        version: &["-c", "import ensurepip, venv"],
        packages: &["python3", "python3-venv"],
    },
    DebianProgram {
        program: "redis-server",
        version: &["--version"],
        packages: &["redis-server"],
    },
];

/// Installs the peers, builds the binary, and lets pytest run the journeys.
///
/// The Anthropic SDK is run in its current and in its older form, which differ on the wire; the
/// two cannot live in one environment.
pub(super) fn run(house: &House, pytest: &[String]) -> anyhow::Result<()> {
    let folder = house.root.join("tests/peers");
    tools::debian(house, PROGRAMS)?;
    let promtool = tools::promtool(house)?;
    let node = tools::node_modules(house, &folder.join("package.json"))?;
    let current = Venv::with(house, "venv", &folder.join("requirements.txt"))?;
    let older = Venv::with(house, "venv-older", &folder.join("requirements-older.txt"))?;
    house
        .cargo(&["build", "--quiet", "--package", "tollgate"])
        .run()?;

    let suite = |venv: &Venv, tests: &Path| {
        Call::new(venv.python(), &folder)
            .arguments([
                "-m",
                "pytest",
                "-p",
                "no:cacheprovider",
                "--no-header",
                "-q",
                "-ra",
            ])
            .arguments([tests])
            .arguments(pytest)
            .variable("PYTHONDONTWRITEBYTECODE", "1")
            .variable("PEERS_TOLLGATE", house.target.join("debug/tollgate"))
            .variable("PEERS_NODE_MODULES", &node)
            .variable("PEERS_PYTHON", current.python())
            .variable("PEERS_PROMTOOL", &promtool)
            .run()
    };
    if pytest.is_empty() {
        suite(&older, Path::new("test_anthropic_sdk.py"))?;
    }
    suite(&current, Path::new("."))
}
