use super::*;

#[test]
fn blank_lines_comments_and_inline_tests_are_no_code() {
    let text = "//! Head.\n\nfn a() {}\n    // why\nfn b() {}\nmod tests {\nfn c() {}\n}\n";

    assert_eq!(code_lines(text), 2);
}

#[test]
fn a_file_over_the_hard_limit_is_a_fault() {
    let sheet = Sheet {
        path: "crates/a/src/b.rs".to_owned(),
        text: "x();\n".repeat(801),
    };

    assert_eq!(
        too_long(&sheet).as_deref(),
        Some("crates/a/src/b.rs: 801 lines of code, at most 800 are allowed")
    );
}

#[test]
fn a_long_test_file_is_none() {
    assert!(!budgeted("crates/a/tests/journeys.rs"));
    assert!(!budgeted("crates/a/src/room/tests.rs"));
    assert!(!budgeted("docs/guide.md"));
    assert!(budgeted("crates/a/src/room.rs"));
}

#[test]
fn a_repository_without_its_front_pages_is_faulty() {
    let faults = faults(Path::new("."), &[]);

    assert!(
        faults.contains(&"README.md: missing".to_owned()),
        "{faults:?}"
    );
}
