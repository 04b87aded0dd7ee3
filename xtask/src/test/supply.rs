//! The supply chain: licences, banned crates, sources, and (by hand) known advisories.

use super::House;
use super::command::Call;
use super::tools;

/// Licences, bans and sources, all answered from the lock file and the crates' own manifests.
pub(super) fn check(house: &House) -> anyhow::Result<()> {
    deny(house)?
        .arguments([
            "--workspace",
            "check",
            "--hide-inclusion-graph",
            "bans",
            "licenses",
            "sources",
        ])
        .run()
}

/// Known advisories; the database is fetched, which not every machine can do.
pub(super) fn advisories(house: &House) -> anyhow::Result<()> {
    deny(house)?
        .arguments(["--workspace", "check", "advisories"])
        .run()
}

fn deny(house: &House) -> anyhow::Result<Call> {
    let program = tools::cargo_deny(house)?;
    Ok(Call::new(program, &house.root))
}
