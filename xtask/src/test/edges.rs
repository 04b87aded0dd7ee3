//! Which crate of the house may use which: the arrows of the floor plan, and nothing beside them.
//!
//! The rule is a test (`cargo nextest run -p xtask`), since `cargo metadata` is all it needs.
#![cfg(test)]

mod tests;

use cargo_metadata::{DependencyKind, Metadata};

/// One row of the floor plan: a crate, and the crates it may use.
struct Row {
    name: &'static str,
    may_use: &'static [&'static str],
}

/// An arrow from one crate of ours to another.
#[derive(Debug, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    kind: DependencyKind,
}

/// The floor plan, from the ground up.
const FLOOR_PLAN: &[Row] = &[
    Row {
        name: "wire",
        may_use: &[],
    },
    Row {
        name: "llm",
        may_use: &["wire"],
    },
    Row {
        name: "net",
        may_use: &[],
    },
    Row {
        name: "store",
        may_use: &[],
    },
    Row {
        name: "telemetry",
        may_use: &[],
    },
    Row {
        name: "config",
        may_use: &["net"],
    },
    Row {
        name: "plugin",
        // `wire`: a body is scanned once and kept scanned; variables look into it.
        may_use: &["llm", "config", "telemetry", "wire"],
    },
    Row {
        name: "ai",
        may_use: &["plugin", "llm", "net", "wire"],
    },
    Row {
        name: "plugins",
        may_use: &["ai", "plugin", "llm", "store", "net", "telemetry"],
    },
    Row {
        name: "gateway",
        may_use: &["plugin", "config", "net", "telemetry"],
    },
    Row {
        name: "admin",
        may_use: &["plugin", "config", "telemetry"],
    },
    Row {
        name: "tollgate",
        may_use: &[
            "gateway",
            "admin",
            "plugins",
            "config",
            "telemetry",
            // To join the floors: listeners, the plugin list's host, the demo's upstream.
            "net",
            "plugin",
            "simulator",
        ],
    },
    Row {
        name: "simulator",
        may_use: &[],
    },
    // The reference pages are printed from the plugins' and resources' own types.
    Row {
        name: "xtask",
        may_use: &["config", "plugin", "plugins"],
    },
];

/// Crates that any test may use, since they depend on none of ours.
const FOR_TESTS: &[&str] = &["simulator"];

/// All arrows between members of the workspace.
fn edges(metadata: &Metadata) -> Vec<Edge> {
    let members = metadata.workspace_packages();
    let ours = |name: &str| members.iter().any(|member| member.name.as_str() == name);
    members
        .iter()
        .flat_map(|member| {
            member
                .dependencies
                .iter()
                .filter(|used| ours(&used.name))
                .map(|used| Edge {
                    from: member.name.to_string(),
                    to: used.name.clone(),
                    kind: used.kind,
                })
        })
        .collect()
}

/// What is wrong with `edge`; nothing when the plan has it.
fn fault(edge: &Edge) -> Option<String> {
    let Edge { from, to, kind } = edge;
    let Some(row) = FLOOR_PLAN.iter().find(|row| row.name == from) else {
        return Some(format!(
            "{from}: not in the floor plan; add a row that says what it may use"
        ));
    };
    let for_tests = *kind == DependencyKind::Development && FOR_TESTS.contains(&to.as_str());
    if for_tests || row.may_use.contains(&to.as_str()) {
        return None;
    }
    Some(format!(
        "{from} -> {to}: the floor plan lets {from} use only {:?}",
        row.may_use
    ))
}

/// Members of the workspace without a row.
fn strangers(metadata: &Metadata) -> Vec<String> {
    metadata
        .workspace_packages()
        .iter()
        .map(|member| member.name.to_string())
        .filter(|name| !FLOOR_PLAN.iter().any(|row| row.name == name))
        .collect()
}
