use std::path::Path;

use super::{FOLDER, Pages, pages, root, stale, write};

#[test]
fn the_pages_are_what_the_types_say() {
    let stale = stale(&root().join(FOLDER), &pages()).unwrap();
    assert!(stale.is_empty(), "run `cargo xtask docs`; stale: {stale:?}");
}

#[test]
fn pages_that_are_missing_changed_or_left_over_are_stale() {
    let folder = std::env::temp_dir().join(format!("reference-pages-{}", std::process::id()));
    let page = |text: &str| Pages::from([("a/b.md".into(), text.to_owned())]);
    assert_eq!(stale(&folder, &page("one")).unwrap(), ["a/b.md"]);
    write(&folder, &page("one")).unwrap();
    assert!(stale(&folder, &page("one")).unwrap().is_empty());
    assert_eq!(stale(&folder, &page("two")).unwrap(), ["a/b.md"]);
    assert_eq!(stale(&folder, &Pages::new()).unwrap(), ["a/b.md"]);
    write(&folder, &Pages::new()).unwrap();
    assert!(!folder.join("a/b.md").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_plugin_has_its_tables() {
    let pages = pages();
    let page = &pages[Path::new("plugins/key-auth.md")];
    let row = "| `hide_credentials` | boolean | `false` |  | Whether the key is taken out";
    for expected in [
        "# key-auth\n",
        "Priority 2500",
        row,
        "consumer",
        "| `key` | string | required |",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    let contents = &pages[Path::new("README.md")];
    assert!(
        contents.contains("- [key-auth](plugins/key-auth.md) (2500): "),
        "{contents}"
    );
    assert!(
        contents.contains("- [route](resources/route.md)"),
        "{contents}"
    );
}
