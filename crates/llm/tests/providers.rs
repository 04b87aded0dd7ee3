//! Who speaks what, where, and what happens when somebody does not.

use bytes::Bytes;
use llm::bridge::{self, Bridge};
use llm::{Dialect, Origin, PROVIDERS, Place, Provider, TokenCap};
use wire::json::{Edits, JsonError, Scan};

use Dialect::{AnthropicMessages, OpenAiChat, OpenAiEmbeddings, OpenAiResponses, Passthrough};

fn provider(name: &str) -> &'static Provider {
    let found = Provider::find(name);
    assert!(found.is_some(), "{name}");
    found.unwrap_or(PROVIDERS[0])
}

#[test]
fn every_provider_has_its_name_and_origin() {
    let found: Vec<_> = PROVIDERS
        .iter()
        .map(|provider| (provider.name, provider.origin))
        .collect();
    assert_eq!(
        found,
        [
            ("openai", Origin::Fixed("api.openai.com")),
            ("deepseek", Origin::Fixed("api.deepseek.com")),
            ("aimlapi", Origin::Fixed("api.aimlapi.com")),
            ("anthropic", Origin::Fixed("api.anthropic.com")),
            ("openai-compatible", Origin::Endpoint),
            ("azure-openai", Origin::Endpoint),
            ("openrouter", Origin::Fixed("openrouter.ai")),
            ("gemini", Origin::Fixed("generativelanguage.googleapis.com")),
            ("vertex-ai", Origin::Regional("-aiplatform.googleapis.com")),
        ]
    );
    assert!(Provider::find("OpenAI").is_none());
}

#[test]
fn only_azure_names_the_model_in_its_endpoint() {
    let removing: Vec<_> = PROVIDERS
        .iter()
        .filter(|provider| provider.remove_model)
        .map(|row| row.name)
        .collect();
    assert_eq!(removing, ["azure-openai"]);
}

#[test]
fn native_dialects_go_to_the_providers_own_path() {
    let cases = [
        ("openai", OpenAiChat, "/v1/chat/completions"),
        ("openai", OpenAiResponses, "/v1/responses"),
        ("openai", OpenAiEmbeddings, "/v1/embeddings"),
        ("openai-compatible", OpenAiChat, "/v1/chat/completions"),
        ("openai-compatible", OpenAiResponses, "/v1/responses"),
        ("openai-compatible", OpenAiEmbeddings, "/v1/embeddings"),
        ("deepseek", OpenAiChat, "/chat/completions"),
        ("aimlapi", OpenAiChat, "/chat/completions"),
        ("openrouter", OpenAiChat, "/api/v1/chat/completions"),
        ("anthropic", AnthropicMessages, "/v1/messages"),
        ("anthropic", OpenAiChat, "/v1/chat/completions"),
        ("azure-openai", OpenAiChat, "/completions"),
        ("gemini", OpenAiChat, "/v1beta/openai/chat/completions"),
        (
            "vertex-ai",
            OpenAiChat,
            "/v1beta1/projects/{project}/locations/{region}/endpoints/openapi/chat/completions",
        ),
    ];
    for (name, dialect, path) in cases {
        let bridge = bridge::route(dialect, provider(name));
        assert_eq!(
            bridge.map(Bridge::path).ok(),
            Some(Some(path)),
            "{name} {dialect}"
        );
    }
    let abilities: usize = PROVIDERS.iter().map(|provider| provider.speaks.len()).sum();
    assert_eq!(
        abilities,
        cases.len(),
        "every ability is in the table above"
    );
}

#[test]
fn a_place_in_the_cloud_makes_host_and_path() {
    let vertex = provider("vertex-ai");
    let place = |project: Option<&str>, region: Option<&str>| Place {
        project: project.map(str::to_owned),
        region: region.map(str::to_owned),
    };
    let here = place(Some("my project/1"), Some("europe-west4"));
    assert_eq!(
        vertex.origin.host(&here).as_deref(),
        Some("europe-west4-aiplatform.googleapis.com")
    );
    let path = "/v1beta1/projects/my%20project%2F1/locations/europe-west4/endpoints/openapi/chat/completions";
    assert_eq!(vertex.speaks[0].path_at(&here).as_deref(), Some(path));
    for lacking in [
        place(None, Some("r")),
        place(Some("p"), None),
        place(Some(""), Some("r")),
    ] {
        assert_eq!(vertex.speaks[0].path_at(&lacking), None, "{lacking:?}");
    }
    assert_eq!(vertex.origin.host(&place(Some("p"), None)), None);
    let openai = provider("openai");
    assert_eq!(
        openai.origin.host(&Place::default()).as_deref(),
        Some("api.openai.com")
    );
    let path = openai.speaks[0].path_at(&Place::default());
    assert_eq!(path.as_deref(), Some("/v1/chat/completions"));
}

#[test]
fn other_json_goes_to_the_path_of_the_request() {
    for provider in PROVIDERS {
        let bridge = bridge::route(Passthrough, provider).ok();
        assert_eq!(bridge, Some(Bridge::Passthrough), "{}", provider.name);
    }
    assert_eq!(Bridge::Passthrough.path(), None);
    assert_eq!(Bridge::Passthrough.target(), Passthrough);
    assert_eq!(Bridge::Passthrough.cap(), TokenCap::None);
}

#[test]
fn what_is_not_spoken_is_refused_with_what_is() {
    let refused = |dialect, name| bridge::route(dialect, provider(name)).map_err(|e| e.to_string());
    assert_eq!(
        refused(OpenAiResponses, "anthropic"),
        Err("provider anthropic cannot be reached in openai-responses; \
             it speaks anthropic-messages, openai-chat"
            .to_owned())
    );
    assert_eq!(
        refused(OpenAiEmbeddings, "deepseek"),
        Err(
            "provider deepseek cannot be reached in openai-embeddings; it speaks openai-chat"
                .to_owned()
        )
    );
}

#[test]
fn a_token_count_is_relayed_to_anthropic_only() {
    let path = "/v1/messages/count_tokens";
    assert_eq!(
        provider("anthropic").dialect_at(path, OpenAiChat),
        Passthrough
    );
    assert_eq!(provider("openai").dialect_at(path, OpenAiChat), OpenAiChat);
    let messages = provider("anthropic").dialect_at("/v1/messages", AnthropicMessages);
    assert_eq!(messages, AnthropicMessages);
}

#[test]
fn token_caps_are_written_where_the_provider_looks() -> Result<(), JsonError> {
    let cases = [
        ("openai", OpenAiChat, r#"{"max_completion_tokens":9}"#),
        (
            "openai",
            OpenAiResponses,
            r#"{"max_tokens":1,"max_output_tokens":9}"#,
        ),
        ("openai", OpenAiEmbeddings, r#"{"max_tokens":1}"#),
        ("openai-compatible", OpenAiChat, r#"{"max_tokens":9}"#),
        (
            "openai-compatible",
            OpenAiResponses,
            r#"{"max_tokens":1,"max_output_tokens":9}"#,
        ),
        ("deepseek", OpenAiChat, r#"{"max_tokens":9}"#),
        ("aimlapi", OpenAiChat, r#"{"max_tokens":9}"#),
        ("openrouter", OpenAiChat, r#"{"max_tokens":9}"#),
        ("anthropic", AnthropicMessages, r#"{"max_tokens":9}"#),
        ("anthropic", OpenAiChat, r#"{"max_tokens":9}"#),
        ("azure-openai", OpenAiChat, r#"{"max_tokens":9}"#),
        (
            "gemini",
            OpenAiChat,
            r#"{"max_tokens":1,"max_completion_tokens":9}"#,
        ),
    ];
    for (name, dialect, expected) in cases {
        let scan = Scan::new(Bytes::from_static(br#"{"max_tokens":1}"#))?;
        let mut edits = Edits::new();
        if let Some(ability) = provider(name).ability(dialect) {
            ability.cap.apply(9, &mut edits);
        }
        assert_eq!(edits.apply(&scan), expected, "{name} {dialect}");
    }
    Ok(())
}
