use proptest::prelude::*;

use super::PrefixTree;

fn tree(prefixes: &[&str]) -> PrefixTree<String> {
    let mut tree: PrefixTree<String> = PrefixTree::new();
    for prefix in prefixes {
        tree.entry(prefix.as_bytes()).push_str(prefix);
    }
    tree
}

fn found<'t>(tree: &'t PrefixTree<String>, key: &str) -> Vec<&'t str> {
    tree.prefixes_of(key.bytes()).map(String::as_str).collect()
}

#[test]
fn all_prefixes_come_longest_first() {
    let tree = tree(&["/", "/v1/", "/v1/chat", "/v2", "/v1/chart", "/v"]);
    assert_eq!(
        found(&tree, "/v1/chat/completions"),
        ["/v1/chat", "/v1/", "/v", "/"]
    );
    assert_eq!(found(&tree, "/v1/cha"), ["/v1/", "/v", "/"]);
    assert_eq!(found(&tree, "/v2"), ["/v2", "/v", "/"]);
    assert_eq!(found(&tree, "/x"), ["/"]);
    assert!(found(&tree, "v1").is_empty());
    assert!(found(&tree, "").is_empty());
}

#[test]
fn the_empty_prefix_matches_everything() {
    let tree = tree(&["", "a"]);
    assert_eq!(found(&tree, ""), [""]);
    assert_eq!(found(&tree, "abc"), ["a", ""]);
}

#[test]
fn the_order_of_insertion_does_not_matter() {
    let words = ["abcd", "ab", "abce", "b", "abc", "a"];
    for turn in 0..words.len() {
        let mut rotated = words.to_vec();
        rotated.rotate_left(turn);
        let tree = tree(&rotated);
        assert_eq!(found(&tree, "abcdx"), ["abcd", "abc", "ab", "a"]);
        assert_eq!(found(&tree, "abcex"), ["abce", "abc", "ab", "a"]);
    }
}

proptest! {
    #[test]
    fn the_tree_agrees_with_looking_at_every_prefix(
        prefixes in prop::collection::vec("[ab/]{0,6}", 0..24),
        key in "[ab/]{0,10}",
    ) {
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        let mut unique = prefixes.clone();
        unique.sort_by_key(|prefix| (std::cmp::Reverse(prefix.len()), *prefix));
        unique.dedup();
        let mut tree: PrefixTree<usize> = PrefixTree::new();
        for prefix in &prefixes {
            *tree.entry(prefix.as_bytes()) = prefix.len();
        }
        let expected: Vec<usize> = unique
            .iter()
            .filter(|prefix| key.starts_with(**prefix))
            .map(|prefix| prefix.len())
            .collect();
        let found: Vec<usize> = tree.prefixes_of(key.bytes()).copied().collect();
        prop_assert_eq!(found, expected);
    }
}
