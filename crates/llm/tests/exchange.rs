//! What logs show of an exchange.

use llm::{Dialect, Ended, Exchange, Usage};

fn finished() -> Exchange {
    Exchange {
        dialect: Dialect::OpenAiChat,
        streaming: true,
        request_model: "asked".to_owned(),
        instance: "first".into(),
        ranking: None,
        prompt_blocks: Vec::new(),
        model: "given".to_owned(),
        tool_count: 2,
        end_user: "u".to_owned(),
        usage: Usage {
            prompt_tokens: 50,
            completion_tokens: 30,
            total_tokens: 80,
            cache_read_input_tokens: 20,
            cache_creation_input_tokens: 10,
            reasoning_tokens: 5,
        },
        raw_usage: None,
        has_tool_calls: true,
        text: "hi \"you\"".to_owned(),
        text_known: true,
        time_to_first_token_ms: Some(12),
        upstream_response_time_ms: Some(345),
        request_log: Some(r#"[{"role":"user", "n":1.0}]"#.into()),
        content_risk_level: "low".to_owned(),
        done: true,
        ended: Ended::Complete,
        log_summaries: true,
        log_payloads: true,
    }
}

#[test]
fn the_summary_has_fifteen_members() -> serde_json::Result<()> {
    let expected = concat!(
        r#"{"request_model":"asked","model":"given","duration":12,"prompt_tokens":50,"#,
        r#""completion_tokens":30,"total_tokens":80,"upstream_response_time":345,"#,
        r#""stream":"true","tool_count":2,"has_tool_calls":"true","end_user_id":"u","#,
        r#""cache_read_input_tokens":20,"cache_creation_input_tokens":10,"#,
        r#""reasoning_tokens":5,"content_risk_level":"low"}"#,
    );
    assert_eq!(serde_json::to_string(&finished().summary())?, expected);
    Ok(())
}

#[test]
fn an_exchange_that_never_began_shows_numbers_too() -> serde_json::Result<()> {
    let expected = concat!(
        r#"{"request_model":"","model":"","duration":0,"prompt_tokens":0,"#,
        r#""completion_tokens":0,"total_tokens":0,"upstream_response_time":0,"#,
        r#""stream":"false","tool_count":0,"has_tool_calls":"false","end_user_id":"","#,
        r#""cache_read_input_tokens":0,"cache_creation_input_tokens":0,"#,
        r#""reasoning_tokens":0,"content_risk_level":""}"#,
    );
    assert_eq!(
        serde_json::to_string(&Exchange::default().summary())?,
        expected
    );
    Ok(())
}

#[test]
fn the_request_is_logged_as_the_client_wrote_it() -> serde_json::Result<()> {
    let entry = serde_json::to_string(&finished().request_entry())?;
    assert_eq!(
        entry,
        r#"{"messages":[{"role":"user", "n":1.0}],"stream":true}"#
    );
    let entry = serde_json::to_string(&Exchange::default().request_entry())?;
    assert_eq!(entry, r#"{"stream":false}"#);
    Ok(())
}

#[test]
fn the_text_is_logged_once_it_is_known() -> serde_json::Result<()> {
    let entry = serde_json::to_string(&finished().response_entry())?;
    assert_eq!(entry, r#"{"content":"hi \"you\""}"#);
    assert_eq!(Exchange::default().response_entry(), None);
    Ok(())
}

#[test]
fn the_request_type_follows_the_client() {
    assert_eq!(finished().request_type(), "ai_stream");
    assert_eq!(Exchange::default().request_type(), "ai_chat");
}

#[test]
fn ends_have_names_and_some_are_cuts() {
    let ends = [
        (Ended::Running, "running", false),
        (Ended::Complete, "complete", false),
        (Ended::ClientGone, "client_disconnect", true),
        (Ended::UpstreamCut, "upstream_cut", true),
        (Ended::ReadError, "read_error", true),
        (Ended::DurationLimit, "max_stream_duration_ms", true),
        (Ended::SizeLimit, "max_response_bytes", true),
        (Ended::TotalTimeout, "total_timeout", true),
        (Ended::Failed, "failed", false),
    ];
    for (ended, name, is_cut) in ends {
        assert_eq!((ended.name(), ended.is_cut()), (name, is_cut));
    }
    assert_eq!(Exchange::default().ended, Ended::Running);
}
