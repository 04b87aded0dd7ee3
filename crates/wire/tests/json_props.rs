//! Properties of scans and edits, for whatever a client may send.

#![expect(
    clippy::unwrap_used,
    reason = "a generated document that does not parse fails its test"
)]

use bytes::Bytes;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;
use wire::json::{Edits, Raw, Scan};

// === JSON: what is generated ===

/// A JSON document in some spelling, with room for whitespace marked by `~`.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        scalar(),
        string(),
        Just("{~}".to_owned()),
        Just("[~]".to_owned())
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[~{}~]", items.join("~,~"))),
            object(inner),
        ]
    })
}

fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((name(), value), 0..6).prop_map(|members| {
        let members = members
            .iter()
            .map(|(name, value)| format!("{name}~:~{value}"));
        format!("{{~{}~}}", members.collect::<Vec<_>>().join("~,~"))
    })
}

fn scalar() -> impl Strategy<Value = String> {
    let spellings = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-12.50",
        "1e5",
        "1.0E+3",
        "18446744073709551616",
        "0.1000000000000000055511151231257827",
    ];
    prop::sample::select(spellings.to_vec()).prop_map(str::to_owned)
}

fn string() -> impl Strategy<Value = String> {
    let pieces = [
        "",
        "a",
        "é",
        "\u{1f600}",
        r"\n",
        r#"\""#,
        r"\\",
        r"\/",
        r"\u00e9",
        r"\ud83d\ude00",
        "{",
        "]",
        ",",
        ":",
        " ",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..6)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// Few names, in several spellings, so that they meet.
fn name() -> impl Strategy<Value = String> {
    let spellings = [
        r#""a""#,
        r#""b""#,
        r#""c""#,
        r#""model""#,
        r#""\u0061""#,
        r#""mod\u0065l""#,
        r#""é""#,
        r#""""#,
    ];
    prop::sample::select(spellings.to_vec()).prop_map(str::to_owned)
}

fn spaced(text: &str, spaces: &[&str]) -> String {
    let mut spaces = spaces.iter().cycle();
    let mut out = String::new();
    for part in text.chars() {
        match part {
            '~' => out.push_str(spaces.next().unwrap()),
            other => out.push(other),
        }
    }
    out
}

fn spaces() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(vec!["", " ", "\n  ", "\t", "\r\n"]),
        1..9,
    )
}

#[derive(Clone, Debug)]
enum Change {
    Set(String, String),
    Remove(String),
    Merge(String, String, bool),
}

fn change() -> impl Strategy<Value = Change> {
    let name = prop::sample::select(vec!["a", "b", "c", "model", "é", "", "new \"name\""])
        .prop_map(str::to_owned);
    let value = (document(), spaces())
        .prop_map(|(text, spaces)| spaced(&text, &spaces))
        .boxed();
    prop_oneof![
        (name.clone(), value.clone()).prop_map(|(name, value)| Change::Set(name, value)),
        name.clone().prop_map(Change::Remove),
        (name, value, any::<bool>())
            .prop_map(|(name, value, force)| Change::Merge(name, value, force)),
    ]
}

// === JSON: the reference, on trees ===

fn merged(current: Option<Value>, patch: Value, force: bool) -> Value {
    match (current, patch) {
        (Some(Value::Object(mut current)), Value::Object(patch)) => {
            for (name, value) in patch {
                let value = merged(current.get(&name).cloned(), value, force);
                current.insert(name, value);
            }
            Value::Object(current)
        }
        (Some(current), _) if !force => current,
        (_, patch) => patch,
    }
}

fn changed(tree: &mut Value, change: &Change) {
    let Value::Object(members) = tree else { return };
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    match change {
        Change::Set(name, value) => {
            members.insert(name.clone(), parse(value));
        }
        Change::Remove(name) => {
            members.shift_remove(name);
        }
        Change::Merge(name, patch, force) => {
            let value = merged(members.get(name).cloned(), parse(patch), *force);
            members.insert(name.clone(), value);
        }
    }
}

fn edits(changes: &[Change]) -> Edits {
    let mut edits = Edits::new();
    for change in changes {
        match change.clone() {
            Change::Set(name, value) => edits.set(name, value),
            Change::Remove(name) => edits.remove(name),
            Change::Merge(name, patch, force) => edits.merge(name, patch, force),
        }
    }
    edits
}

/// A tree of what a walk over the text finds.
fn walked(raw: Raw<'_>) -> Value {
    use wire::json::Kind;
    match raw.kind() {
        Kind::Object => raw
            .members()
            .map(|(name, value)| (name.into_owned(), walked(value)))
            .collect(),
        Kind::Array => raw.items().map(walked).collect(),
        Kind::String => Value::String(raw.str().unwrap().into_owned()),
        Kind::Bool => Value::Bool(raw.bool().unwrap()),
        Kind::Null => Value::Null,
        Kind::Number => serde_json::from_str(raw.as_text()).unwrap(),
    }
}

proptest! {
    #[test]
    fn splicing_an_edit_equals_editing_the_tree(
        text in object(document()), spaces in spaces(), changes in prop::collection::vec(change(), 0..5),
    ) {
        let text = spaced(&format!("~{text}~"), &spaces);
        let mut expected: Value = serde_json::from_str(&text).unwrap();
        for change in &changes {
            changed(&mut expected, change);
        }
        let scan = Scan::new(Bytes::from(text)).unwrap();
        let out = edits(&changes).apply(&scan);
        let found: Value = serde_json::from_slice(&out).unwrap();
        if changes.iter().any(|change| matches!(change, Change::Remove(_))) {
            // A removed member that is written again may come back in its old place.
            prop_assert_eq!(found, expected);
        } else {
            prop_assert_eq!(found.to_string(), expected.to_string());
        }
    }

    #[test]
    fn members_that_no_change_names_keep_their_spelling(
        text in object(document()), spaces in spaces(), changes in prop::collection::vec(change(), 1..4),
    ) {
        let scan = Scan::new(Bytes::from(spaced(&text, &spaces))).unwrap();
        let edits = edits(&changes);
        let out = Scan::new(edits.apply(&scan)).unwrap();
        let untouched = |scan: &Scan| {
            let members = scan.members().filter(|(name, _)| !edits.touches(name));
            members.map(|(name, value)| (name.into_owned(), value.as_text().to_owned())).collect::<Vec<_>>()
        };
        prop_assert_eq!(untouched(&scan), untouched(&out));
    }

    #[test]
    fn a_walk_finds_what_a_parser_finds(text in document(), spaces in spaces()) {
        let text = spaced(&format!("~{text}~"), &spaces);
        let expected: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&walked(Raw::parse(text.as_bytes()).unwrap()), &expected);
        prop_assert_eq!(&walked(Scan::new(Bytes::from(text)).unwrap().root()), &expected);
    }

    #[test]
    fn scan_accepts_what_serde_json_accepts(text in r#"[\[\]{}:,"\\u0-9a-f \-+.eEtrufalsn\x00-\x1f]{0,24}"#) {
        let expected = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        prop_assert_eq!(Scan::new(Bytes::from(text)).is_ok(), expected);
    }

    #[test]
    fn scan_of_a_damaged_document_agrees_with_serde_json(
        text in document(), spaces in spaces(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = spaced(&text, &spaces).into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let expected = std::str::from_utf8(&bytes).is_ok()
            && serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
        prop_assert_eq!(Scan::new(Bytes::from(bytes)).is_ok(), expected);
    }

    #[test]
    fn scan_of_any_bytes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Scan::new(Bytes::from(bytes));
    }
}
