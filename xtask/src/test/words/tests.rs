use super::*;

#[test]
fn a_left_over_marker_is_found_with_its_line() {
    assert_eq!(
        found("crates/a/src/b.rs", "fn a() {}\n// TODO: later\n"),
        ["crates/a/src/b.rs:2: `TODO`: finish it or leave it out"]
    );
}

#[test]
fn a_marker_is_prose_outside_of_code() {
    assert!(found("docs/a.md", "- TODO lists are refused\n").is_empty());
}

#[test]
fn a_path_of_a_machine_is_found_anywhere() {
    assert_eq!(found("docs/a.md", "see /work/notes\n").len(), 1);
    assert_eq!(found("a.yaml", "dir: ../shared/spec\n").len(), 1);
}

#[test]
fn a_part_of_a_longer_word_does_not_count() {
    assert!(found("a.rs", "let x = XXXL;\nlet hackneyed = TODOS;\n").is_empty());
}
