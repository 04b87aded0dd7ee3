//! What the schema accepts, the type reads: whatever becomes of an accepted document, if the schema
//! still takes it, so does serde.

mod documents;

use documents::{Case, Place, Role, cases};
use plugin::{ConfigError, Meta, Registry};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

/// One change of a document.
#[derive(Clone, Debug)]
enum Change {
    /// Another value at a place.
    Replace(Value),
    /// No value at a place.
    Remove,
    /// The value of another place.
    Copy(Index),
    /// One more member or item.
    Add(Value),
}

/// Small values of all types, and the edges of ranges that fields have.
fn value() -> impl Strategy<Value = Value> {
    let words = [
        "",
        "a",
        "http",
        "vars",
        "openai",
        "bedrock",
        "$env://X",
        "https://h/p",
        "{}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![
            -1_i64, 0, 1, 2, 254, 255, 600, 1000, 65535, 65536, 600_000
        ])
        .prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        prop::sample::select(ends()),
        prop::sample::select(vec![-1.0, 0.0, 0.5, 1.0, 2.0, 30000.0]).prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z_-]{1,6}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Numbers where types end, and beyond.
fn ends() -> Vec<Value> {
    let (large, small) = (9_007_199_254_740_991_i64, -9_007_199_254_740_991_i64);
    let whole = [i64::MIN, small, 1 << 31, 1 << 32, large, i64::MAX].map(Value::from);
    let floats = [-1e300, 1e18, 1e20, 1e300].map(Value::from);
    let all = whole.into_iter().chain(floats);
    all.chain([Value::from(1_u64 << 63), Value::from(u64::MAX)])
        .collect()
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => value().prop_map(Change::Replace),
        2 => Just(Change::Remove),
        1 => any::<Index>().prop_map(Change::Copy),
        1 => value().prop_map(Change::Add),
    ]
}

/// JSON pointers of all values below the root.
fn pointers(value: &Value, base: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, v)| (name.clone(), v)).collect(),
        Value::Array(items) => (0..)
            .zip(items)
            .map(|(at, v): (usize, _)| (at.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let name = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{base}/{name}");
        found.push(pointer.clone());
        pointers(child, &pointer, found);
    }
}

fn apply(document: &mut Value, place: Index, change: Change) {
    let mut places = Vec::new();
    pointers(document, "", &mut places);
    if places.is_empty() {
        return;
    }
    let pointer = place.get(&places);
    let copied = match &change {
        Change::Copy(from) => document.pointer(from.get::<String>(&places)).cloned(),
        _ => None,
    };
    let Some(target) = document.pointer_mut(pointer) else {
        return;
    };
    match change {
        Change::Replace(value) => *target = value,
        Change::Copy(_) => *target = copied.unwrap_or_default(),
        Change::Add(value) => match target {
            Value::Object(members) => _ = members.insert("added".to_owned(), value),
            Value::Array(items) => items.push(value),
            other => *other = json!([other.take(), value]),
        },
        Change::Remove => {
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            match document.pointer_mut(parent) {
                Some(Value::Object(members)) => _ = members.remove(name),
                Some(Value::Array(items)) => _ = name.parse().map(|at: usize| items.remove(at)),
                _ => {}
            }
        }
    }
}

/// Documents that plugins accept.
fn seeds() -> Vec<Case> {
    cases()
        .filter(|case| case.place == Place::Accept && case.role == Role::Config)
        .filter(|case| !Meta::is_disabled(&case.config) && case.check().is_ok())
        .collect()
}

/// What the plugin's type says of a document.
fn read(name: &str, document: &Value) -> Result<(), ConfigError> {
    let mut entries = plugins::PLUGINS.iter();
    let entry = entries
        .find(|entry| entry.name == name)
        .expect("the plugin");
    (entry.read)(&Meta::strip(document))
}

#[test]
fn every_number_that_the_schema_accepts_the_type_reads() {
    let registry = Registry::new(plugins::PLUGINS, None);
    for case in seeds() {
        let mut places = Vec::new();
        pointers(&case.config, "", &mut places);
        let is_number = |place: &String| case.config.pointer(place).is_some_and(Value::is_number);
        for place in places.into_iter().filter(is_number) {
            for end in ends() {
                let mut document = case.config.clone();
                *document.pointer_mut(&place).expect("a place") = end.clone();
                if registry.check_schema(&case.plugin, &document).is_ok() {
                    let read = read(&case.plugin, &document);
                    assert!(
                        read.is_ok(),
                        "{} {place} {end}: {read:?}",
                        case.path.display()
                    );
                }
            }
        }
    }
}

thread_local! {
    static SEEDS: Vec<Case> = seeds();
    static REGISTRY: Registry = Registry::new(plugins::PLUGINS, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_the_schema_accepts_the_type_reads(
        seed in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), change()), 0..4),
    ) {
        let (name, path, mut document) = SEEDS.with(|seeds| {
            let case = seed.get(seeds);
            (case.plugin.clone(), case.path.clone(), case.config.clone())
        });
        for (place, change) in changes {
            apply(&mut document, place, change);
        }
        let accepted = REGISTRY.with(|registry| registry.check_schema(&name, &document).is_ok());
        if accepted {
            let read = read(&name, &document);
            prop_assert!(read.is_ok(), "from {}: {:?}\n{}", path.display(), read, document);
        }
    }
}
