use std::time::Duration;

use super::*;
use crate::deadline::Deadlines;

const CANARY: &str = "sk-canary-91";

fn settings() -> InstanceSettings {
    let secret = |text: &str| Secret::new(text.to_owned());
    InstanceSettings {
        name: "a".into(),
        provider: Provider::find("openai").expect("a provider"),
        place: Place::default(),
        endpoint: None,
        lack: None,
        headers: vec![("authorization".to_owned(), secret(CANARY))],
        query: vec![("key".to_owned(), secret(CANARY))],
        gcp: Some(GcpSettings {
            account: Some(secret(CANARY)),
            holder: "a".to_owned(),
            expire_early: Duration::ZERO,
            max_ttl: None,
        }),
        model: None,
        options: Vec::new(),
        max_tokens: None,
        patches: Vec::new(),
        force: false,
    }
}

fn limits() -> Limits {
    Limits {
        max_request_bytes: 1,
        timeout: Duration::from_secs(1),
        deadlines: Deadlines::default(),
        max_stream_duration: None,
        max_response_bytes: None,
        join_writes: false,
        log_summaries: false,
        log_payloads: false,
        keepalive: None,
        verify: true,
    }
}

#[test]
fn no_credential_is_printed() {
    let living = Living::default();
    let mut settings = settings();
    settings.endpoint = Some(format!("https://a.example/v1?key={CANARY}"));
    let instance = Instance::new(&settings, &limits(), &living).expect("an instance");
    let lack = instance.credential_lack();
    let printed = format!("{settings:?} {instance:?} {lack:?} {living:?}");
    assert!(!printed.contains(CANARY), "{printed}");
    assert!(printed.contains("openai"));
}

#[test]
fn a_header_that_cannot_be_sent_is_told_without_its_value() {
    let mut settings = settings();
    let value = Secret::new(format!("{CANARY}\n"));
    settings.headers = vec![("authorization".to_owned(), value)];
    let error = Instance::new(&settings, &limits(), &Living::default()).expect_err("a fault");
    let printed = format!("{error} {error:?}");
    assert!(error.to_string().starts_with("auth.header.authorization: "));
    assert!(!printed.contains(CANARY), "{printed}");
}

#[test]
fn every_credential_is_in_the_fingerprint_and_nothing_else() {
    let whole = settings().fingerprint();
    assert_eq!(settings().fingerprint(), whole);
    let mut others: [_; 4] = std::array::from_fn(|_| settings());
    others[0].headers[0].1 = Secret::new("x".to_owned());
    others[1].query[0].1 = Secret::new("x".to_owned());
    others[2].gcp = None;
    if let Some(gcp) = &mut others[3].gcp {
        gcp.account = Some(Secret::new("x".to_owned()));
    }
    let mut found: Vec<_> = others.iter().map(InstanceSettings::fingerprint).collect();
    found.push(whole);
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), 5);
    let mut model = settings();
    model.model = Some("m".to_owned());
    assert_eq!(model.fingerprint(), whole);
}

#[test]
fn an_endpoint_without_a_value_is_nowhere() {
    let mut settings = settings();
    settings.endpoint = Some("$env://GONE".to_owned());
    let text = "override.endpoint: no value for $env://GONE";
    settings.lack = Some(Lack::Other(text.to_owned()));
    let instance = Instance::new(&settings, &limits(), &Living::default()).expect("an instance");
    assert_eq!(instance.address(), None);
    assert!(instance.has_host(), "it will have one");
}
