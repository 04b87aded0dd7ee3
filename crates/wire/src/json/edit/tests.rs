use bytes::Bytes;

use super::{Edits, Scan};

fn scan(text: &'static str) -> Scan {
    Scan::new(Bytes::from_static(text.as_bytes())).unwrap()
}

fn edited(text: &'static str, change: impl FnOnce(&mut Edits)) -> String {
    let mut edits = Edits::new();
    change(&mut edits);
    String::from_utf8(edits.apply(&scan(text)).to_vec()).unwrap()
}

#[test]
fn without_edits_the_buffer_itself_is_returned() {
    let scan = scan(r#"{"a":1}"#);
    assert_eq!(Edits::new().apply(&scan).as_ptr(), scan.bytes().as_ptr());
}

#[test]
fn edits_without_effect_return_the_buffer_itself() {
    let scan = scan(r#"{"a":1,"b":{"c":null}}"#);
    let mut edits = Edits::new();
    edits.remove("x");
    edits.merge("a", "2", false);
    edits.merge("b", r#"{"c":1}"#, false);
    assert_eq!(edits.apply(&scan).as_ptr(), scan.bytes().as_ptr());
}

#[test]
fn the_one_buffer_has_the_size_it_needs() {
    let scan = scan(r#"{"a":1}"#);
    let mut edits = Edits::new();
    edits.set("b", "true");
    let out = edits.apply(&scan).try_into_mut().unwrap();
    assert_eq!(out.capacity(), out.len());
}

#[test]
fn what_stands_around_a_changed_member_stays_as_written() {
    let out = edited(
        "{ \"a\" : 1.0,\n\t\"model\": \"x\" , \"z\":1e2 }\n",
        |edits| {
            edits.set("model", "\"y\"");
        },
    );
    assert_eq!(out, "{ \"a\" : 1.0,\n\t\"model\": \"y\" , \"z\":1e2 }\n");
}

#[test]
fn new_members_follow_at_the_end() {
    assert_eq!(
        edited(r#"{"a":1 }"#, |edits| edits.set("b", "2")),
        r#"{"a":1,"b":2 }"#
    );
    assert_eq!(edited("{}", |edits| edits.set("b", "2")), r#"{"b":2}"#);
    assert_eq!(
        edited(" { } ", |edits| edits.set("b", "2")),
        r#" {"b":2 } "#
    );
}

#[test]
fn names_from_the_configuration_are_escaped() {
    let name = "a\"\n".to_owned();
    assert_eq!(edited("{}", |edits| edits.set(name, "1")), r#"{"a\"\n":1}"#);
}

#[test]
fn removal_takes_one_comma_along() {
    let remove =
        |name: &'static str| edited(r#"{"a":1, "b":2, "c":3}"#, |edits| edits.remove(name));
    assert_eq!(remove("a"), r#"{"b":2, "c":3}"#);
    assert_eq!(remove("b"), r#"{"a":1, "c":3}"#);
    assert_eq!(remove("c"), r#"{"a":1, "b":2}"#);
    assert_eq!(edited(r#"{ "a":1 }"#, |edits| edits.remove("a")), "{  }");
}

#[test]
fn no_duplicate_of_a_changed_member_remains() {
    let text = r#"{"model":"x","a":1,"\u006dodel":"y","a":2,"model":"z"}"#;
    let set = edited(text, |edits| edits.set("model", "\"new\""));
    assert_eq!(set, r#"{"model":"new","a":1,"a":2}"#);
    let removed = edited(text, |edits| edits.remove("model"));
    assert_eq!(removed, r#"{"a":1,"a":2}"#);
}

#[test]
fn later_edits_see_earlier_ones() {
    let out = edited(r#"{"a":{"x":1}}"#, |edits| {
        edits.set("a", r#"{"y":2}"#);
        edits.merge("a", r#"{"y":3,"z":4}"#, false);
        edits.set("b", "1");
        edits.remove("b");
        edits.remove("c");
        edits.merge("c", "5", false);
    });
    assert_eq!(out, r#"{"a":{"y":2,"z":4},"c":5}"#);
}

#[test]
fn two_objects_are_merged_whether_forced_or_not() {
    let body = r#"{"o":{"deep":{"kept":1.0},"list":[1],"gone":null}}"#;
    let patch = r#"{"deep":{"kept":2,"new":3},"list":[],"gone":4,"more":{}}"#;
    assert_eq!(
        edited(body, |edits| edits.merge("o", patch, false)),
        r#"{"o":{"deep":{"kept":1.0,"new":3},"list":[1],"gone":null,"more":{}}}"#
    );
    assert_eq!(
        edited(body, |edits| edits.merge("o", patch, true)),
        r#"{"o":{"deep":{"kept":2,"new":3},"list":[],"gone":4,"more":{}}}"#
    );
}

#[test]
fn a_type_mismatch_is_replaced_only_when_forced() {
    let merge =
        |text, patch: &'static str, force| edited(text, |edits| edits.merge("a", patch, force));
    assert_eq!(merge(r#"{"a":[]}"#, r#"{"b":1}"#, false), r#"{"a":[]}"#);
    assert_eq!(merge(r#"{"a":[]}"#, r#"{"b":1}"#, true), r#"{"a":{"b":1}}"#);
    assert_eq!(merge(r#"{"a":{}}"#, "[]", true), r#"{"a":[]}"#);
    assert_eq!(
        merge(r#"{"a":{}}"#, r#"{"b":1}"#, false),
        r#"{"a":{"b":1}}"#
    );
}

#[test]
fn null_counts_as_present_and_is_written() {
    assert_eq!(
        edited(r#"{"a":null}"#, |edits| edits.merge("a", "1", false)),
        r#"{"a":null}"#
    );
    assert_eq!(
        edited(r#"{"a":1}"#, |edits| edits.merge("a", "null", true)),
        r#"{"a":null}"#
    );
    assert_eq!(
        edited("{}", |edits| edits.merge("a", "null", false)),
        r#"{"a":null}"#
    );
}

#[test]
fn the_last_of_repeated_members_is_merged() {
    let out = edited(r#"{"a":{"x":1},"a":{"y":2}}"#, |edits| {
        edits.merge("a", r#"{"x":3,"z":4}"#, false);
    });
    assert_eq!(out, r#"{"a":{"y":2,"x":3,"z":4}}"#);
}

#[test]
fn a_member_that_the_patch_repeats_counts_once() {
    let out = edited(r#"{"a":{}}"#, |edits| {
        edits.merge("a", r#"{"x":1,"x":2}"#, false);
    });
    assert_eq!(out, r#"{"a":{"x":2}}"#);
}

#[test]
fn values_may_be_written_with_space_around_them() {
    let out = edited(r#"{"a":{"b":1}}"#, |edits| {
        edits.merge("a", " {\"c\":2} ", false);
    });
    assert_eq!(out, r#"{"a":{"b":1,"c":2}}"#);
}

#[test]
fn bodies_that_are_not_objects_have_no_members_to_change() {
    assert_eq!(edited("[1]", |edits| edits.set("a", "1")), "[1]");
}

#[test]
fn an_edit_list_is_extended_by_another() {
    let mut configured = Edits::new();
    configured.set("model", "\"b\"");
    let mut edits = Edits::new();
    edits.set("model", "\"a\"");
    edits.extend(&configured);
    assert!(edits.touches("model") && !edits.touches("messages"));
    assert_eq!(edits.apply(&scan("{}")), r#"{"model":"b"}"#);
}

#[test]
fn a_text_is_forced_by_the_last_change_only() {
    let mut edits = Edits::new();
    assert_eq!(edits.forced("stream"), None);
    edits.set("stream", " true ");
    edits.set("other", "1");
    assert_eq!(edits.forced("stream"), Some(&b"true"[..]));
    edits.merge("stream", "false", true);
    assert_eq!(edits.forced("stream"), Some(&b"false"[..]));
    edits.merge("stream", "true", false);
    assert_eq!(edits.forced("stream"), None);
    edits.set("stream", "true");
    edits.remove("stream");
    assert_eq!(edits.forced("stream"), None);
    edits.merge("other", r#"{"a":1}"#, true);
    assert_eq!(edits.forced("other"), None);
}
