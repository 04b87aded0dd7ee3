use serde_json::{Value, json};

use super::{Lack, Resolved, embedded, is_open, mentions, references};
use crate::{Environment, PluginFault};

fn environment() -> Environment {
    let variables = [
        ("KEY", "sk-1"),
        (
            "KEYS",
            r#"{"openai": "sk-2", "n": 7, "account": {"a": 1}, "none": null}"#,
        ),
        ("OTHER", "$env://KEY"),
        ("EMPTY", ""),
    ];
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    variables.into_iter().map(owned).collect()
}

fn resolved(config: &Value) -> Value {
    let resolved = Resolved::new(config, &environment());
    assert_eq!(resolved.lacks, []);
    resolved.config.into_owned()
}

fn refused(reference: &str) -> String {
    let config = json!({ "a": [{ "b/c": reference, "d": "$env://KEY" }] });
    let resolved = Resolved::new(&config, &environment());
    let expected = json!({ "a": [{ "b/c": reference, "d": "sk-1" }] });
    assert_eq!(*resolved.config, expected, "it is left as it stands");
    let [lack] = &resolved.lacks[..] else {
        panic!("one has no value, found {:?}", resolved.lacks)
    };
    assert_eq!((&*lack.pointer, &*lack.reference), ("/a/0/b~1c", reference));
    assert_eq!(lack.is_of_environment(), !reference.starts_with("$secret"));
    let told = format!("no value for {reference}: {}", lack.why);
    assert_eq!(lack.to_string(), told);
    lack.why.clone()
}

#[test]
fn variables_stand_wherever_a_whole_text_names_them() {
    let config = json!({ "a": { "b/c": "$env://KEY" }, "d": ["$ENV://KEYS/openai", 1], "e": "x" });
    let expected = json!({ "a": { "b/c": "sk-1" }, "d": ["sk-2", 1], "e": "x" });
    assert_eq!(resolved(&config), expected);
    let found: Vec<_> = references(&config).iter().map(|one| one.text).collect();
    assert_eq!(found, ["$env://KEY", "$ENV://KEYS/openai"]);
}

#[test]
fn members_that_are_no_texts_come_as_json() {
    let config = json!(["$env://KEYS/n", "$env://KEYS/account", "$env://EMPTY"]);
    assert_eq!(resolved(&config), json!(["7", r#"{"a":1}"#, ""]));
}

#[test]
fn a_configuration_without_references_is_not_copied() {
    let config = json!({ "a": "Bearer $env://KEY", "b": "$remote_addr" });
    let resolved = Resolved::new(&config, &environment());
    assert!(!resolved.is_changed());
    assert!(matches!(resolved.config, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn references_among_other_characters_are_found_out() {
    let config = json!({ "auth": {
        "a": "Bearer $Env://KEY", "b": "$env://KEY", "c": "$x é$", "d": "$SECRET://vault/1/a/b",
        "e": "$secret://vault/1/a/b",
    } });
    assert_eq!(embedded(&config), ["auth.a", "auth.d"]);
}

#[test]
fn the_word_env_may_be_written_in_any_case_and_secret_only_small() {
    let config = json!([
        "$ENV://KEY",
        "$Env://KEY",
        "$secret://a",
        "$SECRET://a",
        "$Secret://a"
    ]);
    let found: Vec<_> = references(&config).iter().map(|one| one.text).collect();
    assert_eq!(found, ["$ENV://KEY", "$Env://KEY", "$secret://a"]);
}

#[test]
fn secret_fields_are_found_through_lists() {
    let lack = |pointer: &str| Lack {
        pointer: pointer.to_owned(),
        reference: "$env://X".into(),
        why: String::new(),
    };
    let fields = ["instances.auth.header", "key"];
    for pointer in [
        "/instances/2/auth/header/x",
        "/key",
        "/instances/0/auth/header",
    ] {
        assert!(lack(pointer).is_in(&fields), "{pointer}");
    }
    for pointer in ["", "/keys", "/instances/0/auth", "/auth/header/x", "/a/key"] {
        assert!(!lack(pointer).is_in(&fields), "{pointer}");
    }
}

#[test]
fn what_has_no_value_is_told_with_its_field() {
    assert_eq!(
        refused("$env://GONE"),
        "environment variable \"GONE\" is not set"
    );
    assert_eq!(refused("$env://"), "environment variable \"\" is not set");
    let missing = "the JSON object in environment variable \"KEYS\" has no member \"gone\"";
    assert_eq!(refused("$env://KEYS/gone"), missing);
    assert!(refused("$env://KEYS/none").ends_with("has no member \"none\""));
    assert_eq!(
        refused("$env://KEY/openai"),
        "expected a JSON object in environment variable \"KEY\", found something else"
    );
    assert_eq!(
        refused("$secret://vault/1/keys/openai"),
        "vault/1 was not asked for it"
    );
    assert_eq!(refused("$env://OTHER"), "it leads to another reference");
}

#[test]
fn values_are_not_told() {
    let variables = [("KEY".to_owned(), "a\"b\n".to_owned())];
    let environment = Environment::from_iter(variables);
    assert_eq!(
        format!("{environment:?}"),
        "Environment(1 variables, SecretValues(0 references))"
    );
    let config = json!({ "key": "$env://KEY" });
    let resolved = Resolved::new(&config, &environment);
    let fault = PluginFault::Invalid {
        name: "p".to_owned(),
        pointer: "/key".to_owned(),
        detail: format!("found {0}, {0:?}, or {1}", "a\"b\n", json!("a\"b\n")),
        others: Vec::new(),
    };
    let told = resolved.veiled(fault).to_string();
    let expected = "found $env://KEY, \"$env://KEY\", or \"$env://KEY\"";
    assert!(told.ends_with(expected), "{told}");

    let environment = Environment::from_iter([("KEY".to_owned(), "x".to_owned())]);
    let resolved = Resolved::new(&config, &environment);
    let fault = PluginFault::Invalid {
        name: "p".to_owned(),
        pointer: "/key".to_owned(),
        detail: "expected more, found \"x\"".to_owned(),
        others: Vec::new(),
    };
    let told = resolved.veiled(fault).to_string();
    assert!(
        told.ends_with("expected more, found \"$env://KEY\""),
        "{told}"
    );
}

#[test]
fn answers_of_secret_managers_are_put_in_place() {
    const KEY: &str = "$secret://vault/main/openai/key";
    const CHAIN: &str = "$secret://vault/main/openai/chain";
    let values = [
        (KEY.into(), Ok("sk-9".to_owned().into())),
        (CHAIN.into(), Ok("$env://KEY".to_owned().into())),
        (
            "$secret://vault/main/none/key".into(),
            Err("vault/main: status 503".to_owned()),
        ),
    ];
    let environment = environment().with_secrets(values.into_iter().collect());
    let config = json!({ "a": KEY, "b": "$env://KEY", "c": "sk-plain" });
    let resolved = Resolved::new(&config, &environment);
    assert_eq!(
        *resolved.config,
        json!({ "a": "sk-9", "b": "sk-1", "c": "sk-plain" })
    );

    for (reference, why) in [
        (CHAIN, "it leads to another reference"),
        ("$secret://vault/main/none/key", "vault/main: status 503"),
        (
            "$secret://aws/main/key",
            "secret manager aws is not available in this version, expected vault",
        ),
    ] {
        let config = json!({ "key": reference });
        let resolved = Resolved::new(&config, &environment);
        let told: Vec<_> = resolved.lacks.iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("no value for {reference}: {why}")]);
    }
    assert!(mentions(&config, &[KEY.into()].into()));
    assert!(!mentions(&config, &[CHAIN.into()].into()));
    assert!(!is_open(&config, &environment));
    assert!(!format!("{environment:?}").contains("sk-9"));
}
