use cargo_metadata::MetadataCommand;

use super::*;

fn edge(from: &str, to: &str, kind: DependencyKind) -> Edge {
    Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
    }
}

#[test]
fn the_workspace_has_no_edge_beside_the_floor_plan() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();

    let faults: Vec<String> = edges(&metadata).iter().filter_map(fault).collect();

    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(strangers(&metadata), Vec::<String>::new());
}

#[test]
fn the_workspace_has_edges_to_judge() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();

    assert!(edges(&metadata).contains(&edge("llm", "wire", DependencyKind::Normal)));
}

#[test]
fn an_arrow_upward_is_a_fault() {
    let told = fault(&edge("wire", "ai", DependencyKind::Normal)).unwrap();

    assert!(told.starts_with("wire -> ai: "), "{told}");
}

#[test]
fn an_arrow_between_the_two_doors_is_a_fault() {
    assert!(fault(&edge("gateway", "admin", DependencyKind::Normal)).is_some());
    assert!(fault(&edge("admin", "gateway", DependencyKind::Build)).is_some());
}

#[test]
fn an_arrow_upward_for_tests_is_a_fault_too() {
    assert!(fault(&edge("net", "config", DependencyKind::Development)).is_some());
}

#[test]
fn the_simulator_is_for_tests_and_the_demo_only() {
    assert_eq!(
        fault(&edge("ai", "simulator", DependencyKind::Development)),
        None
    );
    assert_eq!(
        fault(&edge("tollgate", "simulator", DependencyKind::Normal)),
        None
    );
    assert!(fault(&edge("ai", "simulator", DependencyKind::Normal)).is_some());
}

#[test]
fn a_crate_without_a_row_is_a_fault() {
    let told = fault(&edge("attic", "wire", DependencyKind::Normal)).unwrap();

    assert!(told.starts_with("attic: not in the floor plan"), "{told}");
}

#[test]
fn the_floor_plan_has_no_circle() {
    let mut built: Vec<&str> = Vec::new();
    let mut waiting: Vec<&Row> = FLOOR_PLAN.iter().collect();
    while let Some(place) = waiting
        .iter()
        .position(|row| row.may_use.iter().all(|used| built.contains(used)))
    {
        built.push(waiting.remove(place).name);
    }
    assert_eq!(
        waiting.iter().map(|row| row.name).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}
