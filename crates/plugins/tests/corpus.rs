//! The configuration corpus: documents that each plugin takes, and documents that it refuses with
//! the message we print.
//!
//! `configs/<plugin>/accept/<case>.json` and `configs/<plugin>/reject/<case>.json`. Shape:
//! `{"config": …, "message": "…"}`; the message of rejected ones is the whole detail, without the
//! words before it that name the plugin. With `"as": "consumer"` the document is the consumer's side
//! of an auth plugin, with `"as": "metadata"` the plugin's metadata.

mod documents;

use documents::{Case, Place, cases};
use plugin::PluginFault;

fn check(case: &Case) -> Result<(), String> {
    case.check().map_err(|fault| match fault {
        PluginFault::Invalid { detail, .. } => detail,
        PluginFault::Unknown { name } => format!("unknown plugin [{name}]"),
    })
}

#[test]
fn accepted_documents_compile() {
    let mut count = 0;
    for case in cases().filter(|case| case.place == Place::Accept) {
        count += 1;
        assert_eq!(check(&case), Ok(()), "{}", case.path.display());
    }
    assert!(count > 0, "no documents found");
}

#[test]
fn rejected_documents_are_told_why() {
    let mut wrong = Vec::new();
    for case in cases() {
        let Place::Reject(message) = &case.place else {
            continue;
        };
        let found = check(&case)
            .err()
            .unwrap_or_else(|| "(accepted)".to_owned());
        if found != *message {
            let path = case.path.display();
            wrong.push(format!(
                "{path}\n  expected {message:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_plugin_has_documents_of_both_kinds() {
    for entry in plugins::PLUGINS {
        let of_plugin = || cases().filter(|case| case.plugin == entry.name);
        let accepted = of_plugin().any(|case| case.place == Place::Accept);
        let rejected = of_plugin().any(|case| case.place != Place::Accept);
        assert!(accepted && rejected, "{}", entry.name);
    }
}
