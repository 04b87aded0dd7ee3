use std::path::Path;
use std::sync::Arc;

use config::Document;
use config::source::read_document;
use config::substitute::Environment;
use plugin::Registry;

use super::{idle_fields, inverted_priorities, misspelt_fields, passive_checks};

fn document(text: &str) -> Arc<Document> {
    let path = Path::new("apisix.yaml");
    let environment = Environment::default();
    let loaded = read_document(path, text, &environment, &Document::default(), 1);
    loaded.expect("a document").document
}

#[test]
fn passive_checks_are_told_wherever_they_stand() {
    let document = document(
        "
routes:
  - id: r
    uri: /r
    plugins:
      ai-proxy-multi:
        instances:
          - { name: a, checks: { active: {} } }
          - { name: b, checks: { active: {}, passive: {} } }
services:
  - id: s
    plugins:
      ai-proxy-multi: { instances: [{ name: a, checks: { passive: {} } }] }
#END
",
    );
    let told = "checks.passive: has no effect, as in APISIX; breaker does what it is meant for";
    let at = |key: &str, index: usize| {
        format!("{key}: plugins.ai-proxy-multi.instances[{index}].{told}")
    };
    assert_eq!(
        passive_checks(&document),
        [at("/routes/r", 1), at("/services/s", 0)]
    );
}

#[test]
fn a_spare_instance_that_comes_first_is_told() {
    let of = |spare: i64| {
        document(&format!(
            "
routes:
  - id: r
    uri: /r
    plugins:
      ai-proxy-multi:
        instances:
          - {{ name: openai-primary, priority: 0 }}
          - {{ name: deepseek-backup, priority: {spare} }}
#END
"
        ))
    };
    assert_eq!(inverted_priorities(&of(-1)), [""; 0]);
    let told = inverted_priorities(&of(1));
    let begin = "/routes/r: plugins.ai-proxy-multi.instances: \"deepseek-backup\" is preferred to";
    assert!(told.len() == 1 && told[0].starts_with(begin), "{told:?}");
}

#[test]
fn a_slip_in_a_plugins_field_is_told_with_what_was_meant() {
    let document = document(
        "
routes:
  - id: r
    uri: /r
    plugins:
      ai-proxy-multi:
        fallback_strateg: http_5xx
        note: ours
        instances:
          - { name: a, provider: openai, weight: 1, auth: {}, options: { models: m }, priorty: 1 }
services:
  - id: s
    plugins:
      key-auth: { hide_credential: true, _meta: { disable: false } }
#END
",
    );
    let registry = Registry::new(plugins::PLUGINS, None);
    assert_eq!(
        misspelt_fields(&document, &registry),
        [
            "/routes/r: plugins.ai-proxy-multi.fallback_strateg: unknown field, did you mean \
             \"fallback_strategy\"?",
            "/routes/r: plugins.ai-proxy-multi.instances[0].priorty: unknown field, did you mean \
             \"priority\"?",
            "/services/s: plugins.key-auth.hide_credential: unknown field, did you mean \
             \"hide_credentials\"?",
        ]
    );
}

#[test]
fn fields_without_effect_are_told_with_the_reason() {
    let document = document(
        "
routes:
  - id: r
    uri: /r
    plugins:
      ai-proxy-multi:
        balancer: { key: uri }
        instances: [{ name: a, provider: openai, weight: 1, auth: {}, checks: { active: {} } }]
#END
",
    );
    assert_eq!(
        idle_fields(&document),
        [
            "/routes/r: plugins.ai-proxy-multi.balancer.key: has no effect, since only chash looks at \
             it, and balancer.algorithm is roundrobin",
            "/routes/r: plugins.ai-proxy-multi.instances[0].checks: has no effect, since a single \
             instance is asked whatever its health",
        ]
    );
}
