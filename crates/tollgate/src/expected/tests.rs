use std::path::Path;

use config::Document;
use config::lookup::SecretValues;
use config::settings::Settings;
use config::source::read_document;
use config::substitute::Environment;

use crate::house::House;

/// What is said of a route with this configuration of `ai-proxy-multi`.
fn said(config: &str) -> Vec<String> {
    let text = format!(
        "routes:\n  - id: r\n    uri: /r\n    plugins:\n      ai-proxy-multi: {config}\n#END\n"
    );
    let environment = Environment::default();
    let path = Path::new("apisix.yaml");
    let loaded = read_document(path, &text, &environment, &Document::default(), 1);
    let loaded = loaded.expect("a document");
    let house = House::new(&Settings::default(), &environment).expect("a house");
    let secrets = SecretValues::unasked(&loaded.document);
    let (_, whole) = house.compile(&loaded, secrets, None);
    whole.rejected.iter().map(ToString::to_string).collect()
}

const INSTANCE: &str = "{ name: a, provider: openai, weight: 1, auth: {} }";

#[test]
fn a_word_that_is_none_of_the_known_ones_is_told_with_all_of_them() {
    let config = format!("{{ balancer: {{ algorithm: lest_busy }}, instances: [{INSTANCE}] }}");
    assert_eq!(
        said(&config),
        [
            "apisix.yaml:5:37: routes[0].plugins.ai-proxy-multi.balancer.algorithm: expected \
             \"chash\" or \"roundrobin\" or \"semantic\" or \"least_busy\" or \"ewma\" or \
             \"prefix\", found \"lest_busy\""
        ]
    );
}

#[test]
fn each_of_several_faults_is_told_in_the_same_words() {
    let config = format!("{{ max_retries: -1, timeout: 0, instances: [{INSTANCE}] }}");
    let mut said = said(&config);
    said.sort();
    let ends: Vec<_> = said
        .iter()
        .filter_map(|line| line.split("ai-proxy-multi.").nth(1))
        .collect();
    assert_eq!(
        ends,
        [
            "max_retries: expected at least 0, found -1",
            "timeout: expected at least 1, found 0"
        ]
    );
}

#[test]
fn what_no_schema_says_keeps_its_own_words() {
    let config = format!("{{ balancer: {{ algorithm: chash }}, instances: [{INSTANCE}] }}");
    let [only] = &*said(&config) else {
        panic!("one fault");
    };
    assert!(only.contains("must configure `hash_key`"), "{only}");
}
