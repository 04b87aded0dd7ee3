use serde_json::json;

use super::*;

#[test]
fn objects_are_merged_and_arrays_replaced() {
    let mut value = json!({ "a": { "b": 1, "c": [1, 2] }, "d": 1 });
    merge(
        &mut value,
        json!({ "a": { "c": [3], "e": { "f": null, "g": 1 } }, "d": null }),
    );
    assert_eq!(value, json!({ "a": { "b": 1, "c": [3], "e": { "g": 1 } } }));
}

#[test]
fn an_object_replaces_what_is_none() {
    let mut value = json!({ "a": [1] });
    merge(&mut value, json!({ "a": { "b": 1 } }));
    assert_eq!(value, json!({ "a": { "b": 1 } }));
}

#[test]
fn a_place_is_replaced_and_the_way_to_it_made() {
    let mut value = json!({ "a": { "b": { "c": 1 } } });
    replace(&mut value, &["a", "b"], json!([1])).unwrap();
    replace(&mut value, &["x", "y", "z"], json!("new")).unwrap();
    assert_eq!(
        value,
        json!({ "a": { "b": [1] }, "x": { "y": { "z": "new" } } })
    );
}

#[test]
fn null_removes_the_place() {
    let mut value = json!({ "a": { "b": 1, "c": 2 } });
    replace(&mut value, &["a", "b"], json!(null)).unwrap();
    assert_eq!(value, json!({ "a": { "c": 2 } }));
}

#[test]
fn a_way_through_no_object_is_refused() {
    let mut value = json!({ "a": { "b": 1 } });
    for (path, named) in [
        (&["a", "b", "c"][..], "/a/b"),
        (&["a", "b", "c", "d"][..], "/a/b"),
    ] {
        let refusal = replace(&mut value, path, json!(1)).unwrap_err();
        let body = refusal.into_reply().body;
        let text = std::str::from_utf8(&body).unwrap();
        assert!(
            text.contains(&format!("invalid sub-path: {named}\"")),
            "{text}"
        );
    }
}
