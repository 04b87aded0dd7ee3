use super::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn a_room_that_is_gone_is_told_with_its_line() {
    let text = "one\nsee `crates/wire/src/attic.rs`\n";

    assert_eq!(
        missing(root(), "A.md", text),
        ["A.md:2: `crates/wire/src/attic.rs` does not exist"]
    );
}

#[test]
fn a_path_may_start_at_the_crate() {
    assert!(missing(root(), "A.md", "`wire/lib.rs` and `crates/wire`").is_empty());
    assert_eq!(missing(root(), "A.md", "`wire/attic.rs`").len(), 1);
}

#[test]
fn braces_name_several_files() {
    assert_eq!(
        expanded("a/{b,c}/{d,e}.rs"),
        ["a/b/d.rs", "a/b/e.rs", "a/c/d.rs", "a/c/e.rs"]
    );
    assert_eq!(missing(root(), "A.md", "`wire/{lib,attic}.rs`").len(), 1);
}

#[test]
fn links_are_paths_and_addresses_are_not() {
    let text = "[a](docs/none.md#part) [b](https://example.com/docs/none.md)";

    assert_eq!(
        missing(root(), "A.md", text),
        ["A.md:1: `docs/none.md` does not exist"]
    );
}

#[test]
fn media_types_routes_and_foreign_files_are_no_paths_of_ours() {
    let text = "`application/json`, `/v1/chat/completions`, `apisix/plugin.lua`, `a -> b`";

    assert!(missing(root(), "A.md", text).is_empty());
}
